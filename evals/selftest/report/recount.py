"""The figures of a report computed once more, from the JSON of a saved run alone: by the standard library, NumPy and SciPy, and by
no code of the evals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement
from statistics import fmean, median
from typing import Any

import numpy as np
from scipy import stats

Trial = dict[str, Any]
Value = Callable[[Trial], float | None]
Rates = dict[str, Fraction]

RUNGS = ("nothing", "answered", "strict JSON", "schema-valid", "code parses")


# What is read off trials


def answered(saved: dict[str, Any], stack: str, regime: str) -> list[Trial]:
    """The trials of one series that have an answer."""
    return [one for one in saved["trials"] if (one["stack"], one["regime"]) == (stack, regime) and one["attempts"]]


def by_task(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """The trials of every task."""
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial["task"], []).append(trial)
    return found


def reaches(rung: str, attempt: int = -1) -> Callable[[Trial], bool]:
    """Whether an attempt of a trial, the last one by default, reached a rung."""
    return lambda trial: RUNGS.index(trial["attempts"][attempt]["outcome"]["rung"]) >= RUNGS.index(rung)


def is_timed(trial: Trial) -> bool:
    """Whether the first attempt met the prefix cache as the regime says."""
    return bool(trial["attempts"]) and trial["attempts"][0]["cache"] == trial["regime"]


def first(trial: Trial) -> dict[str, Any]:
    """What the first call of a trial gave."""
    completion: dict[str, Any] = trial["attempts"][0]["completion"]
    return completion


def prompt_tokens(trial: Trial) -> int:
    """The prompt tokens of the first attempt."""
    return int(first(trial)["prompt_tokens"])


def all_tokens(trial: Trial) -> int:
    """The prompt and completion tokens of all attempts."""
    calls = [one["completion"] for one in trial["attempts"]]
    return int(sum(call[kind] for call in calls for kind in ("prompt_tokens", "completion_tokens")))


def ttft(trial: Trial) -> float | None:
    """The seconds to the first text of the first attempt, where they count."""
    seconds: float | None = first(trial)["ttft"]
    return seconds if is_timed(trial) else None


def whole_latency(trial: Trial) -> float:
    """The seconds of all attempts."""
    return math.fsum(one["completion"]["latency"] for one in trial["attempts"])


def latency(trial: Trial) -> float | None:
    """The seconds of all attempts, where they count."""
    return whole_latency(trial) if is_timed(trial) else None


def retrieval(trial: Trial) -> float | None:
    """The seconds of the look-up in memory."""
    seconds: float | None = trial["retrieval_seconds"]
    return seconds


def values_of(trials: Iterable[Trial], value: Value) -> list[float]:
    """The values of the trials that have one."""
    return [found for trial in trials if (found := value(trial)) is not None]


def task_medians(trials: Iterable[Trial], value: Value) -> dict[str, float]:
    """The median of every task that has a value."""
    found = {task: values_of(tried, value) for task, tried in by_task(trials).items()}
    return {task: float(np.median(values)) for task, values in found.items() if values}


def task_rates(trials: Iterable[Trial], holds: Callable[[Trial], bool]) -> Rates:
    """The share of every task's trials of which something holds."""
    return {task: Fraction(sum(map(holds, tried)), len(tried)) for task, tried in by_task(trials).items()}


# Statistics


def share_with_interval(rates: Sequence[Fraction], epochs: int) -> tuple[float, float, float]:
    """The mean of the tasks' rates with its interval: the exact binomial one for one epoch, Hoeffding's for several."""
    share = sum(rates, Fraction(0)) / len(rates)
    if epochs == 1:
        interval = stats.binomtest(int(sum(rates)), len(rates)).proportion_ci(0.95, method="exact")
        return float(share), float(interval.low), float(interval.high)
    return float(share), _hoeffding(float(share), len(rates), up=False), _hoeffding(float(share), len(rates), up=True)


def _hoeffding(share: float, n: int, *, up: bool) -> float:
    """The mean farthest from ``share`` at which an average so far from it has a probability of 2.5 % by Hoeffding's bound: found by
    halving what lies between the share and 0 or 1.
    """

    def bound(mean: float) -> float:
        """The most probable that an average of ``share`` can be, at this mean."""
        if mean in (0.0, 1.0):
            return float(mean == share)
        above = (mean / share) ** share if share else 1.0
        below = ((1 - mean) / (1 - share)) ** (1 - share) if share < 1 else 1.0
        return float((above * below) ** n)

    near, far = share, 1.0 if up else 0.0
    for _ in range(200):
        middle = (near + far) / 2
        near, far = (middle, far) if bound(middle) >= 0.025 else (near, middle)
    return (near + far) / 2


def median_with_interval(values: Sequence[float]) -> tuple[float, float, float] | tuple[float, None, None]:
    """The median with the two order statistics between which the true one lies in at least 95 % of all samples."""
    ordered, n = np.sort(np.array(values)), len(values)
    left_out = int(np.sum(stats.binom.cdf(np.arange(n), n, 0.5) <= 0.025))
    middle = float(np.median(ordered))
    return (middle, float(ordered[left_out - 1]), float(ordered[n - left_out])) if left_out else (middle, None, None)


