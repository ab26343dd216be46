"""Recording: measured durations become ordinary pytest-benchmark entries.

pytest-benchmark times what it calls. Here it calls a function that moves a clock by a duration measured earlier, and reads that
clock (its custom-timer option), so that trials which ran interleaved still give native distributions, storage and comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.distribution import summarize
from evals.metrics import Metric, durations, having, prompt_tokens
from evals.run import Run
from evals.schedule import Series
from evals.trials import Trial

if TYPE_CHECKING:
    import pytest
    from pytest_benchmark.fixture import BenchmarkFixture


class ReplayClock:
    """A timer that stands still until it is moved. Seconds, like :func:`time.perf_counter`."""

    __name__ = "replay_clock"

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def reset(self) -> None:
        """Back to zero: differences of a growing sum would drift."""
        self._now = 0.0

    def advance(self, seconds: float) -> None:
        """Move by a measured duration."""
        self._now += seconds


clock = ReplayClock()
"""The timer of every entry that is recorded here."""


def record(benchmark: BenchmarkFixture, trials: Sequence[Trial], metric: Metric, *, complete: bool) -> None:
    """Record the distribution of one metric over the trials of one series.

    Raises:
        ValueError: when no trial has a value, since pytest-benchmark cannot hold an empty entry.
    """
    recorded = having(trials, metric)
    if not recorded:
        raise ValueError(f"no trial has a {metric}")
    replay(benchmark, durations(recorded, metric), **_extra_info(recorded), complete=complete)


def replay(benchmark: BenchmarkFixture, seconds: Sequence[float], **extra_info: object) -> None:
    """Record durations that were measured earlier, and what is saved beside them. The test needs :data:`clock` as its timer."""
    remaining = iter(seconds)

    def setup() -> tuple[tuple[float], dict[str, Any]]:
        clock.reset()
        return (next(remaining),), {}

    benchmark.extra_info.update(extra_info)
    pedantic: Any = benchmark.pedantic
    pedantic(clock.advance, setup=setup, rounds=len(seconds))


def record_left_out(config: pytest.Config, series: Series, metric: Metric, run: Run) -> None:
    """Record what no test item recorded (left out by ``-k``, ``-x`` or an interrupt), under the item's own name."""
    from pytest_benchmark import fixture

    session = config._benchmarksession  # type: ignore[attr-defined]
    name = entry_name(series, metric)
    trials = run.of_series(series)
    if not having(trials, metric) or any(benchmark.name == name for benchmark in session.benchmarks):
        return
    options = {**session.options, "timer": _Timer}
    make_fixture: Any = fixture.BenchmarkFixture
    entry = make_fixture(
        _Node(name, f"evals/test_stacks.py::{name}"),
        add_stats=session.benchmarks.append,
        logger=session.logger,
        warner=None,
        disabled=False,
        **options,
    )
    entry.param, entry.params = str(series), {"series": str(series)}
    record(entry, trials, metric, complete=run.complete)


def entry_name(series: Series, metric: Metric) -> str:
    """The name of an entry in a saved run."""
    return f"test_{metric}[{series}]"


def _extra_info(trials: Sequence[Trial]) -> dict[str, Any]:
    """Tokens and outcomes of the very trials whose durations the entry holds, in the same order."""
    first = [trial.first for trial in trials]
    return {
        "regime": trials[0].regime,
        "prompt_tokens": summarize(prompt_tokens(trials)),
        "completion_tokens": summarize([attempt.completion.completion_tokens for attempt in first]),
        "total_tokens": summarize([trial.total_tokens for trial in trials]),
        "cached_tokens": [attempt.completion.cached_tokens for attempt in first],
        "decode_tokens_per_second": [attempt.completion.decode_speed for attempt in first],
        "attempts": [len(trial.attempts) for trial in trials],
        "rung_first": [attempt.outcome.rung for attempt in first],
        "rung": [trial.last.outcome.rung for trial in trials],
        "cause_first": [attempt.outcome.cause for attempt in first],
        "cause": [trial.last.outcome.cause for trial in trials],
        "trials": [f"e{trial.epoch}-{trial.task}" for trial in trials],
    }


@dataclass(frozen=True)
class _Node:
    name: str
    nodeid: str


class _Timer:
    target = clock
