"""Quantities as the report shows them; times are seconds inside and milliseconds where they are shown."""

from __future__ import annotations

import math
from collections.abc import Callable

NOTHING = "-"

Show = Callable[[float], str]


def milliseconds(seconds: float) -> str:
    """A time in ms, with a decimal below 100."""
    return f"{1000 * seconds:,.0f} ms" if abs(seconds) >= 0.09995 else f"{1000 * seconds:.1f} ms"


def count(number: float) -> str:
    """A number of things; a median of an even number of them may have a half."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def counted(number: int, noun: str) -> str:
    """A number of things with their name."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """A share in percent, without decimals."""
    return f"{share:.0%}"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}"


def ratio(value: float) -> str:
    """A ratio."""
    return f"x{value:.2f}"


def shown(value: float | None, show: Show) -> str:
    """A value where there is one; an end that so few tasks cannot give is a question mark."""
    if value is None:
        return NOTHING
    return show(value) if math.isfinite(value) else "?"


def with_interval(value: float, low: float | None, high: float | None, show: Show) -> str:
    """A value with its interval, if it has one, whose ends are written without the unit."""
    if low is None or high is None:
        return show(value)
    ends = (shown(end, show).removeprefix("x").removesuffix(" ms") for end in (low, high))
    return f"{show(value)} [{', '.join(ends)}]"
