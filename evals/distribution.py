"""Distributions of what was measured: every value, and the few numbers that describe them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the values lie, linear between neighbours.

    Hyndman and Fan's definition 7 (The American Statistician 50, 1996), which NumPy and R take by default.

    Raises:
        ValueError: for no values, or a share outside 0 to 1.
    """
    if not values or not 0 <= share <= 1:
        raise ValueError(f"a percentile needs values and a share from 0 to 1; given {len(values)} values and {share}")
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median_interval(values: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """The exact two-sided interval for the median of what independent values were drawn from: two of the values, in order as far
    from both ends as the confidence allows. ``None`` where even the least and the greatest one do not reach it, for 95 % with fewer
    than six values.

    W. R. Thompson, Annals of Mathematical Statistics 7 (1936), page 122: how many values lie below the median is binomial.

    Raises:
        ValueError: unless 0 < confidence < 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1; this is {confidence}")
    n = len(values)
    # In whole numbers: rounded, a tail that is just as large as allowed could be taken for a larger one.
    most, ways, below, left_out = (1 - Fraction(confidence)) / 2 * 2**n, 1, 0, -1
    for successes in range(n):
        below += ways
        if below > most:
            break
        ways = ways * (n - successes) // (successes + 1)
        left_out = successes
    if left_out < 0:
        return None
    ordered = sorted(values)
    return ordered[left_out], ordered[n - 1 - left_out]


def summarize(values: Sequence[float]) -> dict[str, object]:
    """The values in order of measurement, with their minimum, median, 95th percentile and maximum (``None`` without values)."""
    if not values:
        return {"values": [], "n": 0, "min": None, "p50": None, "p95": None, "max": None}
    return {
        "values": list(values),
        "n": len(values),
        "min": min(values),
        "p50": percentile(values, 0.5),
        "p95": percentile(values, 0.95),
        "max": max(values),
    }
