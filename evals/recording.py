"""Recording: measured durations become ordinary pytest-benchmark entries.

pytest-benchmark times what it calls. Here it calls a function that moves a clock by a duration measured earlier, and reads that
clock (its custom-timer option), so that trials which ran interleaved still give native distributions, storage and comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from evals.distribution import summarize
from evals.trials import Trial

if TYPE_CHECKING:
    import pytest
    from pytest_benchmark.fixture import BenchmarkFixture

Metric = Literal["ttft", "latency"]
METRICS: tuple[Metric, ...] = ("ttft", "latency")


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


def durations(trials: Iterable[Trial], metric: Metric) -> list[float]:
    """The measured seconds of one metric. A first attempt without content has no TTFT and is left out of it."""
    values = [trial.ttft if metric == "ttft" else trial.latency for trial in trials]
    return [value for value in values if value is not None]


def record(benchmark: BenchmarkFixture, trials: Sequence[Trial], metric: Metric, *, partial: bool) -> None:
    """Record the distribution of one metric over the trials of one stack.

    Raises:
        ValueError: when no trial has a value, since pytest-benchmark cannot hold an empty entry.
    """
    values = durations(trials, metric)
    if not values:
        raise ValueError(f"no trial has a {metric}")
    remaining = iter(values)

    def setup() -> tuple[tuple[float], dict[str, Any]]:
        clock.reset()
        return (next(remaining),), {}

    benchmark.extra_info.update(_extra_info(trials), partial=partial)
    pedantic: Any = benchmark.pedantic
    pedantic(clock.advance, setup=setup, rounds=len(values))


def record_left_out(config: pytest.Config, stack: str, trials: Sequence[Trial], metric: Metric) -> None:
    """Record what no test item recorded (left out by ``-k``, ``-x`` or an interrupt), under the item's own name."""
    from pytest_benchmark import fixture

    session = config._benchmarksession  # type: ignore[attr-defined]
    name = entry_name(stack, metric)
    if not durations(trials, metric) or any(benchmark.name == name for benchmark in session.benchmarks):
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
    entry.param, entry.params = stack, {"stack": stack}
    record(entry, trials, metric, partial=True)


def entry_name(stack: str, metric: Metric) -> str:
    """The name of an entry in a saved run."""
    return f"test_{metric}[{stack}]"


def _extra_info(trials: Sequence[Trial]) -> dict[str, Any]:
    return {
        "prompt_tokens": summarize([trial.prompt_tokens for trial in trials]),
        "completion_tokens": summarize([trial.completion_tokens for trial in trials]),
        "cached_tokens": [trial.attempts[0].completion.cached_tokens for trial in trials],
        "attempts": [len(trial.attempts) for trial in trials],
        "valid_first": [trial.valid_first for trial in trials],
        "valid": [trial.valid for trial in trials],
        "trials": [f"e{trial.epoch}-{trial.task}" for trial in trials],
    }


@dataclass(frozen=True)
class _Node:
    name: str
    nodeid: str


class _Timer:
    target = clock
