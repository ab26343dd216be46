"""Figures of one series in two runs, side by side: shares of answers, tokens and times, each with what changed between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Literal, get_args

from evals.changes import TIME_LEVEL, median_times
from evals.distribution import percentile
from evals.metrics import METRICS, Metric, completion_tokens, durations, prompt_tokens
from evals.paired import mean_interval
from evals.ratios import estimate_ratio, log_ratios
from evals.run import Run
from evals.schedule import Series
from evals.stats import Goal, Share, reached_by_task, valid_share
from evals.trials import Trial

GOALS = (
    Goal("strict JSON"),
    Goal("schema-valid"),
    Goal("code parses"),
    Goal("code parses", obeys=True),
    Goal("schema-valid", first_try=True),
)
"""What shares are shown of."""

TokenCount = Literal["prompt tokens", "completion tokens", "total tokens"]
"""Prompt and completion tokens of first attempts, and all tokens of all attempts of a trial."""

NO_COMMON_TASK = "no task has an answer on both sides"

_COUNTS: dict[TokenCount, Callable[[Sequence[Trial]], list[int]]] = {
    "prompt tokens": prompt_tokens,
    "completion tokens": completion_tokens,
    "total tokens": lambda trials: [trial.total_tokens for trial in trials],
}


@dataclass(frozen=True, slots=True)
class Change:
    """What changed over the ``tasks`` that both runs have: a difference of shares, HEAD - BASE, or a ratio, HEAD / BASE.

    The interval of a difference is one of 95 %, and of a ratio each end holds at 95 %. Counts of tokens have none, and an end that
    so few tasks cannot give is ``None``, as ``note`` then says.
    """

    tasks: int
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ShareFigure:
    """The share of answers that reached a goal, in each run over all that it answered; ``None`` where that is nothing."""

    goal: Goal
    base: Share | None
    head: Share | None
    change: Change | None


@dataclass(frozen=True, slots=True)
class TokenFigure:
    """The median of a count of tokens in each run, and the ratio of the medians over the tasks that both have."""

    count: TokenCount
    base: float | None
    head: float | None
    change: Change | None


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the slow end of the times of ``n`` trials, in seconds."""

    n: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class TimeFigure:
    """A time in each run, and the Hodges-Lehmann ratio of the medians of the tasks that both have a time of.

    ``one_session`` says whether both runs were measured in one; times of two sessions are shown and never judged.
    """

    metric: Metric
    base: Spread | None
    head: Spread | None
    change: Change | None
    one_session: bool


Figure = ShareFigure | TokenFigure | TimeFigure


def share_figures(base: Sequence[Trial], head: Sequence[Trial]) -> tuple[ShareFigure, ...]:
    """The figure of every one of :data:`GOALS`, from trials without a fault."""
    return tuple(ShareFigure(goal, _share(base, goal), _share(head, goal), share_change(base, head, goal)) for goal in GOALS)


def share_change(base: Sequence[Trial], head: Sequence[Trial], goal: Goal) -> Change | None:
    """The change of a share over the tasks with an answer on both sides, with the interval that the gate shows; ``None`` without
    such a task. Every task is one rate, so that numbers of epochs may differ.
    """
    gains = share_gains(base, head, goal)
    if not gains:
        return None
    low, high = mean_interval([float(gain) for gain in gains])
    return Change(len(gains), float(sum(gains) / len(gains)), low, high)


def share_gains(base: Sequence[Trial], head: Sequence[Trial], goal: Goal) -> list[Fraction]:
    """By how much the share of epochs that reached a goal grew, for every task with an answer on both sides."""
    before, now = reached_by_task(base, goal), reached_by_task(head, goal)
    return [_rate(now[task]) - _rate(before[task]) for task in before if task in now]


def token_figures(base: Sequence[Trial], head: Sequence[Trial]) -> tuple[TokenFigure, ...]:
    """The figure of every count of tokens, from trials without a fault."""
    return tuple(_token_figure(count, base, head) for count in get_args(TokenCount))


def time_figures(base: Run, head: Run, series: Series, *, one_session: bool) -> Iterator[TimeFigure]:
    """The figure of every time that at least one side has."""
    for metric in METRICS:
        before, now = (durations(run.of_series(series), metric) for run in (base, head))
        if before or now:
            change = time_change(base, head, series, metric)
            yield TimeFigure(metric, spread(before), spread(now), change, one_session)


def time_change(base: Run, head: Run, series: Series, metric: Metric) -> Change | None:
    """The ratio of a time over the tasks that both have one of; ``None`` without such a task."""
    before, now = (median_times(run, series, run.settings.tasks, metric) for run in (base, head))
    logarithms = log_ratios(before, now)
    if not logarithms:
        return None
    ratio = estimate_ratio(logarithms, TIME_LEVEL)
    low, high = ratio.low or None, ratio.high if math.isfinite(ratio.high) else None
    note = "" if low and high else f"{ratio.tasks} task(s) are too few for the interval of a time"
    return Change(ratio.tasks, ratio.value, low, high, note)


def spread(seconds: Sequence[float]) -> Spread | None:
    """The spread of some times; ``None`` without one."""
    return Spread(len(seconds), percentile(seconds, 0.5), percentile(seconds, 0.95)) if seconds else None


def _share(trials: Sequence[Trial], goal: Goal) -> Share | None:
    return valid_share(trials, goal) if trials else None


def _rate(reached: Sequence[bool]) -> Fraction:
    return Fraction(sum(reached), len(reached))


def _token_figure(count: TokenCount, base: Sequence[Trial], head: Sequence[Trial]) -> TokenFigure:
    read = _COUNTS[count]
    common = {trial.task for trial in base} & {trial.task for trial in head}
    before, now = (_median(read([trial for trial in trials if trial.task in common])) for trials in (base, head))
    change = Change(len(common), now / before) if now is not None and before else None
    return TokenFigure(count, _median(read(base)), _median(read(head)), change)


def _median(tokens: Sequence[int]) -> float | None:
    return float(median(tokens)) if tokens else None
