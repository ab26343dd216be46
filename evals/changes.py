"""What changed between two runs: for one limit on one series, the change, its interval, and the p-value that it is too much."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from evals.evidence import excess_evidence, shortfall_evidence
from evals.limits import JudgedMetric, Limit
from evals.metrics import Metric, value_of
from evals.paired import loss_bound, loss_p, mean_interval
from evals.power import Spread, excludable_loss, flips_to_fail, tasks_to_exclude, what_settles
from evals.ratios import estimate_ratio, log_ratios, signed_rank_p
from evals.run import Run
from evals.schedule import Series
from evals.stats import Goal, reached_by_task
from evals.trials import Trial, Value, values_by_task

TIME_LEVEL = 0.05
"""The one-sided level of each end of a ratio's interval."""

EARLY_PASS = 100.0
"""The evidence that a loss lies within the margin which ends a sequential run early. Beside the bound at its end, which may be
wrong in 5 % of the cases, looking early may add 1 % (``tox run -e calibrate``)."""

_GOALS: dict[JudgedMetric, Goal] = {
    "schema-valid": Goal("schema-valid"),
    "valid at first try": Goal("schema-valid", first_try=True),
    "code parses": Goal("code parses"),
    "obeyed": Goal("code parses", obeys=True),
}
_TIMES: dict[JudgedMetric, Metric] = {"ttft": "ttft", "latency": "latency"}


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one metric in one series.

    ``base`` and ``head`` are shares, tokens or seconds; ``value`` is the difference of shares, or the ratio of the others, with its
    interval. ``p`` is the p-value of "not worse than the margin", ``None`` where that is no question of chance. ``passes`` says
    whether worse than the margin is excluded. ``bound`` is the most that may have been lost, and ``spread`` what was seen of a
    difference of shares, over ``epochs``. ``unsettled`` says what keeps it open where more tasks would not help.
    """

    limit: Limit
    series: Series
    tasks: int
    base: float
    head: float
    value: float
    low: float
    high: float
    p: float | None
    passes: bool
    bound: float | None = None
    spread: Spread | None = None
    epochs: int = 1
    unsettled: str = ""

    def hint(self, level: float) -> str:
        """What would settle a change that is neither shown, at ``level``, to be too much nor excluded."""
        if self.unsettled:
            return self.unsettled
        return _time_hint(self.tasks) if self.spread is None else _validity_hint(self, self.spread, level)

    @property
    def text(self) -> str:
        """The change in figures, for people: BASE's, then HEAD's, and what lies between them with its interval."""
        if self.limit.unit == "points":
            change = f"{100 * self.value:+.1f} points [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"
            return f"{self.base:.0%}, then {self.head:.0%}: {change}"
        if self.limit.is_time:
            change = f"x{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
            return f"{1000 * self.base:,.1f} ms, then {1000 * self.head:,.1f} ms: {change}"
        return f"{self.base:,.1f}, then {self.head:,.1f}: x{self.value:.3f}"

    @property
    def worse(self) -> str:
        """What the limit does not allow, for people."""
        return f"a {'loss' if self.limit.direction == 'fall' else 'rise'} of more than {self.limit}"

    @property
    def at_most(self) -> str:
        """The most that may have been lost, for people; empty for a ratio, whose interval says it."""
        return "" if self.bound is None else f" (at most {100 * max(0.0, self.bound):.1f})"


@dataclass(frozen=True, slots=True)
class Matched:
    """Two runs that are alike, and the tasks that both have measured. ``sequential`` runs may have been stopped when it suited."""

    base: Run
    head: Run
    tasks: tuple[str, ...]
    sequential: bool
    stopped: bool


def measure_change(pair: Matched, limit: Limit, series: Series) -> Change | None:
    """The change that a limit is about; ``None`` when there is no value for it."""
    if limit.metric in _GOALS:
        return _validity(pair, limit, series)
    return _tokens(pair, limit, series) if limit.metric == "prompt tokens" else _time(pair, limit, series)


def epochs_reached(run: Run, series: Series, tasks: Sequence[str], goal: Goal, *, excused: bool = False) -> list[int]:
    """How many epochs of every task reached a goal; see :meth:`evals.stats.Goal.reached`."""
    reached = reached_by_task(run.of_series(series), goal, excused=excused)
    return [sum(reached.get(task, ())) for task in tasks]


def _validity(pair: Matched, limit: Limit, series: Series) -> Change:
    """Losses, so that an answer which something else than the model spoiled speaks for no verdict: it counts as invalid where that
    keeps a run from passing, and as valid where that keeps it from failing.
    """
    goal, epochs, margin = _GOALS[limit.metric], pair.head.settings.epochs, limit.share

    def counts(run: Run, *, excused: bool) -> list[int]:
        return epochs_reached(run, series, pair.tasks, goal, excused=excused)

    base, head = counts(pair.base, excused=False), counts(pair.head, excused=False)
    least = [before - now for before, now in zip(base, counts(pair.head, excused=True), strict=True)]
    most = [before - now for before, now in zip(counts(pair.base, excused=True), head, strict=True)]
    n, bound = len(pair.tasks), loss_bound(most, epochs)
    low, high = mean_interval([(now - before) / epochs for before, now in zip(base, head, strict=True)])
    return Change(
        limit=limit,
        series=series,
        tasks=n,
        base=sum(base) / (n * epochs),
        head=sum(head) / (n * epochs),
        value=(sum(head) - sum(base)) / (n * epochs),
        low=low,
        high=high,
        bound=bound,
        p=_evidence_p(least, epochs, margin) if pair.sequential else loss_p(least, epochs, margin),
        passes=_passes_early(most, epochs, margin) if pair.stopped else bound <= margin,
        spread=Spread.of(base, head, epochs),
        epochs=epochs,
        unsettled=_what_keeps_open(pair, excused=most != least),
    )


def _what_keeps_open(pair: Matched, *, excused: bool) -> str:
    if pair.stopped:
        return "the run was stopped early; measure it without --sequential"
    mend = "measure both runs with a larger --max-tokens, or without a decoding that the server ignores"
    return f"some answers were cut off, or not held to the decoding asked for; {mend}" if excused else ""


def _evidence_p(lost: Sequence[int], epochs: int, margin: Fraction) -> float:
    return 1 / max(1.0, excess_evidence([count / epochs for count in lost], float(margin)))


def _passes_early(lost: Sequence[int], epochs: int, margin: Fraction) -> bool:
    return shortfall_evidence([count / epochs for count in lost], float(margin)) >= EARLY_PASS


def _validity_hint(change: Change, spread: Spread, level: float) -> str:
    margin, tasks = change.limit.share, change.tasks
    if (needed := tasks_to_exclude(margin)) is None:
        return "a margin of 0 can never be shown to be kept; set one above 0"
    if excludable_loss(tasks) > margin:
        best = f"{100 * excludable_loss(tasks):.0f} points at best, so no run of them can PASS"
        them = f"{tasks} task{'' if tasks == 1 else 's'}"
        return f"{them} can exclude a loss of {best}; it takes {needed} tasks without a loss"
    return what_settles(spread, margin, (tasks, change.epochs), level)


def _tokens(pair: Matched, limit: Limit, series: Series) -> Change | None:
    """Prompt tokens of first attempts, compared exactly: they depend on nothing but the prompt."""
    base, head = (_prompt_tokens(run, series, pair.tasks) for run in (pair.base, pair.head))
    if not base or not head:
        return None
    ratio = float(head / base)
    return Change(
        limit=limit,
        series=series,
        tasks=len(pair.tasks),
        base=float(base),
        head=float(head),
        value=ratio,
        low=ratio,
        high=ratio,
        p=None,
        passes=head <= base * (1 + limit.share),
    )


def _prompt_tokens(run: Run, series: Series, tasks: Sequence[str]) -> Fraction:
    """The mean over tasks of the mean over epochs."""
    values_of = _values_of(run, series, tasks, lambda trial: Fraction(trial.first.completion.prompt_tokens))
    return sum((sum(values, Fraction()) / len(values) for values in values_of.values()), Fraction()) / len(values_of)


def _time(pair: Matched, limit: Limit, series: Series) -> Change | None:
    """The ratio of the tasks' median times, over all trials that have one, valid or not."""
    base, head = (median_times(run, series, pair.tasks, _TIMES[limit.metric]) for run in (pair.base, pair.head))
    both = [task for task in base if task in head]
    if not both:
        return None
    logarithms = log_ratios(base, head)
    ratio, most, whole = estimate_ratio(logarithms, TIME_LEVEL), 1 + float(limit.share), len(both) == len(base) == len(head)
    return Change(
        limit=limit,
        series=series,
        tasks=len(both),
        base=median(base[task] for task in both),
        head=median(head[task] for task in both),
        value=ratio.value,
        low=ratio.low,
        high=ratio.high,
        p=signed_rank_p(logarithms, math.log(most)) if whole else 1.0,
        passes=whole and ratio.high <= most,
        unsettled="" if whole else "some tasks have a time on one side alone",
    )


def median_times(run: Run, series: Series, tasks: Sequence[str], metric: Metric) -> dict[str, float]:
    """Seconds. A time of 0 is none: nothing was measured, and no ratio can be made of it."""
    seconds_of = _values_of(run, series, tasks, lambda trial: value_of(trial, metric))
    medians = {task: median(values) for task, values in seconds_of.items()}
    return {task: seconds for task, seconds in medians.items() if seconds > 0}


def _values_of(run: Run, series: Series, tasks: Sequence[str], value: Callable[[Trial], Value | None]) -> dict[str, list[Value]]:
    """The values of these tasks' trials, in the order of the tasks."""
    found = values_by_task(run.of_series(series), value)
    return {task: found[task] for task in tasks if task in found}


def _time_hint(tasks: int) -> str:
    if tasks < (needed := flips_to_fail(TIME_LEVEL)):
        return f"{tasks} task(s) cannot settle a time at all; it takes {needed}"
    return "more tasks or epochs, or a quieter machine, would narrow it"