def mean_with_interval(changes: Sequence[float]) -> tuple[float, float, float]:
    """The mean of differences of shares with its paired-t interval, as ``mean_interval`` in evals/paired.py documents it: where all
    are the same it is as wide as an exact one-sided binomial interval of 95 % without a success, and it ends at -1 and 1.
    """
    n, mean = len(changes), fmean(changes)
    if n < 2:
        return mean, -1.0, 1.0
    same = all(change == changes[0] for change in changes)
    reach = stats.beta.ppf(0.95, 1, n) if same else stats.t.ppf(0.975, n - 1) * stats.sem(changes)
    return mean, max(-1.0, mean - float(reach)), min(1.0, mean + float(reach))


def hodges_lehmann(logarithms: Sequence[float], level: float) -> tuple[float, float, float]:
    """The ratio whose logarithm is the median of the Walsh averages, and the averages between which Wilcoxon's signed-rank test
    does not reject at ``level`` on either side; 0 or infinite where so few values cannot.
    """
    averages = sorted((one + other) / 2 for one, other in combinations_with_replacement(logarithms, 2))
    left_out = int(np.sum(_signed_rank_cdf(len(logarithms)) <= level))
    low, high = (averages[left_out - 1], averages[-left_out]) if left_out else (-math.inf, math.inf)
    return math.exp(median(averages)), math.exp(low), math.exp(high)


def _signed_rank_cdf(n: int) -> Any:
    """How probable at most each sum of the ranks with a plus is, without ties."""
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    return np.cumsum(ways) / 2.0**n


def no_change_p(changes: Sequence[float]) -> float:
    """The exact two-sided p-value of Wilcoxon's signed-rank test; equal changes share their ranks, and zeros keep theirs."""
    from scipy.stats import rankdata

    rounded = np.round(changes, 9)
    ranks = (2 * rankdata(np.abs(rounded))).astype(int) * (rounded != 0)
    chances = np.ones(1)
    for rank in ranks[ranks > 0]:
        step = np.zeros(rank + 1)
        step[[0, rank]] = 0.5
        chances = np.convolve(chances, step)
    tails = [chances[int(ranks[sign * rounded > 0].sum()) :].sum() for sign in (1, -1)]
    return float(min(1.0, 2 * min(tails)))


def p_text(p: float) -> str:
    """A p-value as the page shows it."""
    return f"= {p:.2g}" if p >= 0.0001 else "< 0.0001"


def log_ratios(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """The logarithm of after / before for every task that both have."""
    return {task: math.log(after[task]) - math.log(before[task]) for task in before if task in after}


def price(trials: Sequence[Trial], cost: Callable[[Trial], float] = all_tokens) -> float | None:
    """What all trials cost for each valid answer."""
    valid = sum(map(reaches("schema-valid"), trials))
    return math.fsum(map(cost, trials)) / valid if valid else None


def pairs_of_trials(reference: Sequence[Trial], other: Sequence[Trial]) -> Iterator[tuple[Trial, Trial]]:
    """The trials of the same task and epoch whose times count on both sides."""
    found = {(one["epoch"], one["task"]): one for one in reference if is_timed(one)}
    return ((found[key], one) for one in other if is_timed(one) and (key := (one["epoch"], one["task"])) in found)


def jackknife(before: Sequence[Sequence[Trial]], after: Sequence[Sequence[Trial]]) -> tuple[float, float, float]:
    """The ratio of the prices of valid answers, averaged over pairs of stacks, with the interval of the pseudo-values of its
    logarithm, each of which leaves one task out.
    """
    tasks = sorted(set.intersection(*({trial["task"] for trial in trials} for trials in (*before, *after))))
    whole = _log_price_ratio(before, after, tasks)
    without = [_log_price_ratio(before, after, [one for one in tasks if one != task]) for task in tasks]
    pseudo = len(tasks) * whole - (len(tasks) - 1) * np.array(without)
    reach = stats.t.ppf(0.975, len(tasks) - 1) * stats.sem(pseudo)
    low, high = math.exp(whole - reach), math.exp(whole + reach)
    return math.exp(whole), low, high


def _log_price_ratio(before: Sequence[Sequence[Trial]], after: Sequence[Sequence[Trial]], tasks: Sequence[str]) -> float:
    prices = [[price([one for one in trials if one["task"] in tasks]) for trials in side] for side in (before, after)]
    return fmean(math.log(now / once) for once, now in zip(*prices, strict=True) if once and now)


# How the report writes them


def milliseconds(seconds: float) -> str:
    """A time, with a decimal below 100 ms."""
    thousandths = seconds * 1000
    return f"{thousandths:.1f} ms" if thousandths < 99.95 else f"{round(thousandths):,} ms"


def count(number: float) -> str:
    """A number, with a decimal where it is not whole."""
    return f"{round(number):,}" if number == round(number) else f"{number:,.1f}"


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f}%"


def points(value: float, low: float, high: float) -> str:
    """A difference in points with its interval."""
    return f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def ratio(value: float, low: float, high: float) -> str:
    """A ratio with its interval, whose ends may not be known."""
    ends = (f"{end:.2f}" if 0 < end < math.inf else "?" for end in (low, high))
    return f"x{value:.2f} [{', '.join(ends)}]"
