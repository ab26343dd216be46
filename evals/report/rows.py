"""Plots of rows: below each other what is compared, each with its label, its value in words, and its marks on a common axis."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evals.report.plot import INK, LINE, MUTED, PAPER, WIDTH, layer

Values = list[dict[str, Any]]

_LINE = 16
_CHARACTER, _BOLD_CHARACTER = 6.3, 7.6
"""Pixels that a character takes at most, on the average."""

_GAP = 8
_BAND = {"dots": 44, "interval": 12, "bar": 12}
_DOT = 4
"""Pixels that a dot is wide."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``shown`` is its value in words. ``value`` is marked, with the interval from ``low`` to ``high`` where there is one;
    ends that are not finite reach to the edge. ``dots`` are single measurements. ``colour`` is the colour of all of it.
    """

    label: str
    shown: str
    colour: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = ()
    style: Literal["dots", "interval", "bar"] = "interval"
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis of all rows, from ``low`` to ``high``; ``numbers`` is d3's format for those along it. ``reference`` is marked."""

    title: str
    low: float
    high: float
    numbers: str = ""
    reference: float | None = None
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, from 0 at the low end to 1 at the high one."""
        low, high, at = (math.log(one) for one in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        return (at - low) / (high - low)

    def pixel(self, value: float) -> float:
        """The same in pixels from the left."""
        return WIDTH * self.share(value)

    def clamp(self, value: float) -> float:
        """The value, or the end of the axis that it lies beyond."""
        return min(max(value, self.low), self.high)


def axis_around(
    title: str, values: Iterable[float], *, numbers: str = "", reference: float | None = None, log: bool = False
) -> Axis:
    """The axis that holds all finite values and the reference, with some room around them."""
    held = [value for value in (*values, *([] if reference is None else [reference])) if math.isfinite(value)]
    held = [value for value in held if value > 0] if log else held
    low, high = min(held, default=0.5 if log else 0.0), max(held, default=2.0 if log else 1.0)
    # What differs by rounding alone must not look as if it differed as much as anything can.
    same = math.isclose(low, high)
    if log:
        room = 1.1 if same else (high / low) ** 0.06
        return Axis(title, low / room, high * room, numbers, reference, log=True)
    room = (abs(high) * 0.1 or 1.0) if same else 0.06 * (high - low)
    return Axis(title, low - room, high + room, numbers, reference)


def rows_spec(rows: Sequence[Row], axis: Axis) -> dict[str, Any]:
    """The specification of a plot of rows."""
    tops, height = _tops(rows)
    centres = [top + _heading(row) + _BAND[row.style] / 2 for row, top in zip(rows, tops, strict=True)]
    placed = list(zip(rows, tops, centres, strict=True))
    layers = [
        *_reference(placed, axis),
        _layer("rule", [{"x": axis.low, "x2": axis.high, "y": centre} for _, _, centre in placed], axis, color=LINE),
        *_bars(placed, axis),
        *_dots(placed, axis),
        *_intervals(placed, axis),
        *_labels(placed),
    ]
    return {"width": WIDTH, "height": height, "layer": [layer for layer in layers if layer["data"]["values"]]}


def swarm(values: Sequence[float], axis: Axis, band: float) -> list[tuple[float, float]]:
    """Where the dots of some values stand: each at its value, and moved up or down, in pixels, so that all can be seen.

    Dots whose values lie within the width of a dot are stacked around the middle of the band, and where they are too many for it
    they stand closer; those less than a pixel apart become one. After Wilkinson, The American Statistician 53 (1999).
    """
    bins: dict[int, list[float]] = defaultdict(list)
    for value in sorted(values):
        bins[int(axis.pixel(axis.clamp(value)) // _DOT)].append(value)
    placed: dict[tuple[int, int], tuple[float, float]] = {}
    for stacked in bins.values():
        step = min(_DOT, (band - _DOT) / max(1, len(stacked) - 1))
        for place, value in enumerate(stacked):
            offset = step * (place - (len(stacked) - 1) / 2)
            placed.setdefault((round(axis.pixel(axis.clamp(value))), round(offset)), (value, offset))
    return list(placed.values())


def in_words(title: str, rows: Sequence[Row]) -> str:
    """The rows for who cannot see them."""
    return f"{title}: {'; '.join(f'{row.label} {row.shown}' for row in rows)}."


_Placed = Sequence[tuple[Row, float, float]]


def _tops(rows: Sequence[Row]) -> tuple[list[float], float]:
    tops, height = [], 0.0
    for row in rows:
        tops.append(height)
        height += _heading(row) + _BAND[row.style] + _GAP
    return tops, height


def _heading(row: Row) -> int:
    """The height of label and value, which stand below each other where one line is too short."""
    label = _pixels(row.label, bold=not row.faint)
    return _LINE if label + _pixels(row.shown) < WIDTH - _DOT else 2 * _LINE


def _pixels(text: str, *, bold: bool = False) -> float:
    """About how wide a text is, at most."""
    characters = sum(2 if unicodedata.east_asian_width(one) in "WF" or one in "MW@" else 1 for one in text)
    return characters * (_BOLD_CHARACTER if bold else _CHARACTER)


def _fitting(label: str) -> str:
    """The label, or as much of it as fits into the width."""
    if _pixels(label, bold=True) <= WIDTH:
        return label
    kept = next(end for end in range(len(label), 0, -1) if _pixels(label[:end], bold=True) <= WIDTH - _BOLD_CHARACTER)
    return f"{label[:kept]}…"


def _layer(kind: str, values: Values, axis: Axis, **mark: Any) -> dict[str, Any]:
    first = values[0] if values else {}
    encoding: dict[str, Any] = {"x": _x(axis), "y": _Y}
    encoding |= {end: {"field": end} for end in ("x2", "y2") if end in first}
    if "colour" in first:
        encoding["color"] = {"field": "colour", "scale": None}
    return layer(values, {"type": kind, **mark}, encoding)


_Y = {"field": "y", "type": "quantitative", "scale": None, "axis": None}


def _x(axis: Axis) -> dict[str, Any]:
    scale = {"domain": [axis.low, axis.high], "nice": False, "zero": False, "type": "log" if axis.log else "linear"}
    shown = {"title": axis.title, "tickCount": 5, "labelFlush": True, **({"format": axis.numbers} if axis.numbers else {})}
    return {"field": "x", "type": "quantitative", "scale": scale, "axis": shown}


def _reference(placed: _Placed, axis: Axis) -> list[dict[str, Any]]:
    """The reference as a line through the marks, which strikes no text out."""
    if axis.reference is None:
        return []
    half = {style: band / 2 + 2 for style, band in _BAND.items()}
    lines: Values = [
        {"x": axis.reference, "y": centre - half[row.style], "y2": centre + half[row.style]} for row, _, centre in placed
    ]
    return [_layer("rule", lines, axis, color=MUTED, strokeWidth=1.5)]


def _bars(placed: _Placed, axis: Axis) -> list[dict[str, Any]]:
    values: Values = [
        {"x": axis.clamp(0.0), "x2": axis.clamp(row.value), "y": centre, "colour": row.colour}
        for row, _, centre in placed
        if row.style == "bar" and row.value is not None
    ]
    return [_layer("rule", values, axis, strokeWidth=10)]


def _dots(placed: _Placed, axis: Axis) -> list[dict[str, Any]]:
    values: Values = [
        {"x": value, "y": round(centre + offset, 1), "colour": row.colour}
        for row, _, centre in placed
        for value, offset in swarm(row.dots, axis, _BAND["dots"])
    ]
    return [_layer("circle", values, axis, size=math.pi * (_DOT / 2) ** 2, opacity=0.75)]


def _intervals(placed: _Placed, axis: Axis) -> list[dict[str, Any]]:
    """Behind dots the interval is a field with the value as a line; elsewhere it is a line with the value as a point."""
    dotted = [(row, centre) for row, _, centre in placed if row.style == "dots"]
    lined = [(row, centre) for row, _, centre in placed if row.style == "interval"]
    half = _BAND["dots"] / 2
    fields: Values = [
        {"x": axis.clamp(row.low), "x2": axis.clamp(row.high), "y": centre - half, "y2": centre + half, "colour": row.colour}
        for row, centre in dotted
        if row.low is not None and row.high is not None
    ]
    middles: Values = [
        {"x": axis.clamp(row.value), "y": centre - half, "y2": centre + half} for row, centre in dotted if row.value is not None
    ]
    lines: Values = [
        {"x": axis.clamp(row.low), "x2": axis.clamp(row.high), "y": centre, "colour": row.colour}
        for row, centre in lined
        if row.low is not None and row.high is not None
    ]
    points = [
        (row.faint, {"x": axis.clamp(row.value), "y": centre, "colour": row.colour})
        for row, centre in lined
        if row.value is not None
    ]
    return [
        _layer("rect", fields, axis, opacity=0.25),
        _layer("rule", middles, axis, color=INK, strokeWidth=2),
        _layer("rule", lines, axis, strokeWidth=3, opacity=0.6),
        *(
            _layer("circle", [point for is_faint, point in points if is_faint == faint], axis, size=size, stroke=PAPER, opacity=1)
            for faint, size in ((False, 80), (True, 30))
        ),
    ]


def _labels(placed: _Placed) -> list[dict[str, Any]]:
    def texts(values: Values, x: float, align: str, color: str, weight: str) -> dict[str, Any]:
        mark = {"type": "text", "align": align, "baseline": "top", "color": color, "fontWeight": weight}
        return layer(values, mark, {"x": {"value": x}, "y": _Y, "text": {"field": "text"}})

    names: Values = [{"y": top, "text": _fitting(row.label)} for row, top, _ in placed if not row.faint]
    fainter: Values = [{"y": top, "text": _fitting(row.label)} for row, top, _ in placed if row.faint]
    values = [{"y": top + _heading(row) - _LINE, "text": row.shown} for row, top, _ in placed]
    return [
        texts(names, 0, "left", INK, "bold"),
        texts(fainter, 0, "left", MUTED, "normal"),
        texts(values, WIDTH, "right", INK, "normal"),
    ]
