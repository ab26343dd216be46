"""Small pictures of plain text, for where no plot can stand: a table in a pull request."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evals.report.rows import Axis, Row

CHARACTERS = 20
"""How many characters a picture is wide."""

_FULL, _EMPTY = "█", "░"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_TRACK, _LINE, _POINT, _REFERENCE = "·", "─", "●", "│"


def bar(row: Row, axis: Axis) -> str:
    """The marks of a row on its axis, in :data:`CHARACTERS` characters: measurements as the heights of their frequency, a bar as a
    bar, and an interval as a line with its value on it.
    """
    if row.style == "dots":
        return _heights([_cell(value, axis) for value in row.dots])
    if row.value is None:
        return _TRACK * CHARACTERS
    return _filled(row.value, axis) if row.style == "bar" else _interval(row, row.value, axis)


def part_bar(value: float, whole: float) -> str:
    """A bar as long as a value is of the whole."""
    return _filled(value, Axis("", 0.0, whole or 1.0))


def _cell(value: float, axis: Axis) -> int:
    """The character that a value falls on."""
    return min(CHARACTERS - 1, int(axis.share(axis.clamp(value)) * CHARACTERS))


def _heights(cells: Sequence[int]) -> str:
    counts = [cells.count(cell) for cell in range(CHARACTERS)]
    most = max(counts, default=0)
    return "".join(_HEIGHTS[math.ceil(count / most * (len(_HEIGHTS) - 1))] if count else _TRACK for count in counts)


def _filled(value: float, axis: Axis) -> str:
    """From zero to the value; what is less than a character still shows one."""
    if not value:
        return _EMPTY * CHARACTERS
    first, last = sorted(round(CHARACTERS * axis.share(axis.clamp(end))) for end in (0.0, value))
    first = min(first, CHARACTERS - 1)
    return "".join(_FULL if first <= cell < max(last, first + 1) else _EMPTY for cell in range(CHARACTERS))


def _interval(row: Row, value: float, axis: Axis) -> str:
    cells = [_TRACK] * CHARACTERS
    if axis.reference is not None:
        cells[_cell(axis.reference, axis)] = _REFERENCE
    if row.low is not None and row.high is not None:
        for cell in range(_cell(row.low, axis), _cell(row.high, axis) + 1):
            cells[cell] = _LINE
    cells[_cell(value, axis)] = _POINT
    return "".join(cells)
