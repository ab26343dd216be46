"""Plots of rows, each row with its line of the table and its picture of plain text: made once for all that are compared so."""

from __future__ import annotations

from collections.abc import Sequence

from evals.ablation import Difference
from evals.figures import Change
from evals.grid import Grid
from evals.ratios import RatioEstimate, ratio_text
from evals.report.bars import bar
from evals.report.plot import Plot
from evals.report.quantities import NOTHING, points, with_interval
from evals.report.rows import Axis, Row, axis_around, in_words, rows_spec


def plot_of(title: str, rows: Sequence[Row], axis: Axis, table: Grid, note: str = "") -> Plot:
    """The plot of some rows, each with its row of the table."""
    return Plot(title, in_words(title, rows), rows_spec(rows, axis), table, tuple(bar(row, axis) for row in rows), note)


def shown_plot(title: str, rows: Sequence[Row], axis: Axis, columns: tuple[str, str], note: str = "") -> Plot:
    """The same, where the table has what the rows say in words, under two titles."""
    return plot_of(title, rows, axis, Grid(columns, tuple((row.label, row.shown) for row in rows)), note)


def points_row(label: str, change: Difference | Change | None, shade: str) -> Row:
    """A difference of shares as a row, in percentage points."""
    if change is None:
        return Row(label, NOTHING, shade)
    low, high = (None if end is None else 100 * end for end in (change.low, change.high))
    words = with_interval(change.value, change.low, change.high, points)
    return Row(label, words, shade, 100 * change.value, low, high)


def ratio_row(label: str, ratio: RatioEstimate | None, shade: str) -> Row:
    """A ratio as a row."""
    if ratio is None:
        return Row(label, NOTHING, shade)
    return Row(label, ratio_text(ratio), shade, ratio.value, ratio.low, ratio.high)


def points_axis(rows: Sequence[Row]) -> Axis:
    """The axis of differences, around 0."""
    return axis_around("", _marked(rows), reference=0.0, numbers="+~r")


def ratio_axis(rows: Sequence[Row]) -> Axis:
    """The axis of ratios, around 1."""
    return axis_around("", _marked(rows), reference=1.0, log=True, numbers="~r")


def _marked(rows: Sequence[Row]) -> list[float]:
    return [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
