"""Metrics: what is read off trials. Times are seconds; a time counts only where it belongs to the trial's regime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, get_args

from agent.model import Completion
from evals.trials import Trial

Metric = Literal["ttft", "decode", "latency", "retrieval"]
"""What has a distribution of its own: TTFT and decode time of first attempts, latency of trials, look-ups in memory."""

METRICS: tuple[Metric, ...] = get_args(Metric)

_VALUES: dict[Metric, Callable[[Trial], float | None]] = {
    "ttft": lambda trial: trial.first.completion.ttft if trial.timed else None,
    "decode": lambda trial: _decode(trial.first.completion) if trial.timed else None,
    "latency": lambda trial: trial.latency if trial.timed else None,
    "retrieval": lambda trial: trial.retrieval_seconds,
}


def _decode(completion: Completion) -> float | None:
    return None if completion.first_token is None else completion.decode


def value_of(trial: Trial, metric: Metric) -> float | None:
    """The value of one metric, where the trial has one."""
    return _VALUES[metric](trial)


def having(trials: Iterable[Trial], metric: Metric) -> list[Trial]:
    """The trials that have a value of the metric. A first attempt without content has no TTFT, a stack without memory no
    retrieval, and a trial whose times do not belong to its regime none of them.
    """
    return [trial for trial in trials if _VALUES[metric](trial) is not None]


def durations(trials: Iterable[Trial], metric: Metric) -> list[float]:
    """The values of one metric, in the order of the trials that have one."""
    return [value for trial in trials if (value := _VALUES[metric](trial)) is not None]


def prompt_tokens(trials: Iterable[Trial]) -> list[int]:
    """Prompt tokens of first attempts."""
    return [trial.first.completion.prompt_tokens for trial in trials]


def completion_tokens(trials: Iterable[Trial]) -> list[int]:
    """Completion tokens of first attempts."""
    return [trial.first.completion.completion_tokens for trial in trials]


def cached_tokens(trials: Iterable[Trial]) -> list[int]:
    """Prompt tokens of first attempts that the server took from its prefix cache, where it reports them and the regime is kept."""
    reported = [trial.first.completion.cached_tokens for trial in trials if trial.timed]
    return [tokens for tokens in reported if tokens is not None]


def decode_speeds(trials: Iterable[Trial]) -> list[float]:
    """Decoded tokens a second of first attempts that decoded any, where times count."""
    speeds = [trial.first.completion.decode_speed for trial in trials if trial.timed]
    return [speed for speed in speeds if speed is not None]


def seconds_per_valid_answer(trials: Iterable[Trial]) -> float | None:
    """The seconds of all attempts, failed and corrected ones too, for each valid answer; ``None`` without one."""
    return _per_valid_answer([trial for trial in trials if trial.timed], lambda trial: trial.latency)


def tokens_per_valid_answer(trials: Sequence[Trial]) -> float | None:
    """The tokens of all attempts, failed and corrected ones too, for each valid answer; ``None`` without one."""
    return _per_valid_answer(trials, lambda trial: trial.total_tokens)


def _per_valid_answer(trials: Sequence[Trial], cost: Callable[[Trial], float]) -> float | None:
    valid = sum(trial.last.valid for trial in trials)
    return sum(map(cost, trials)) / valid if valid else None
