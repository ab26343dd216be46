"""The live evals: every trial of every stack, then what they amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evals.recording import clock, record
from evals.schedule import PlannedTrial

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from evals.live import LiveRun
    from evals.recording import Metric

pytestmark = pytest.mark.live


def test_trial(planned: PlannedTrial, live: LiveRun) -> None:
    """One stack answers one task once. It records; an invalid answer is no failure, since one sampled answer proves nothing."""
    trial = live.measure(planned)
    if trial.fault is not None:
        pytest.fail(f"infrastructure fault, not an answer: {trial.fault}", pytrace=False)
    if not trial.valid:
        pytest.xfail(f"invalid after {len(trial.attempts)} attempt(s): {trial.attempts[-1].failure}")


def test_schema_valid(stack: str, live: LiveRun) -> None:
    """The share of schema-valid answers lies above the stack's floor, if it has one, in a run without gaps and faults."""
    judgement = live.judgement(stack)
    if judgement.verdict in ("FAIL", "INCONCLUSIVE"):
        pytest.fail(f"{judgement.verdict}: {judgement.sentence}", pytrace=False)


@pytest.mark.benchmark(timer=clock)
def test_ttft(stack: str, live: LiveRun, benchmark: BenchmarkFixture) -> None:
    """The distribution of TTFT over the first attempts of the stack is saved."""
    _record(benchmark, stack, live, "ttft")


@pytest.mark.benchmark(timer=clock)
def test_latency(stack: str, live: LiveRun, benchmark: BenchmarkFixture) -> None:
    """The distribution of latency over the trials of the stack, retries included, is saved."""
    _record(benchmark, stack, live, "latency")


def _record(benchmark: BenchmarkFixture, stack: str, live: LiveRun, metric: Metric) -> None:
    try:
        record(benchmark, live.of_stack(stack), metric, partial=bool(live.missing))
    except ValueError as error:
        pytest.fail(f"INCONCLUSIVE: nothing was measured for {stack}: {error}", pytrace=False)
