"""The section of the memory evals, as text."""

from __future__ import annotations

from evals.grid import Grid, block_lines, wrapped
from evals.memory.persistence import Found, persistence_table
from evals.memory.report import Told, report_blocks
from evals.memory.retrieval import Lookup, Retrieval, changed_contexts, retrieval_table
from evals.memory.writeback import write_back_table

STORED = frozenset("abcdef")


def _retrieval(distractors: int, *facts: str) -> Retrieval:
    lookups = tuple(Lookup(f"task-{i}", frozenset("ab"), tuple(one), 0.010 + i / 1000) for i, one in enumerate(facts))
    return Retrieval(distractors, STORED, lookups)


def test_the_retrieval_table() -> None:
    """Every size is a row with recall, its interval, precision and times; the sentence has chance, hindsight and the bounds."""
    told = retrieval_table([_retrieval(0, "abcde", "bcdef"), _retrieval(1_000, "abcde", "bcdef")])
    lines = block_lines(wrapped(report_blocks([told]), 120), 120)
    assert lines[0] == "retrieval, 2 tasks"
    assert [line.split()[0] for line in lines[2:4]] == ["0", "1,000"]
    assert "0.750" in lines[2]
    assert "0.300" in lines[2]
    assert "10.5 ms" in lines[2]
    text = " ".join(told.sentence.split())
    assert "recall is expected to be 0.833 and reaches 0.750 with probability 0.89" in text
    assert "the same 5 for every task, chosen with hindsight, have 1.000" in text
    assert "Precision: 0.333 at random, at most 0.400" in text


def test_changed_contexts_are_named() -> None:
    """What a context lost and got is told, and equal ones are not."""
    (told,) = changed_contexts(_retrieval(0, "abcde", "abcde"), _retrieval(9, "abcde", "abcdf"))
    assert told == "task-1: lost 'e', got 'f'"


def test_a_section_fits_its_width() -> None:
    """No line is longer than the terminal, and evals stand apart."""
    told = Told("one", Grid(("name", "n"), (("word " * 30, "1"),)), "sentence " * 40)
    lines = block_lines(wrapped(report_blocks([told, told]), 60), 60)
    assert max(map(len, lines)) <= 60
    assert lines.count("") == 1


def test_a_complaint_cannot_command_the_terminal() -> None:
    """Control characters in what another process complained of are not printed."""
    told = persistence_table(Found(0, 1.0, ("a",), (("a",),)), Found(2, 1.0, complaint="locked \x1b[2J"))
    assert "\x1b" not in "".join(block_lines(wrapped(report_blocks([told]), 80), 80))
    assert "locked" in told.sentence


def test_the_write_back_table() -> None:
    """The table has the contexts, how many changed, and the times."""
    assert write_back_table(64, [], [0.001, 0.003]).grid.rows == (("64", "0", "2.0 ms", "2.9 ms"),)
