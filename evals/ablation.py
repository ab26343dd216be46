"""Ablation: what one ingredient changes, by stacks of one run that differ in it alone.

Every figure is a mean over tasks of what changed within a task, so the task is the unit. Where an ingredient was changed from
several ends (starting from the naive stack, and from the optimized one), the figures of a task are first averaged over the ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any, Self

from agent.stacks import DEFAULT_STACKS, Stack
from evals.metrics import value_of
from evals.paired import mean_interval, student_reach
from evals.ratios import RatioEstimate, estimate_ratio, no_change_p, ratio_of
from evals.run import Run
from evals.schedule import Regime, Series
from evals.stats import Goal, reached_by_task
from evals.trials import Trial, by_task

ONE_SIDED = 0.025
"""The level of each end of an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Factor:
    """An ingredient: the field of a stack that holds it, and its two levels."""

    name: str
    field: str
    before: str | int
    after: str | int


FACTORS = (
    Factor("contract", "contract", "none", "last"),
    Factor("contract in the static prefix instead of last", "contract", "last", "static"),
    Factor("retry", "retries", 0, 1),
    Factor("memory instead of history", "context", "history", "memory"),
    Factor("memory instead of nothing", "context", "none", "memory"),
    Factor("history instead of nothing", "context", "none", "history"),
    Factor("history pasted instead of as chat", "context", "history", "pasted history"),
    Factor("all facts instead of five", "context", "memory", "all memory"),
    Factor("JSON mode", "decoding", "free", "json"),
    Factor("JSON schema", "decoding", "free", "schema"),
)
"""What is looked for in a run. Another ingredient is one entry here; another end of one is a stack in ``agent/stacks.py``."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean change of a share, from -1 to 1, or a difference of two such changes, with its interval: paired t over tasks,
    two-sided at 95 %.
    """

    value: float
    low: float
    high: float

    @classmethod
    def over(cls, changes: Sequence[float]) -> Self:
        """The mean of one change for each task.

        Raises:
            ValueError: without a task.
        """
        return cls(fmean(changes), *mean_interval(changes))


@dataclass(frozen=True, slots=True)
class Effect:
    """What a factor changed, by the pairs of stacks (without it, with it) that differ in it alone.

    ``strict`` and ``valid`` are changes of the shares of answers after the retry, and ``p`` is the two-sided p-value of "no change
    of valid answers", by signed ranks over tasks. ``prompt_tokens`` is the ratio for first attempts, which is exact; ``ttft`` and
    ``tokens_per_valid`` are ratios with intervals; each is ``None`` where it cannot be told.
    ``ignored`` is in how many trials of the stacks with a decoding as the factor an answer was not held to it, of ``answers``;
    ``cut_off`` is how many trials with or without the factor ended with an answer that was cut off, and counts as not valid.
    """

    factor: Factor
    pairs: tuple[tuple[str, str], ...]
    tasks: int
    strict: Difference
    valid: Difference
    p: float
    prompt_tokens: float | None
    ttft: RatioEstimate | None
    tokens_per_valid: RatioEstimate | None
    ignored: int
    answers: int
    cut_off: int

    @property
    def is_honoured(self) -> bool:
        """Whether nothing was seen of the server ignoring the decoding; otherwise the figures are the server's, not the
        factor's.
        """
        return self.ignored == 0


def stacks_of(run: Run) -> dict[str, Stack]:
    """The stacks of a run, as it was measured with them. A stack that its fingerprint does not describe is left out."""
    described: Mapping[str, Any] = run.header.fingerprint.identity["stacks"]
    found = {}
    for name in run.settings.stacks:
        try:
            found[name] = Stack(**described[name])
        except (KeyError, TypeError):
            continue
    return found


def effects(run: Run, regime: Regime) -> list[Effect]:
    """What every factor changed that the stacks of a run differ in alone; empty where no two stacks do."""
    stacks = stacks_of(run)
    by_factor = {factor: pairs_of(factor, stacks) for factor in FACTORS}
    found = (_effect(run, regime, factor, pairs) for factor, pairs in by_factor.items() if pairs)
    return [effect for effect in found if effect is not None]


def ends(run: Run, regime: Regime, effect: Effect) -> list[Effect]:
    """The effect from each end alone."""
    found = (_effect(run, regime, effect.factor, (pair,)) for pair in effect.pairs)
    return [end for end in found if end is not None]


def interaction(run: Run, regime: Regime, effect: Effect) -> Difference | None:
    """How much more valid answers a factor brought at the optimized end than at the naive one; ``None`` where one end is not
    there.
    """
    at_ends = [next((pair for pair in effect.pairs if stack in pair), None) for stack in DEFAULT_STACKS]
    if None in at_ends or at_ends[0] == at_ends[1]:
        return None
    naive, optimized = (_share_changes(_sides(run, regime, (pair,)), _VALID) for pair in at_ends if pair is not None)
    both = [task for task in naive if task in optimized]
    if not both:
        return None
    # A difference of two changes goes from -2 to 2, twice as far as what the interval is for.
    half = Difference.over([(optimized[task] - naive[task]) / 2 for task in both])
    return Difference(2 * half.value, 2 * half.low, 2 * half.high)


def pairs_of(factor: Factor, stacks: Mapping[str, Stack]) -> tuple[tuple[str, str], ...]:
    """Every two stacks that are the same but for the factor, which the first one lacks."""
    return tuple(
        (before, after)
        for before, stack in stacks.items()
        for after, other in stacks.items()
        if getattr(stack, factor.field) == factor.before
        and getattr(other, factor.field) == factor.after
        and replace(stack, **{"name": after, factor.field: factor.after}) == other  # type: ignore[arg-type]
    )


