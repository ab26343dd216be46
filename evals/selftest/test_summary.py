"""The figures of the summary."""

from __future__ import annotations

import pytest

from evals.selftest.factories import trial
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


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row.title)
def test_nothing_measured_gives_no_number(row: object) -> None:
    """Without trials every figure is missing."""
    assert row.value([]) is None  # type: ignore[attr-defined]
