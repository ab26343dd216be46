"""The funnel of the preferences as plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evals.funnel import Funnel, funnels
from evals.grid import Grid
from evals.report.bars import part_bar
from evals.report.plot import INK, LINE, MUTED, WIDTH, Plot, colour, layer
from evals.report.quantities import count, shown
from evals.run import Run
from evals.schedule import Regime, Series

_STAGES: dict[str, Callable[[Funnel], int | None]] = {
    "stored": lambda funnel: funnel.stored,
    "retrieved": lambda funnel: funnel.retrieved,
    "in prompt": lambda funnel: funnel.in_prompt,
    "applicable": lambda funnel: funnel.applicable,
    "obeyed": lambda funnel: funnel.obeyed,
}
_CELL = WIDTH / len(_STAGES)
_FUNNEL_ROW = 44


def funnel_plots(run: Run, regime: Regime) -> list[Plot]:
    """For every stack how far each preference came, of the answers to tasks that it applies to."""
    found = {stack: funnels(run, Series(stack, regime)) for stack in run.settings.stacks}
    return [_funnel_plot(stack, colour(place, len(found)), rows) for place, (stack, rows) in enumerate(found.items()) if rows]


def _funnel_plot(stack: str, shade: str, rows: Sequence[Funnel]) -> Plot:
    table = Grid(
        ("preference", "answers", *_STAGES),
        tuple((row.preference, count(row.trials), *(shown(read(row), count) for read in _STAGES.values())) for row in rows),
    )
    title = f"{stack}: how far preferences come"
    words = "; ".join(map(_in_words, rows))
    bars = tuple(part_bar(row.obeyed, row.trials) for row in rows)
    note = "Bars are shares of the answers to tasks that the preference applies to; - is a stage that the stack does not have."
    return Plot(title, f"{title}. {words}.", _funnel_spec(rows, shade), table, bars, note, "obeyed of answers")


def _in_words(row: Funnel) -> str:
    stages = ", ".join(f"{name} {shown(read(row), count)}" for name, read in _STAGES.items())
    return f"{row.preference}, of {row.trials} answers: {stages}"


def _funnel_spec(rows: Sequence[Funnel], shade: str) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {"x": _CELL * column, "y": 18 + _FUNNEL_ROW * line, "share": (reached or 0) / row.trials, "text": shown(reached, count)}
        for line, row in enumerate(rows)
        for column, read in enumerate(_STAGES.values())
        for reached in [read(row)]
    ]
    room = _CELL - 8
    tracks = [{"x": one["x"], "x2": one["x"] + room, "y": one["y"] + 30} for one in cells]
    filled = [{"x": one["x"], "x2": one["x"] + room * one["share"], "y": one["y"] + 30} for one in cells if one["share"]]
    names = [
        {"x": 0, "y": 18 + _FUNNEL_ROW * line, "text": f"{row.preference} (n = {row.trials})"} for line, row in enumerate(rows)
    ]
    heads = [{"x": _CELL * column, "y": 0, "text": name} for column, name in enumerate(_STAGES)]
    return {
        "width": WIDTH,
        "height": 18 + _FUNNEL_ROW * len(rows),
        "layer": [
            _placed("rule", tracks, color=LINE, strokeWidth=6),
            _placed("rule", filled, color=shade, strokeWidth=6),
            _placed("text", [one | {"y": one["y"] + 15} for one in cells], color=INK, align="left", baseline="top", fontSize=11),
            _placed("text", names, color=INK, align="left", baseline="top", fontWeight="bold"),
            _placed("text", heads, color=MUTED, align="left", baseline="top", fontSize=11),
        ],
    }


def _placed(kind: str, values: list[dict[str, Any]], **mark: Any) -> dict[str, Any]:
    """Marks whose places are pixels."""
    first = values[0] if values else {}
    encoding: dict[str, Any] = {end: {"field": end, "type": "quantitative", "scale": None, "axis": None} for end in ("x", "y")}
    encoding |= {"x2": {"field": "x2"}} if "x2" in first else {}
    encoding |= {"text": {"field": "text"}} if "text" in first else {}
    return layer(values, {"type": kind, **mark}, encoding)
