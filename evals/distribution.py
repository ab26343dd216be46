"""Distributions of what was measured: every value, and the few numbers that describe them."""

from __future__ import annotations

import math
from collections.abc import Sequence


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
