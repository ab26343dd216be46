"""The verdict as text and Markdown."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evals.gate import Finding, Verdict, judge
from evals.grid import block_lines
from evals.likeness import Differences
from evals.limits import Limit, Limits
from evals.run import Run
from evals.selftest.factories import EMPTY, VALID
from evals.selftest.run_pairs import HEAD, outcomes_run
from evals.verdict_text import verdict_blocks, verdict_markdown

LIMITS = Limits(changes=tuple(Limit(metric, "fall", 60, "points", "why") for metric in ("schema-valid", "code parses")))
PARSER = MarkdownIt("commonmark").enable(["table"])


def runs() -> tuple[Run, Run]:
    """Two alike runs without a change."""
    tasks = {task: [VALID] for task in "abcdefgh"}
    return outcomes_run(tasks), outcomes_run(tasks, HEAD)


def lines_of(verdict: Verdict) -> list[str]:
    """The verdict as plain lines."""
    return block_lines(verdict_blocks(verdict), 100)


def test_the_verdict_comes_first_and_every_limit_has_its_line() -> None:
    """The first line is the verdict and its sentence, and each finding follows on one line."""
    verdict = judge(*runs(), LIMITS)
    lines = lines_of(verdict)
    assert lines[0] == f"PASS: {verdict.sentence}"
    assert lines[1:] == [f"  {finding}" for finding in verdict.findings]


def test_the_table_parts_what_was_measured_from_what_it_amounts_to() -> None:
    """A limit has its name, BASE and HEAD, and its verdict with the reason; no text stands twice."""
    markdown = verdict_markdown(judge(*runs(), LIMITS))
    assert markdown.startswith("**PASS: HEAD keeps all 2 limits")
    row = next(line for line in markdown.splitlines() if line.startswith("| schema-valid"))
    assert row == (
        "| schema-valid, naive-warm | 100%, then 100%: +0.0 points &#91;-31.2, +31.2] |"
        " PASS: a loss of more than 60 points is excluded (at most 31.2) |"
    )


def test_an_invalid_verdict_gives_all_its_reasons() -> None:
    """Every reason is there, in both forms, and there is no table."""
    base, _ = runs()
    verdict = judge(base, outcomes_run({"a": [EMPTY, EMPTY]}, HEAD), LIMITS)
    assert len(verdict.reasons) > 1
    assert all(f"  {reason}" in lines_of(verdict) for reason in verdict.reasons)
    assert verdict_markdown(verdict).count("\n- ") == len(verdict.reasons)
    assert "| limit |" not in verdict_markdown(verdict)


def test_what_differs_stands_below_by_what_it_means() -> None:
    """Meant differences, hardware and provenance have a heading each; what no reason has told is not left out."""
    verdict = replace(judge(*runs(), LIMITS), between=Differences(("identity.a: 1, then 2",), ("m",), ("t",), ("p",)))
    titles = [line for line in lines_of(verdict) if line.endswith(":")]
    assert titles == ["differs and must not:", "meant to differ:", "hardware differs:", "provenance differs (shown only):"]


def test_what_a_reason_has_told_is_not_told_again() -> None:
    """The differences that must not be are reasons of an INVALID verdict, and stand there alone."""
    between = Differences(("identity.a: 1, then 2",), (), (), ())
    reasons = ("identity.a: 1, then 2. Next: bring it back", "BASE has 1 epoch(s) and HEAD 2. Next: measure it again")
    lines = lines_of(Verdict("INVALID", "no", (), reasons, between))
    assert lines == ["INVALID: no", "why they cannot be compared:", *(f"  {reason}" for reason in reasons)]
    assert lines_of(Verdict("INVALID", f"no: {reasons[0]}", (), reasons[:1], between)) == [f"INVALID: no: {reasons[0]}"]


def test_json_holds_no_infinity() -> None:
    """The end that so few tasks cannot give is null."""
    base, head = outcomes_run({"a": [VALID]}), outcomes_run({"a": [VALID]}, HEAD)
    verdict = judge(base, head, Limits(changes=(Limit("latency", "rise", 15, "percent", "why"),)))
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["findings"][0]["change"]["high"] is None


@given(st.text("|`<>&*_[]()!~#-\\a \n\r\x1b\x07\u2028\u202e", max_size=30))
def test_nothing_in_a_verdict_breaks_its_lines_or_its_table(evil: str) -> None:
    """Whatever a sentence holds, a finding is one printable line, and its row has three cells of plain text."""
    finding = Finding(f"floor, {evil}", "PASS", evil)
    verdict = Verdict("PASS", evil, (finding,), (), Differences((), (evil,), (), ()))
    assert all(line.isprintable() for line in lines_of(verdict))
    tokens = PARSER.parse(verdict_markdown(verdict))
    assert sum(token.type in ("td_open", "th_open") for token in tokens) == 6
    inline = {child.type for token in tokens if token.type == "inline" for child in token.children or []}
    assert inline <= {"text", "strong_open", "strong_close"}
