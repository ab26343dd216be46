"""Statistics on tasks that two runs share. The task is the unit: one number stands for each, whatever its epochs have in common.

Losses are counted in whole epochs (``lost``: valid in BASE minus valid in HEAD, for every task), so that nothing is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from evals.stats import CONFIDENCE

PASS_CONFIDENCE = 0.95
"""One-sided confidence of the bound that a PASS rests on."""

MEAN_CONFIDENCE = 0.99
"""One-sided confidence of the paired-t bound. At 95 % it let up to 8.4 % of the losses at the margin pass, and at 97.5 % up to 7.1
%, since a loss of a few whole tasks is skewed and tasks that gain by chance hide some of it; at 99 % the most that was found is 4.2
% (``tox run -e calibrate`` looks at a part of these cases)."""


def sign_flip_p(weights: Iterable[int]) -> float:
    """The share of all sign flips of ``weights`` whose sum is at least their own: the exact one-sided p-value of "not above zero",
    for differences that would be symmetric then.

    R. A. Fisher, The Design of Experiments (1935), section 21. The distribution is built by convolution, not by enumeration.
    Without a weight other than 0 it is 1.
    """
    import numpy as np

    values = [weight for weight in weights if weight]
    step = math.gcd(*values) or 1
    positive = sum(value for value in values if value > 0) // step
    widths = [abs(value) // step for value in values]
    chances: Any = np.zeros(sum(widths) + 1)
    chances[0] = 1.0
    for width in widths:
        # By the sum of the weights whose sign is plus.
        chances[width:] = (chances[width:] + chances[:-width]) / 2
        chances[:width] /= 2
    return min(1.0, float(chances[positive:].sum()))


def loss_p(lost: Sequence[int], epochs: int, margin: Fraction) -> float:
    """The p-value of "at most ``margin`` was lost": the larger of :func:`sign_flip_p` of no loss at all and :func:`excess_p`.

    A test of no loss alone, with the demand that the mean loss exceeds the margin, fails up to 72 % of the changes that lose
    exactly the margin (``tox run -e calibrate``).

    Raises:
        ValueError: for a margin below 0.
    """
    if margin < 0:
        raise ValueError(f"a margin is 0 or more; this is {margin}")
    return max(sign_flip_p(lost), excess_p([count / epochs for count in lost], float(margin)))


def excess_p(values: Sequence[float], margin: float) -> float:
    """The one-sided p-value of "the mean is at most ``margin``", by a t statistic whose skewness is removed; 1 for a single value.

    Hall, Journal of the Royal Statistical Society B 54 (1992): with W the distance of the mean from the margin in standard
    deviations and g the skewness, sqrt(n) (W + g W^2 / 3 + g^2 W^3 / 27 + g / (6 n)) is nearly t-distributed. Losses are skewed,
    since a few tasks are lost whole: a plain t test would find a third of what this one does. Where most tasks are lost the
    skewness is below zero, the correction would take back evidence as losses are added, and it is left out.
    """
    from scipy.special import stdtr

    n = len(values)
    if n < 2:
        return 1.0
    mean, deviation = math.fsum(values) / n, math.sqrt(_variance(values))
    if len(set(values)) == 1:
        return 0.0 if mean > margin else 1.0
    skewness = max(0.0, math.fsum((value - mean) ** 3 for value in values) / (n * deviation**3))
    distance = (mean - margin) / deviation
    statistic = distance + skewness * distance**2 / 3 + skewness**2 * distance**3 / 27 + skewness / (6 * n)
    return float(stdtr(n - 1, -math.sqrt(n) * statistic))


def loss_bound(lost: Sequence[int], epochs: int) -> float:
    """The most that may have been lost on average: the larger of :func:`mean_bound` and :func:`net_bound`."""
    return max(mean_bound([count / epochs for count in lost]), net_bound(lost))


def mean_bound(values: Sequence[float]) -> float:
    """The upper end of the paired-t interval for the mean of differences, one-sided at :data:`MEAN_CONFIDENCE`; 1, the most there
    is, for a single task.

    Student, Biometrika 6 (1908), example 1.
    """
    return math.fsum(values) / len(values) + student_reach(values, MEAN_CONFIDENCE) if len(values) > 1 else 1.0


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean of differences of shares with what lies on either side of it: the paired-t interval, two-sided at 95 %.

    Where all differences are equal that interval would have no width; then it is as wide as what so many tasks cannot exclude.
    """
    if len(values) < 2:
        return -1.0, 1.0
    mean = math.fsum(values) / len(values)
    reach = student_reach(values, 1 - (1 - CONFIDENCE) / 2) if len(set(values)) > 1 else upper_share(0, len(values))
    return max(-1.0, mean - reach), min(1.0, mean + reach)


def student_reach(values: Sequence[float], confidence: float) -> float:
    """How far from the mean of two or more values the end of its t interval lies, one-sided at ``confidence``."""
    from scipy.special import stdtrit

    n = len(values)
    return float(stdtrit(n - 1, confidence)) * math.sqrt(_variance(values) / n)


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def net_bound(lost: Sequence[int], confidence: float = PASS_CONFIDENCE) -> float:
    """The upper end of Clopper and Pearson's one-sided interval for the share of tasks that were lost, net of those that gained.

    Where no task changed, the spread of the differences is 0 and a t interval would end at 0; this one does not.
    """
    net = max(0, sum(count > 0 for count in lost) - sum(count < 0 for count in lost))
    return upper_share(net, len(lost), confidence)


def upper_share(successes: int, n: int, confidence: float = PASS_CONFIDENCE) -> float:
    """The upper end of the exact one-sided interval for a binomial share. Clopper and Pearson, Biometrika 26 (1934).

    Raises:
        ValueError: unless 0 <= successes <= n and n >= 1.
    """
    if not (0 <= successes <= n and n >= 1):
        raise ValueError(f"no interval for {successes} in {n}")
    from scipy.special import betaincinv

    return 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, confidence))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in their order. Holm, Scandinavian Journal of Statistics 6 (1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
