"""The figures of the summary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evals.selftest.factories import completion, trial
from evals.summary import ROWS

VALUES = {row.title: row.value for row in ROWS}


def test_tokens_per_valid_answer_count_every_attempt() -> None:
    """All tokens of all trials, failed and corrected ones too, are divided by the valid answers."""
    trials = [trial(True), trial(False, True), trial(False, False)]
    assert VALUES["tokens per valid answer"](trials) == pytest.approx(5 * 120 / 2)


def test_no_valid_answer_has_no_price() -> None:
    """Without a valid answer there are no tokens per valid answer, instead of none at all or infinitely many."""
    assert VALUES["tokens per valid answer"]([trial(False)]) is None


def test_latency_includes_the_retry_and_ttft_does_not() -> None:
    """The latency of a trial is that of both attempts, its TTFT that of the first."""
    assert VALUES["latency p50"]([trial(False, True)]) == pytest.approx(2.0)
    assert VALUES["TTFT p50"]([trial(False, True)]) == pytest.approx(0.1)


def test_rates_tell_first_try_and_retry_apart() -> None:
    """A corrected answer is valid after the retry and not at the first try."""
    trials = [trial(True), trial(False, True)]
    assert (VALUES["valid at first try"](trials), VALUES["valid after retry"](trials)) == (0.5, 1.0)


def test_seconds_per_valid_answer_count_every_attempt() -> None:
    """The seconds of all attempts, failed and corrected ones too, are divided by the valid answers."""
    assert VALUES["seconds per valid answer"]([trial(True), trial(False, True), trial(False, False)]) == pytest.approx(2.5)


def test_the_first_token_ends_the_prefill() -> None:
    """Decode speed is the tokens after the first one by the seconds after it: 19 tokens in 0.9 s."""
    assert VALUES["decode tokens/s p50"]([trial(True)]) == pytest.approx(19 / 0.9)


def test_times_after_a_fault_are_in_no_figure() -> None:
    """A trial whose first call counts as cold in a warm run has no time in the table; its tokens and outcomes are there."""
    quick, slow = trial(True), trial(True, task="b")
    slow = replace(slow, attempts=(replace(slow.first, cache="cold", completion=completion(ttft=9.0, latency=10.0)),))
    for title in ("TTFT p50", "TTFT p95", "latency p95", "decode tokens/s p50"):
        assert VALUES[title]([quick, slow]) == VALUES[title]([quick])
    assert VALUES["trials (n)"]([quick, slow]) == 2


def test_every_rung_has_its_row() -> None:
    """Strict JSON, schema-valid and parsing answers are counted apart."""
    trials = [trial(True), trial(False)]
    shares = ("strict JSON at first try", "valid at first try", "code parses after retry")
    assert [VALUES[title](trials) for title in shares] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row.title)
def test_nothing_measured_gives_no_number(row: object) -> None:
    """Without trials every figure is missing."""
    assert row.value([]) is None  # type: ignore[attr-defined]
