"""Growth as curves: what a longer history, and more memories, do to tokens and times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from evals.grid import Grid
from evals.growth import AXES, NAIVE, OPTIMIZED, Curve, Point, Quantity, break_even, curves, points
from evals.growth import Axis as Grown
from evals.growth_text import crossing_words
from evals.lines import Crossing
from evals.report.bars import part_bar
from evals.report.plot import INK, MUTED, PAPER, WIDTH, Plot, colour, layer
from evals.report.quantities import Show, count, milliseconds
from evals.run import Run
from evals.schedule import Regime, Series

_BESIDE = 44
"""Pixels that the axis on the left takes."""

_HEIGHT = 200
_ALONG: dict[Grown, str] = {"turns": "turns of history", "memories": "stored memories"}


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What is drawn of a point: ``read`` times ``scale``, in ``unit``. ``quantity`` is what its break-even is told of."""

    title: str
    read: Callable[[Point], float | None]
    show: Show
    quantity: Quantity
    unit: str = "ms"
    scale: float = 1000.0


_DRAWN = (
    _Drawn("prompt tokens", lambda point: point.prompt_tokens, count, "prompt tokens", "tokens", 1.0),
    _Drawn("TTFT", lambda point: point.ttft, milliseconds, "TTFT"),
    _Drawn("first token, look-up included", lambda point: point.first_token, milliseconds, "first token"),
    _Drawn("look-up in memory", lambda point: point.look_up, milliseconds, "look-up"),
)


def growth_plots(run: Run, regime: Regime) -> list[Plot]:
    """The curves of one regime: what grows with the turns of history, and with the memories that are stored."""
    measured = {axis: points(run, axis, regime) for axis in AXES}
    return [
        plot
        for axis, found in measured.items()
        for drawn in _DRAWN
        if (plot := _curve_plot(run, found, axis, drawn, _break_even(run, axis, regime, drawn))) is not None
    ]


def _break_even(run: Run, axis: Grown, regime: Regime, drawn: _Drawn) -> Crossing | None:
    """Where naive and optimized cross, for what both of them have."""
    both = {Curve(NAIVE, "turns"), Curve(OPTIMIZED, "turns")} <= curves(run).keys()
    return break_even(run, regime, drawn.quantity) if axis == "turns" and both and drawn.quantity != "look-up" else None


def _curve_plot(run: Run, found: Sequence[Point], axis: Grown, drawn: _Drawn, where: Crossing | None) -> Plot | None:
    there = [(point, value) for point in found if (value := drawn.read(point)) is not None]
    if len({point.size for point, _ in there}) < 2:
        return None
    trials = {point: len(run.of_series(Series(point.curve.stack(point.size), point.regime))) for point, _ in there}
    families = list(dict.fromkeys(curve.family for curve in curves(run)))
    values = [
        {
            "size": point.size,
            "value": drawn.scale * value,
            "family": point.curve.family,
            "colour": colour(families.index(point.curve.family), len(families)),
            "beyond": point.beyond,
        }
        for point, value in there
    ]
    rows = tuple(
        (point.curve.family, f"{point.size:,}{'*' if point.beyond else ''}", drawn.show(value), count(trials[point]))
        for point, value in there
    )
    title = f"{drawn.title} by {axis}"
    words = [f"{family} at {size} {value}" for family, size, value, _ in rows]
    notes = ["Medians over trials."]
    if any(one["beyond"] for one in values):
        notes.append("Hollow points are longer than what the model was trained on, and count in no break-even.")
    if where is not None:
        notes.append(f"Where optimized needs less, by a straight line for each task: {crossing_words(where, 'turns')}.")
    most = max(value for _, value in there)
    return Plot(
        title,
        f"{title}: {'; '.join(words)}. {' '.join(notes)}",
        _spec(values, axis, drawn.unit, where),
        Grid(("stack", axis, drawn.title, "trials"), rows),
        tuple(part_bar(value, most) for _, value in there),
        " ".join(notes),
        drawn.title,
    )


def _spec(values: list[dict[str, Any]], axis: Grown, unit: str, where: Crossing | None) -> dict[str, Any]:
    sizes = sorted({one["size"] for one in values})
    ticks = {"values": sizes} if axis == "memories" else {"tickCount": 5}
    x = {"field": "size", "type": "quantitative", "title": _ALONG[axis], "axis": {**ticks, "format": "~s"}}
    x["scale"] = {"type": "log" if axis == "memories" else "linear", "domain": [sizes[0], sizes[-1]]}
    y = {"field": "value", "type": "quantitative", "title": unit, "axis": {"tickCount": 5, "format": "~s"}}
    place = {"x": x, "y": y, "color": {"field": "colour", "scale": None}}
    last = {one["family"]: one for one in sorted(values, key=lambda one: one["size"])}
    return {
        "width": WIDTH - _BESIDE,
        "height": _HEIGHT,
        "layer": [
            *_crossing(where, x),
            *_lines(values, place),
            *(_points([one for one in values if one["beyond"] == beyond], place, hollow=beyond) for beyond in (False, True)),
            layer(
                list(last.values()),
                {"type": "text", "align": "right", "dy": -10, "fontWeight": "bold"},
                place | {"text": {"field": "family"}},
            ),
        ],
    }


def _lines(values: list[dict[str, Any]], place: dict[str, Any]) -> list[dict[str, Any]]:
    """A line through the points of each family, dashed from the last one that counts on."""
    solid = [one for one in values if not one["beyond"]]
    turns = {one["family"]: one for one in solid}
    dashed = [*turns.values(), *(one for one in values if one["beyond"])]
    detail = place | {"detail": {"field": "family"}}
    lines = [layer(solid, {"type": "line", "strokeWidth": 2}, detail)]
    if len(dashed) > len(turns):
        lines.append(layer(dashed, {"type": "line", "strokeWidth": 2, "strokeDash": [4, 4]}, detail))
    return lines


def _points(values: list[dict[str, Any]], place: dict[str, Any], *, hollow: bool) -> dict[str, Any]:
    mark = {"type": "point", "size": 40, "filled": not hollow, "opacity": 1, **({"fill": PAPER} if hollow else {})}
    return layer(values, mark, place)


def _crossing(where: Crossing | None, x: dict[str, Any]) -> list[dict[str, Any]]:
    """The break-even as a line, with its interval as a field, where it lies within what was measured."""
    if where is None or where.value is None or not where.smallest <= where.value <= where.largest:
        return []
    line = layer([{"size": where.value}], {"type": "rule", "color": INK, "strokeDash": [4, 3]}, {"x": x})
    if where.low is None or where.high is None:
        return [line]
    ends = [{"size": where.low, "end": where.high}]
    return [layer(ends, {"type": "rect", "color": MUTED, "opacity": 0.25}, {"x": x, "x2": {"field": "end"}}), line]
