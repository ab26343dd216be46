"""Ratios of times over tasks that two runs share, by signed ranks of their logarithms. One ratio stands for each task."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

from evals.paired import sign_flip_p

MOST_EXACT = 200
"""Of more values than these the distribution of the signed ranks is taken as normal, which at 200 differs by less than 0.001: the
exact one takes time with the third power of their number."""

_SAME = 1e-9
"""Logarithms that differ by less are the same ratio, written in binary."""


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """HEAD's time divided by BASE's, with an interval whose two ends each hold by themselves, one-sided.

    An end that so few tasks cannot give is 0 or infinite.
    """

    value: float
    low: float
    high: float
    tasks: int


def log_ratios(before: Mapping[str, float], after: Mapping[str, float]) -> list[float]:
    """The logarithm of after divided by before, for every task that both have."""
    return [math.log(after[task]) - math.log(before[task]) for task in before if task in after]


def signed_rank_p(values: Sequence[float], centre: float = 0.0) -> float:
    """The one-sided p-value of "not above ``centre``", by the ranks of the distances from it; exact for up to :data:`MOST_EXACT`
    values.

    Wilcoxon, Biometrics Bulletin 1 (1945); equal distances share the mean of their ranks, and the distribution is that over the
    sign flips of the ranks as they are. A value at the centre keeps its rank and has no sign (Pratt, Journal of the American
    Statistical Association 54, 1959).
    """
    distances = [0.0 if abs(value - centre) < _SAME else value - centre for value in values]
    ranks = [int(math.copysign(rank, one)) if one else 0 for rank, one in zip(_ranks(distances), distances, strict=True)]
    return sign_flip_p(ranks) if len(ranks) <= MOST_EXACT else _normal_p(ranks)


def no_change_p(changes: Sequence[float]) -> float:
    """The two-sided p-value of "nothing changed", by the signed ranks of one change for each task; 1 without a task."""
    return min(1.0, 2 * min(signed_rank_p(changes), signed_rank_p([-change for change in changes])))


def estimate_ratio(logarithms: Sequence[float], level: float) -> RatioEstimate:
    """The Hodges-Lehmann estimate of a ratio with the interval that inverts :func:`signed_rank_p` at ``level`` on each side.

    Hodges and Lehmann, Annals of Mathematical Statistics 34 (1963).

    Raises:
        ValueError: without a value.
    """
    if not logarithms:
        raise ValueError("no ratio without a task")
    if len(logarithms) > MOST_EXACT:
        return _estimate_of_many(logarithms, level)
    means = walsh_averages(logarithms)
    low = lower_end(logarithms, means, level)
    high = -lower_end([-value for value in logarithms], [-mean for mean in reversed(means)], level)
    return RatioEstimate(ratio_of(median(means)), ratio_of(low), ratio_of(high), len(logarithms))


def _normal_p(ranks: Sequence[int]) -> float:
    """The p-value of signed ranks that are doubled, by the normal distribution of their sum, corrected for continuity."""
    positive = sum(rank for rank in ranks if rank > 0)
    mean, deviation = sum(map(abs, ranks)) / 2, math.sqrt(sum(rank * rank for rank in ranks)) / 2
    return 0.5 * math.erfc((positive - 1 - mean) / deviation / math.sqrt(2)) if deviation else 1.0


def _estimate_of_many(logarithms: Sequence[float], level: float) -> RatioEstimate:
    """The same estimate for many values: the ends are two of the Walsh averages, by the normal distribution of the signed ranks
    (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd edition, section 3.3).
    """
    import numpy as np

    n = len(logarithms)
    values = np.asarray(logarithms)
    means = np.concatenate([(values[place:] + values[place]) / 2 for place in range(n)])
    reach = NormalDist().inv_cdf(1 - level) * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    first = math.floor(n * (n + 1) / 4 - reach)
    middle = (len(means) - 1) // 2, len(means) // 2
    means.partition([first - 1, *middle, len(means) - first])
    low, high = float(means[first - 1]), float(means[len(means) - first])
    value = float(means[middle[0]] + means[middle[1]]) / 2
    return RatioEstimate(ratio_of(value), ratio_of(low), ratio_of(high), n)


def ratio_text(ratio: RatioEstimate | None) -> str:
    """A ratio with its interval, for people; an end that so few tasks cannot give is a question mark."""
    if ratio is None:
        return "-"
    low, high = (f"{end:.2f}" if 0 < end < math.inf else "?" for end in (ratio.low, ratio.high))
    return f"x{ratio.value:.2f} [{low}, {high}]"


def ratio_of(logarithm: float) -> float:
    """The ratio whose logarithm this is; infinite where no float holds it."""
    try:
        return math.exp(logarithm)
    except OverflowError:
        return math.inf


def walsh_averages(values: Sequence[float]) -> list[float]:
    """The means of all pairs, each value with itself included, in order."""
    return sorted((first + second) / 2 for index, first in enumerate(values) for second in values[index:])


def lower_end(values: Sequence[float], means: Sequence[float], level: float) -> float:
    """The smallest centre that the test does not reject at ``level``; minus infinity where it can reject none.

    The p-value changes only at the Walsh averages, so it is looked at between each two of them.
    """
    edges = sorted(set(means))
    centres = [edges[0] - 1, *((left + right) / 2 for left, right in itertools.pairwise(edges))]
    lowest, highest = 0, len(edges)
    while lowest < highest:
        middle = (lowest + highest) // 2
        if signed_rank_p(values, centres[middle]) > level:
            highest = middle
        else:
            lowest = middle + 1
    return -math.inf if lowest == 0 else edges[lowest - 1]


def _ranks(distances: Sequence[float]) -> list[int]:
    """Twice the ranks of the absolute distances, from 1, so that shared ranks are whole numbers."""
    order = sorted(range(len(distances)), key=lambda index: abs(distances[index]))
    ranks, start = [0] * len(distances), 0
    while start < len(order):
        end = start
        while end < len(order) and abs(distances[order[end]]) == abs(distances[order[start]]):
            end += 1
        for index in order[start:end]:
            ranks[index] = start + 1 + end
        start = end
    return ranks
