"""BASE against HEAD as plots: what changed in each share, and every task's way from one to the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Any

from evals.comparison import SeriesComparison
from evals.grid import Grid
from evals.pertask import TaskFigures
from evals.report.bars import part_bar
from evals.report.plot import INK, LINE, MUTED, WIDTH, Plot, colour, layer
from evals.report.quantities import Show, count, counted, milliseconds, percent
from evals.report.row_plots import points_axis, points_row, shown_plot
from evals.report.rows import axis_around

_SIDE = 74
"""Pixels beside the two ends of the lines, for their labels."""

MOST_LINES = 500
"""Of more tasks than these the first ones are drawn; the table has all."""

_BETTER, _WORSE = "var(--better)", "var(--worse)"
_SHADE = colour(2)
_HEIGHT = 220

_Read = Callable[[TaskFigures], float | None]
_Ways = dict[str, tuple[float, float]]
"""By task the value in BASE, and that in HEAD."""


def pair_plots(series: SeriesComparison) -> list[Plot]:
    """What changed in one series that both runs have, over the tasks that have an answer on both sides."""
    sessions = "" if any(figure.one_session for figure in series.times) else " (of two sessions: shown, not judged)"
    shares: dict[str, _Read] = {
        "schema-valid": lambda figures: float(figures.valid.rate),
        "code parses": lambda figures: float(figures.parses.rate),
    }
    times: dict[str, _Read] = {"TTFT": lambda figures: figures.ttft, "latency": lambda figures: figures.latency}
    tokens: dict[str, _Read] = {"prompt tokens": lambda figures: figures.prompt_tokens}
    plots = [
        _change_plot(series),
        *(_slopes(series, title, read, percent, fmean, more_is_better=True) for title, read in shares.items()),
        *(_slopes(series, title, read, count, median) for title, read in tokens.items()),
        *(_slopes(series, f"{title}{sessions}", read, milliseconds, median) for title, read in times.items()),
    ]
    return [plot for plot in plots if plot is not None]


def _change_plot(series: SeriesComparison) -> Plot | None:
    rows = [points_row(str(figure.goal), figure.change, _SHADE) for figure in series.shares]
    if all(row.value is None for row in rows):
        return None
    note = f"Means over the {counted(series.common_tasks, 'task')} that both answered, with their intervals."
    columns = ("share of answers", "HEAD - BASE in points [95 % interval]")
    return shown_plot("change of each share, HEAD - BASE in points", rows, points_axis(rows), columns, note)


def _slopes(
    series: SeriesComparison,
    title: str,
    read: _Read,
    show: Show,
    middle: Callable[[Sequence[float]], float],
    *,
    more_is_better: bool = False,
) -> Plot | None:
    ways = _ways(series, read)
    if not ways:
        return None
    before, now = (middle([way[end] for way in ways.values()]) for end in (0, 1))
    better = sum((now > before) == more_is_better for before, now in ways.values() if now != before)
    worse = sum((now > before) != more_is_better for before, now in ways.values() if now != before)
    same = len(ways) - better - worse
    named = "mean" if middle is fmean else "median"
    words = (
        f"{named} {show(before)} in BASE, {show(now)} in HEAD; of {len(ways)} tasks {better} better, {worse} worse, {same} the same"
    )
    table = Grid(("task", "BASE", "HEAD"), tuple((task, show(first), show(second)) for task, (first, second) in ways.items()))
    most = max(value for way in ways.values() for value in way)
    bars = tuple(part_bar(second, most) for _, second in ways.values())
    drawn = dict(list(ways.items())[:MOST_LINES])
    cut = f" The lines are those of the first {MOST_LINES:,} tasks." if len(ways) > MOST_LINES else ""
    spec = _slope_spec(drawn, (before, now), show, more_is_better=more_is_better)
    full = f"{title}, task by task"
    note = f"Line across: {words}. Blue is better, orange worse; the thicker a line, the more tasks.{cut}"
    return Plot(full, f"{full}: {words}.", spec, table, bars, note, "HEAD")


def _ways(series: SeriesComparison, read: _Read) -> _Ways:
    both = {row.task: (row.base, row.head) for row in series.tasks if row.base is not None and row.head is not None}
    found = {task: (read(base), read(head)) for task, (base, head) in both.items()}
    return {task: (before, now) for task, (before, now) in found.items() if before is not None and now is not None}


def _slope_spec(ways: _Ways, middles: tuple[float, float], show: Show, *, more_is_better: bool) -> dict[str, Any]:
    counts = Counter(ways.values())
    thickest = max(counts.values())
    lines = [
        {"x": _SIDE, "x2": WIDTH - _SIDE, "y": before, "y2": now, "colour": _shade(before, now, more_is_better=more_is_better)}
        | {"width": 1 + 7 * (number - 1) / max(1, thickest - 1)}
        for (before, now), number in counts.items()
    ]  # fmt: skip
    ends = [
        {"x": x, "y": y, "colour": line["colour"]} for line in lines for x, y in ((_SIDE, line["y"]), (WIDTH - _SIDE, line["y2"]))
    ]
    whole = [{"x": _SIDE, "x2": WIDTH - _SIDE, "y": middles[0], "y2": middles[1]}]
    labels = [
        {"x": x, "y": value, "text": show(value), "align": align}
        for x, value, align in ((_SIDE - 10, middles[0], "right"), (WIDTH - _SIDE + 10, middles[1], "left"))
    ]
    heads = [{"x": _SIDE, "text": "BASE"}, {"x": WIDTH - _SIDE, "text": "HEAD"}]
    axis = axis_around("", (value for way in ways.values() for value in way))
    scale = {"domain": [axis.low, axis.high], "nice": False, "zero": False}
    y = {"field": "y", "type": "quantitative", "axis": None, "scale": scale}
    x = {"field": "x", "type": "quantitative", "scale": None, "axis": None}
    line = {"x": x, "y": y, "x2": {"field": "x2"}, "y2": {"field": "y2"}}
    shade = {"field": "colour", "scale": None}
    width = {"field": "width", "type": "quantitative", "scale": None}
    text = {"text": {"field": "text"}}
    return {
        "width": WIDTH,
        "height": _HEIGHT,
        "layer": [
            layer(heads, {"type": "text", "dy": -14, "color": MUTED}, {"x": x, "y": {"value": 0}} | text),
            layer([{"x": _SIDE}, {"x": WIDTH - _SIDE}], {"type": "rule", "color": LINE}, {"x": x}),
            layer(lines, {"type": "rule", "opacity": 0.6, "strokeCap": "round"}, line | {"color": shade, "strokeWidth": width}),
            layer(ends, {"type": "circle", "size": 20, "opacity": 1}, {"x": x, "y": y, "color": shade}),
            layer(whole, {"type": "rule", "color": INK, "strokeWidth": 3}, line),
            *(
                layer([one], {"type": "text", "align": one["align"], "color": INK, "fontWeight": "bold"}, {"x": x, "y": y} | text)
                for one in labels
            ),
        ],
    }


def _shade(before: float, now: float, *, more_is_better: bool) -> str:
    if before == now:
        return MUTED
    return _BETTER if (now > before) == more_is_better else _WORSE
