"""Plots of rows: where dots stand, what an axis holds, and rows of every kind that can be drawn."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.grid import Grid
from evals.report.plot import WIDTH, svg
from evals.report.row_plots import plot_of
from evals.report.rows import Axis, Row, axis_around, rows_spec, swarm

BAND = 44.0
DOT = 4
FINITE = st.floats(-1e9, 1e9).map(lambda value: round(value, 6))
POSITIVE = st.floats(1e-6, 1e9)
ENDS = st.one_of(FINITE, st.just(math.inf), st.just(-math.inf))
INSIDE = Axis("", 0.0, 100.0)
VALUES = st.lists(st.one_of(st.floats(0, 100), st.integers(0, 20).map(float)), max_size=60)

ROWS = {
    "no rows": [],
    "no value": [Row("a", "-", "red")],
    "no dots": [Row("a", "-", "red", style="dots")],
    "an empty label": [Row("", "", "red", 1.0)],
    "infinite ends": [Row("a", "?", "red", 1.0, -math.inf, math.inf)],
    "no width": [Row("a", "2", "red", 2.0, 2.0, 2.0)],
    "no width behind dots": [Row("a", "2", "red", 2.0, 2.0, 2.0, (2.0, 2.0), "dots")],
    "an end without the other": [Row("a", "2", "red", 2.0, 1.0, None)],
    "a bar to the left": [Row("a", "-3", "red", -3.0, style="bar")],
    "a bar of nothing": [Row("a", "0", "red", 0.0, style="bar")],
    "very long words": [Row("a" * 500, "b" * 500, "red", 1.0, 0.5, 2.0, faint=True)],
    "all kinds": [
        Row("<a> & 'b' \"c\"", "1", "red", 1.0, 0.5, 2.0),
        Row("b", "1", "var(--series-1)", 1.0, 0.5, 2.0, (0.1, 1.0, 5.0), "dots"),
        Row("c", "-1", "blue", -1.0, style="bar"),
    ],
}


def ends_of(rows: list[Row]) -> list[float]:
    """Every value that an axis of the rows is made around."""
    return [end for row in rows for end in (row.value, row.low, row.high, *row.dots) if end is not None]


@given(VALUES)
@example([50.0] * 60)
@example([1.9, 2.1, 2.1, 2.1])
def test_every_value_has_a_dot_at_its_place(values: list[float]) -> None:
    """Within a pixel of every value stands a dot, and every dot is one of the values."""
    dots = [value for value, _ in swarm(values, INSIDE, BAND)]
    assert set(dots) <= set(values)
    assert all(any(abs(INSIDE.pixel(dot) - INSIDE.pixel(value)) <= 1 for dot in dots) for value in values)


@given(VALUES)
@example([50.0] * 200)
def test_dots_stay_in_their_band(values: list[float]) -> None:
    """No dot reaches over the edge of its row, however many there are."""
    assert all(abs(offset) <= (BAND - DOT) / 2 + 1e-9 for _, offset in swarm(values, INSIDE, BAND))


@given(VALUES)
@example([50.0] * 200)
def test_no_two_dots_share_a_pixel(values: list[float]) -> None:
    """What would be drawn on one pixel is drawn once."""
    places = [(round(INSIDE.pixel(value)), round(offset)) for value, offset in swarm(values, INSIDE, BAND)]
    assert len(places) == len(set(places))


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_measurement_does_not_matter(values: list[float], dice: random.Random) -> None:
    """The same values in another order are the same dots."""
    shuffled = dice.sample(values, len(values))
    assert sorted(swarm(shuffled, INSIDE, BAND)) == sorted(swarm(values, INSIDE, BAND))


@pytest.mark.parametrize("times", [1, 2, 3, 11])
def test_equal_values_are_stacked_around_the_middle(times: int) -> None:
    """So many equal values as there is room for are so many dots above each other, a dot apart."""
    assert [offset for _, offset in swarm([50.0] * times, INSIDE, BAND)] == [
        DOT * (place - (times - 1) / 2) for place in range(times)
    ]


def test_values_that_can_be_told_apart_stand_in_the_middle() -> None:
    """Values further apart than a dot is wide are not moved up or down."""
    values = [INSIDE.high * DOT * place / WIDTH for place in range(WIDTH // DOT)]
    assert [(value, offset) for value, offset in swarm(values, INSIDE, BAND) if offset] == []


def test_more_values_than_there_is_room_for_fill_the_band() -> None:
    """A thousand equal values take the whole band, one dot for each pixel of it."""
    offsets = [offset for _, offset in swarm([50.0] * 1000, INSIDE, BAND)]
    assert (min(offsets), max(offsets)) == pytest.approx((-20.0, 20.0), abs=0.5)
    assert len(offsets) == 41


@given(st.lists(ENDS, max_size=8), st.one_of(st.none(), FINITE))
@example([], None)
@example([0.0], None)
@example([-5.0], -5.0)
@example([-math.inf, math.inf], 0.0)
@example([100.0, 100.00000000000001], None)
def test_an_axis_holds_its_values_and_is_never_without_width(values: list[float], reference: float | None) -> None:
    """Every finite value and the reference lie on the axis, and its ends differ; it may hold nothing at all."""
    axis = axis_around("", values, reference=reference)
    held = [value for value in [*values, *([] if reference is None else [reference])] if math.isfinite(value)]
    assert -math.inf < axis.low < axis.high < math.inf
    assert all(0 <= axis.share(value) <= 1 for value in held)


@given(st.lists(st.one_of(POSITIVE, ENDS), max_size=8), st.one_of(st.none(), POSITIVE))
@example([], None)
@example([1.0], 1.0)
@example([0.0, -1.0, math.inf], 1.0)
@example([1.0000000000000002], 1.0)
def test_a_logarithmic_axis_is_positive(values: list[float], reference: float | None) -> None:
    """It holds every value above zero, and its ends are above zero and differ."""
    axis = axis_around("", values, reference=reference, log=True)
    held = [value for value in [*values, *([] if reference is None else [reference])] if 0 < value < math.inf]
    assert 0 < axis.low < axis.high < math.inf
    assert all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value in held)


@pytest.mark.parametrize("log", [False, True])
def test_there_is_room_beside_the_values(log: bool) -> None:
    """No value lies on the end of an axis that was made around it."""
    axis = axis_around("", [3.0, 7.0], log=log)
    assert axis.low < 3.0
    assert axis.high > 7.0


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("value", [1.0, 100.0, 282718015.2890625])
def test_values_that_differ_by_rounding_lie_on_one_place(log: bool, value: float) -> None:
    """What is equal but for its last digit is drawn as equal: in the middle of the axis, and not at its two ends."""
    axis = axis_around("", [value, math.nextafter(value, math.inf)], log=log)
    assert axis.share(value) == pytest.approx(0.5)
    assert axis.share(math.nextafter(value, math.inf)) == pytest.approx(0.5)


@given(st.floats(1, 100), st.floats(101, 200), st.booleans(), st.floats(-1e3, 1e3))
def test_places_run_from_the_low_end_to_the_high_one(low: float, high: float, log: bool, beyond: float) -> None:
    """The ends have the shares 0 and 1, pixels are shares of the width, and what lies beyond an end is brought to it."""
    axis = Axis("", low, high, log=log)
    assert [axis.share(low), axis.share(high)] == pytest.approx([0.0, 1.0])
    assert axis.pixel(high) == pytest.approx(WIDTH)
    assert axis.clamp(beyond) == sorted((low, beyond, high))[1]


def test_a_logarithmic_axis_has_equal_steps_for_equal_ratios() -> None:
    """The middle of 1 and 100 is 10, and of a linear axis 50.5."""
    assert Axis("", 1.0, 100.0, log=True).share(10.0) == pytest.approx(0.5)
    assert Axis("", 1.0, 100.0).share(50.5) == pytest.approx(0.5)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("name", ROWS)
def test_odd_rows_can_be_drawn(name: str, log: bool) -> None:
    """Whatever the rows lack, there is a picture of them without a number that is none, and every label stands in it."""
    rows = ROWS[name]
    axis = axis_around("ms", ends_of(rows), reference=1.0 if log else 0.0, log=log)
    drawn = svg(plot_of("title", rows, axis, Grid(("a",), ())), "plot-1")
    assert drawn.startswith("<svg")
    assert "NaN" not in drawn
    assert "Infinity" not in drawn
    assert all(row.shown[:5] in drawn for row in rows)


@given(st.lists(st.builds(Row, st.just("a"), st.just("b"), st.just("red"), FINITE, ENDS, ENDS), max_size=4), st.booleans())
def test_a_specification_has_numbers_on_the_axis_alone(rows: list[Row], log: bool) -> None:
    """It is strict JSON, and no mark lies beyond the ends of the axis."""
    axis = axis_around("", ends_of(rows), reference=1.0 if log else 0.0, log=log)
    spec = rows_spec(rows, axis)
    json.dumps(spec, allow_nan=False)
    marks = [value for layer in spec["layer"] if layer["mark"]["type"] != "text" for value in layer["data"]["values"]]
    assert all(axis.low <= value[end] <= axis.high for value in marks for end in ("x", "x2") if end in value)