_Sides = list[tuple[dict[str, list[Trial]], dict[str, list[Trial]]]]
"""For every pair the trials of its first stack and of its second, by task."""

_STRICT, _VALID = Goal("strict JSON"), Goal("schema-valid")


def _sides(run: Run, regime: Regime, pairs: Sequence[tuple[str, str]]) -> _Sides:
    def answered(stack: str) -> dict[str, list[Trial]]:
        return by_task(trial for trial in run.of_series(Series(stack, regime)) if trial.fault is None)

    return [(answered(before), answered(after)) for before, after in pairs]


def _effect(run: Run, regime: Regime, factor: Factor, pairs: tuple[tuple[str, str], ...]) -> Effect | None:
    """``None`` where the stacks have no task in common that both answered."""
    sides = _sides(run, regime, pairs)
    strict, valid = (_share_changes(sides, goal) for goal in (_STRICT, _VALID))
    if not valid:
        return None
    with_factor = [trial for _, after in sides for trials in after.values() for trial in trials]
    return Effect(
        factor=factor,
        pairs=pairs,
        tasks=len(valid),
        strict=Difference.over(list(strict.values())),
        valid=Difference.over(list(valid.values())),
        p=no_change_p(list(valid.values())),
        prompt_tokens=_ratio_of_prompts(sides),
        ttft=_ratio_of_times(sides),
        tokens_per_valid=_ratio_of_prices(sides),
        ignored=sum(trial.decoding_ignored for trial in with_factor) if factor.field == "decoding" else 0,
        answers=len(with_factor),
        cut_off=sum(trial.cut_off for pair in sides for side in pair for trials in side.values() for trial in trials),
    )


def _averaged(sides: _Sides, change: Callable[[list[Trial], list[Trial]], float | None]) -> dict[str, float]:
    """For every task that all pairs have a value for, the mean over the pairs."""
    found = []
    for before, after in sides:
        values = {task: change(before[task], after[task]) for task in before if task in after}
        found.append({task: value for task, value in values.items() if value is not None})
    return {task: fmean(values[task] for values in found) for task in found[0] if all(task in values for values in found)}


def _share_changes(sides: _Sides, goal: Goal) -> dict[str, float]:
    def share(trials: list[Trial]) -> float:
        ((_, reached),) = reached_by_task(trials, goal).items()
        return fmean(reached)

    return _averaged(sides, lambda before, after: share(after) - share(before))


def _log_ratios(sides: _Sides, value: Callable[[list[Trial]], float | None]) -> dict[str, float]:
    def change(before: list[Trial], after: list[Trial]) -> float | None:
        first, second = value(before), value(after)
        return math.log(second) - math.log(first) if first and second else None

    return _averaged(sides, change)


def _ratio_of_prompts(sides: _Sides) -> float | None:
    logarithms = _log_ratios(sides, _prompt_tokens).values()
    return ratio_of(fmean(logarithms)) if logarithms else None


def _prompt_tokens(trials: list[Trial]) -> float:
    return fmean(trial.first.completion.prompt_tokens for trial in trials)


def _median_ttft(trials: list[Trial]) -> float | None:
    seconds = [seen for trial in trials if (seen := value_of(trial, "ttft"))]
    return median(seconds) if seconds else None


def _ratio_of_times(sides: _Sides) -> RatioEstimate | None:
    logarithms = list(_log_ratios(sides, _median_ttft).values())
    return estimate_ratio(logarithms, ONE_SIDED) if logarithms else None


def _ratio_of_prices(sides: _Sides) -> RatioEstimate | None:
    """The ratio of the tokens spent for each valid answer, failed and corrected ones included, with the jackknife's interval.

    A price is a ratio of sums over tasks and has no value in a task without a valid answer, so its spread comes from leaving out
    one task after the other: Miller, Biometrika 61 (1974), with t quantiles for the pseudo-values of the logarithm. ``None`` where
    a stack has no valid answer, or none without one of the tasks.
    """
    bills = [(_bills(before), _bills(after)) for before, after in sides]
    tasks = [task for task in bills[0][0] if all(task in before and task in after for before, after in bills)]
    whole = _log_price_ratio(bills, tasks)
    left_out = [_log_price_ratio(bills, [other for other in tasks if other != task]) for task in tasks]
    if whole is None or len(tasks) < 2:
        return None
    n = len(tasks)
    pseudo = [n * whole - (n - 1) * value for value in left_out if value is not None]
    if len(pseudo) < n:
        return None
    reach = student_reach(pseudo, 1 - ONE_SIDED)
    return RatioEstimate(ratio_of(whole), ratio_of(whole - reach), ratio_of(whole + reach), n)


_Bills = dict[str, tuple[int, int]]
"""For every task the tokens of all its trials, and how many of these are valid."""


def _bills(tried: Mapping[str, Sequence[Trial]]) -> _Bills:
    return {
        task: (sum(trial.total_tokens for trial in trials), sum(trial.last.valid for trial in trials))
        for task, trials in tried.items()
    }


def _log_price_ratio(bills: Sequence[tuple[_Bills, _Bills]], tasks: Sequence[str]) -> float | None:
    prices = [(_price(before, tasks), _price(after, tasks)) for before, after in bills]
    logarithms = [math.log(second / first) for first, second in prices if first and second]
    return fmean(logarithms) if len(logarithms) == len(bills) else None


def _price(bills: _Bills, tasks: Sequence[str]) -> float | None:
    valid = sum(bills[task][1] for task in tasks)
    return sum(bills[task][0] for task in tasks) / valid if valid else None
