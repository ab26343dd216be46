"""The comparison as text and Markdown: what stands where, and that nothing in it can command a terminal or break a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evals.comparison import Comparison, compare
from evals.comparison_text import comparison_blocks, comparison_markdown
from evals.fingerprint import Fingerprint
from evals.grid import block_lines, wrapped
from evals.ladder import Outcome
from evals.run import Run
from evals.selftest.factories import CUT_OFF, EMPTY, VALID
from evals.selftest.run_pairs import FENCED, HEAD, answered, any_pairs, outcomes_run, run_of
from evals.trials import Trial

PARSER = MarkdownIt("commonmark").enable(["table"])
TASKS = "abcdefgh"


def pair() -> tuple[Run, Run]:
    """Two alike runs: HEAD lost the task a, and takes twice as long."""
    base = [answered(VALID, task=task) for task in TASKS]
    head = [answered(FENCED if task == "a" else VALID, task=task, ttft=0.2, latency=2.0, prompt=150) for task in TASKS]
    return run_of(*base), run_of(*head, name=HEAD)


def lines_of(comparison: Comparison, width: int) -> list[str]:
    """The comparison as plain lines."""
    return block_lines(wrapped(comparison_blocks(comparison), width), width)


def text(base: Run, head: Run, width: int = 100) -> str:
    """The comparison as one text."""
    return "\n".join(lines_of(compare(base, head), width))


def row(shown: str, title: str) -> str:
    """The first line that begins with a title, with single spaces."""
    line = next(line for line in shown.splitlines() if line.startswith(title))
    return " ".join(line.removeprefix(title).split())


@pytest.mark.parametrize(
    ("title", "cells"),
    [
        ("tasks (trials)", "8 (8) 8 (8)"),
        ("schema-valid", "100% [63, 100] 88% [47, 100] -12.5 pts [-42.1, +17.1]"),
        ("prompt tokens", "100 150 x1.500"),
        ("TTFT p50", "100 ms 200 ms x2.000 [2.000, 2.000]"),
        ("latency p95", "1,000 ms 2,000 ms not judged"),
    ],
)
def test_every_figure_has_its_row(title: str, cells: str) -> None:
    """BASE, HEAD and the change with its interval stand in one row."""
    assert row(text(*pair()), title) == cells


def test_a_flip_is_told_with_its_cause() -> None:
    """The lost task, its valid epochs before and after, and the first failure on the worse side."""
    flips = text(*pair()).partition("naive-warm, tasks that flipped in schema-valid: 1 lost, 0 gained\n")[2]
    assert row(flips, "a ") == "1/1 > 0/1 HEAD 1 x code fence: not JSON: the answer is in a code fence"


def test_every_task_has_a_row() -> None:
    """Valid and parsing epochs, prompt tokens and median times stand as BASE's, then HEAD's."""
    every = text(*pair()).partition("every task: BASE > HEAD\n")[2]
    assert row(every, "a ") == "1/1 > 0/1 1/1 > 0/1 100 > 150 100 > 200 1,000 > 2,000"


def test_tasks_of_one_side_are_left_out_unless_there_are_no_others() -> None:
    """They would say nothing beside those that both have, and are all that runs without a common task have."""
    one, both, other = ({task: [VALID] for task in tasks} for tasks in ("k", "km", "m"))
    apart = text(outcomes_run(one), outcomes_run(both, HEAD)).partition("every task: BASE > HEAD\n")[2]
    assert [line[0] for line in apart.partition("\n\n")[0].splitlines()[1:]] == ["k"]
    alone = text(outcomes_run(one), outcomes_run(other, HEAD)).partition("every task: BASE > HEAD\n")[2]
    assert [line[0] for line in alone.partition("\n\n")[0].splitlines()[1:]] == ["k", "m"]


def test_the_runs_come_first_and_what_they_lack_second() -> None:
    """Who reads from the top knows what is compared, and that it says nothing, before the first figure."""
    base, head = pair()
    shown = text(base, outcomes_run({"a": [VALID, VALID], "x": [EMPTY, EMPTY]}, HEAD))
    parts = ("BASE", base.header.run, "UNLIKE OR INCOMPLETE", "BASE lacks the task(s) x", "strict JSON")
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
    assert "UNLIKE" not in text(base, head)


def test_many_reasons_are_cut_short() -> None:
    """Eight of them are shown, and the number of the others."""
    base, head = pair()
    marks = [Fingerprint({"sampling": {f"s{n}": value for n in range(20)}}, {}, {}) for value in (1, 2)]
    base, head = (replace(run, header=replace(run.header, fingerprint=mark)) for run, mark in zip((base, head), marks, strict=True))
    shown = text(base, head)
    assert (shown.count("identity.sampling."), "and 12 more (JSON has them all)" in shown) == (8, True)


def test_a_stack_of_one_side_is_told_once() -> None:
    """It is named as lacking, and its fields are not listed as meant differences too."""
    both = run_of(answered(VALID), answered(VALID, stack="optimized"))
    stacks = Fingerprint({"stacks": {"naive": {"retries": 0}, "optimized": {"retries": 1}}}, {}, {})
    both = replace(both, header=replace(both.header, fingerprint=stacks))
    one = run_of(answered(VALID), name=HEAD)
    one = replace(one, header=replace(one.header, fingerprint=Fingerprint({"stacks": {"naive": {"retries": 0}}}, {}, {})))
    shown = text(both, one)
    assert ("HEAD lacks the stack(s) optimized" in shown, "identity.stacks" in shown) == (True, False)


def test_nothing_in_common_is_said() -> None:
    """Runs without a common task show their own figures and say that no change can be shown; without a common series, that."""
    tasks = text(outcomes_run({"a": [VALID]}), outcomes_run({"b": [VALID]}, HEAD))
    assert "no task has an answer on both sides" in tasks
    stacks = text(run_of(answered(VALID)), run_of(answered(VALID, stack="optimized"), name=HEAD))
    assert "The two runs have no series in common." in stacks
    assert "Only BASE has naive-warm." in stacks


@pytest.mark.parametrize("width", [80, 132])
@given(runs=any_pairs())
@settings(max_examples=30)
def test_any_comparison_fits_into_its_width(width: int, runs: tuple[Run, Run]) -> None:
    """No line is wider than asked for, whatever the runs lack."""
    assert max(map(len, lines_of(compare(*runs), width))) <= width


@given(any_pairs())
@settings(max_examples=30)
def test_no_figure_is_nan_or_none(runs: tuple[Run, Run]) -> None:
    """What there is not is a dash."""
    shown = text(*runs, width=132) + comparison_markdown(compare(*runs))
    assert not re.search(r"\bnan\b|None", shown)


HOSTILE = st.text("|`<>&*_[]()!~#-\\a \n\r\x1b\x07\u2028\u202e@/", max_size=30)


def _told(write: Callable[[str], tuple[Run, Run]], evil: str) -> tuple[str, str]:
    comparison = compare(*write(evil))
    return "\n".join(lines_of(comparison, 80)), comparison_markdown(comparison)


def _in_failure(evil: str) -> tuple[Run, Run]:
    return outcomes_run({"a": [VALID]}), outcomes_run({"a": [Outcome("answered", "py", "other", evil)]}, HEAD)


def _in_task(evil: str) -> tuple[Run, Run]:
    return outcomes_run({f"a{evil}": [VALID]}), outcomes_run({f"a{evil}": [CUT_OFF]}, HEAD)


def _in_header(evil: str) -> tuple[Run, Run]:
    def named(run: Run) -> Run:
        target = replace(run.header.target, model=evil, server=evil, disclaimer=evil)
        marks = Fingerprint({"model": {"name": evil}, evil: run.header.run}, {"cpu": evil}, {"commit": evil, "dirty": True})
        return replace(run, header=replace(run.header, target=target, fingerprint=marks))

    base, head = pair()
    return named(base), replace(named(head), trials=tuple(map(_faulty, head.trials)))


def _faulty(trial: Trial) -> Trial:
    return replace(trial, task=f"{trial.task}|<x>")


@pytest.mark.parametrize("write", [_in_failure, _in_task, _in_header])
@given(evil=HOSTILE)
@settings(max_examples=50)
def test_nothing_that_is_told_commands_or_breaks_anything(write: Callable[[str], tuple[Run, Run]], evil: str) -> None:
    """Failures, names of tasks, models and servers, and fingerprints show up without control characters, and as no markup: each
    table has its columns, and the only HTML is ours.
    """
    plain, markdown = _told(write, evil)
    assert not [c for c in plain + markdown if c != "\n" and not c.isprintable()]
    tokens = PARSER.parse(markdown)
    html = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert all(block.startswith(("<details><summary>", "</details>")) for block in html)
    inline = {child.type for token in tokens if token.type == "inline" for child in token.children or []}
    assert inline <= {"text", "strong_open", "strong_close", "softbreak"}
    rules = re.findall(r"^\| (?:---:? \| )*---:? \|$", markdown, re.MULTILINE)
    assert sum(token.type == "table_open" for token in tokens) == len(rules)


def test_markdown_warns_of_unlike_runs() -> None:
    """A reviewer sees the warning before any figure."""
    base, _ = pair()
    markdown = comparison_markdown(compare(base, base))
    assert 0 < markdown.index("> [!WARNING]") < markdown.index("the same run") < markdown.index("#### naive-warm")
