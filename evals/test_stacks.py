"""The live evals: every trial of every stack, then what they amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evals.recording import clock, record
from evals.schedule import PlannedTrial, Series

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from evals.arms import Arms
    from evals.floors import Judgement
    from evals.live import LiveRun
    from evals.metrics import Metric

pytestmark = pytest.mark.live


def test_trial(planned: PlannedTrial, arms: Arms) -> None:
    """One stack answers one task once. It records; an invalid answer is no failure, since one sampled answer proves nothing."""
    if arms.is_settled(planned):
        pytest.skip(f"the verdict was settled after {arms.head.stopped} task(s)")
    trial = arms.measure(planned)
    if trial.fault is not None:
        pytest.fail(f"infrastructure fault, not an answer, in {len(trial.faults)} tries: {trial.fault}", pytrace=False)
    if not trial.last.valid:
        outcome = trial.last.outcome
        pytest.xfail(f"invalid after {len(trial.attempts)} attempt(s): {outcome.cause}: {outcome.failure}")


def test_schema_valid(series: Series, judgements: dict[Series, Judgement], *, judged_at_the_end: bool) -> None:
    """The share of schema-valid answers lies above the stack's floor, if it has one, in a run without gaps and faults. Where the
    session is judged at its end, floors are a part of that verdict.
    """
    judgement = judgements[series]
    if judgement.verdict in ("FAIL", "INCONCLUSIVE") and not judged_at_the_end:
        pytest.fail(f"{judgement.verdict}: {judgement.sentence}", pytrace=False)


@pytest.mark.benchmark(timer=clock)
def test_ttft(series: Series, live: LiveRun, benchmark: BenchmarkFixture) -> None:
    """The distribution of TTFT over the first attempts is saved."""
    _record(benchmark, series, live, "ttft")


@pytest.mark.benchmark(timer=clock)
def test_decode(series: Series, live: LiveRun, benchmark: BenchmarkFixture) -> None:
    """The distribution of decode time over the first attempts is saved."""
    _record(benchmark, series, live, "decode")


@pytest.mark.benchmark(timer=clock)
def test_latency(series: Series, live: LiveRun, benchmark: BenchmarkFixture) -> None:
    """The distribution of latency over the trials, retries included, is saved."""
    _record(benchmark, series, live, "latency")


@pytest.mark.benchmark(timer=clock)
def test_retrieval(memory_series: Series, live: LiveRun, benchmark: BenchmarkFixture) -> None:
    """The distribution of the look-ups in memory, of a stack that makes them, is saved."""
    _record(benchmark, memory_series, live, "retrieval")


def _record(benchmark: BenchmarkFixture, series: Series, live: LiveRun, metric: Metric) -> None:
    run = live.result()
    try:
        record(benchmark, run.of_series(series), metric, complete=run.complete)
    except ValueError as error:
        pytest.fail(f"INCONCLUSIVE: nothing was measured for {series}: {error}", pytrace=False)
