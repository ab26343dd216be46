"""Straight lines through what grows, and where one line crosses another. The task is the unit: one line stands for each.

Every task has a line of its own, and what is said of a slope is said of the tasks' slopes (Matthews, Altman, Campbell and Royston,
BMJ 300, 1990, page 230: serial measurements are analysed by a summary of each subject).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals.paired import student_reach
from evals.stats import CONFIDENCE

ONE_SIDED_CONFIDENCE = 1 - (1 - CONFIDENCE) / 2
"""That of each end of a two-sided interval at :data:`evals.stats.CONFIDENCE`."""

Sign = Literal[-1, 0, 1]
"""What is shown of a difference: below zero, neither, above zero."""


@dataclass(frozen=True, slots=True)
class Line:
    """``intercept`` and ``slope`` of a straight line."""

    intercept: float
    slope: float

    def at(self, size: float) -> float:
        """Its height."""
        return self.intercept + self.slope * size


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``tasks`` tasks with its interval at :data:`evals.stats.CONFIDENCE`, infinite for one task."""

    value: float
    low: float
    high: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where the mean of the tasks' lines crosses zero, and what is shown of it between the sizes ``smallest`` and ``largest``.

    ``value`` is the crossing itself, ``None`` where the lines are level. ``first`` and ``last`` say what is shown at the smallest
    and the largest size. ``low`` and ``high`` are the ends of those sizes at which neither is shown, ``None`` where these have no
    end within what was measured.
    """

    value: float | None
    low: float | None
    high: float | None
    first: Sign
    last: Sign
    smallest: float
    largest: float
    tasks: int


def least_squares(points: Sequence[tuple[float, float]]) -> Line:
    """The line through sizes and values whose squared distances from the values are the least (Gauss, Theoria combinationis, 1821).

    Raises:
        ValueError: for fewer than two different sizes.
    """
    if len({size for size, _ in points}) < 2:
        raise ValueError(f"a line needs two different sizes or more; given {points}")
    size, value = (math.fsum(values) / len(points) for values in zip(*points, strict=True))
    spread = math.fsum((x - size) ** 2 for x, _ in points)
    slope = math.fsum((x - size) * (y - value) for x, y in points) / spread
    return Line(value - slope * size, slope)


def mean_estimate(values: Sequence[float]) -> Estimate:
    """The mean of one value for each task, with the t interval (Student, Biometrika 6, 1908).

    Raises:
        ValueError: without a value.
    """
    if not values:
        raise ValueError("no mean without a task")
    mean = math.fsum(values) / len(values)
    reach = student_reach(values, ONE_SIDED_CONFIDENCE) if len(values) > 1 else math.inf
    return Estimate(mean, mean - reach, mean + reach, len(values))


def crossing(lines: Sequence[Line], smallest: float, largest: float) -> Crossing:
    """Where the mean of the tasks' lines is zero, by the t test over tasks of the lines' heights, at every size.

    The sizes that it does not reject are Fieller's set (Journal of the Royal Statistical Society B 16, 1954, page 175), which holds
    the crossing with the confidence of one test, however flat the lines are. It need not be an interval, and may be everything, so
    only what lies between ``smallest`` and ``largest`` is told.

    Raises:
        ValueError: without a line.
    """
    if not lines:
        raise ValueError("no crossing without a task")
    quadratic, middle = _fieller(lines), _mean(lines)
    first, last = (_shown(quadratic, middle, size) for size in (smallest, largest))
    value = -middle.intercept / middle.slope if middle.slope else None
    inside = [root for root in _roots(*quadratic) if smallest < root < largest]
    if first * last == -1:
        # Where all tasks agree, the two ends are one, and rounding may lose it.
        inside = inside or [value or 0.0]
    low = min(inside, default=None) if first else None
    high = max(inside, default=None) if last else None
    return Crossing(value, low, high, first, last, smallest, largest, len(lines))


def quantile(tasks: int) -> float:
    """Student's t for the mean of so many tasks, two-sided at :data:`evals.stats.CONFIDENCE`."""
    from scipy.special import stdtrit

    return float(stdtrit(tasks - 1, ONE_SIDED_CONFIDENCE))


_Quadratic = tuple[float, float, float]
"""The coefficients of the square, of the size and of one. Where it is above zero, the test shows a difference."""


def _fieller(lines: Sequence[Line]) -> _Quadratic:
    n, middle = len(lines), _mean(lines)
    if n < 2:
        return (0.0, 0.0, -1.0)
    intercepts, slopes = [line.intercept for line in lines], [line.slope for line in lines]
    wide = quantile(n) ** 2 / n
    return (
        middle.slope**2 - wide * _covariance(slopes, slopes),
        2 * (middle.intercept * middle.slope - wide * _covariance(intercepts, slopes)),
        middle.intercept**2 - wide * _covariance(intercepts, intercepts),
    )


def _mean(lines: Sequence[Line]) -> Line:
    n = len(lines)
    return Line(math.fsum(line.intercept for line in lines) / n, math.fsum(line.slope for line in lines) / n)


def _shown(quadratic: _Quadratic, middle: Line, size: float) -> Sign:
    square, single, one = quadratic
    if square * size**2 + single * size + one <= 0:
        return 0
    return 1 if middle.at(size) > 0 else -1


def _roots(square: float, single: float, one: float) -> list[float]:
    """The real zeros of a quadratic, in order, without cancellation (Press and others, Numerical Recipes, section 5.6)."""
    if square == 0:
        return [-one / single] if single else []
    under = single**2 - 4 * square * one
    if under < 0:
        return []
    helper = -(single + math.copysign(math.sqrt(under), single)) / 2
    return sorted([helper / square, one / helper]) if helper else [0.0]


def _covariance(first: Sequence[float], second: Sequence[float]) -> float:
    n = len(first)
    left, right = math.fsum(first) / n, math.fsum(second) / n
    return math.fsum((x - left) * (y - right) for x, y in zip(first, second, strict=True)) / (n - 1)
