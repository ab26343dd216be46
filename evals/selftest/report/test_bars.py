"""Small pictures of plain text."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.report.bars import CHARACTERS, bar
from evals.report.rows import Axis, Row, axis_around

FINITE = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
ENDS = st.one_of(FINITE, st.just(math.inf), st.just(-math.inf))
HEIGHTS = "▁▂▃▄▅▆▇█"
KNOWN = {"bar": set("█░·"), "interval": set("·─●│"), "dots": set(f"·{HEIGHTS}")}
WHOLE = Axis("", 0.0, 1.0)


def filled(value: float, axis: Axis) -> str:
    """The picture of a bar."""
    return bar(Row("", "", "", value, style="bar"), axis)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Rows of every style, with whatever a row may lack."""
    low, high = sorted((draw(ENDS), draw(ENDS)))
    value, with_interval = draw(st.one_of(st.none(), FINITE)), draw(st.booleans())
    dots = tuple(draw(st.lists(FINITE, max_size=30)))
    style = draw(st.sampled_from(("bar", "interval", "dots")))
    return Row("", "", "", value, low if with_interval else None, high if with_interval else None, dots, style)  # type: ignore[arg-type]


@given(rows(), st.one_of(st.none(), FINITE), st.booleans())
@example(Row("", "", "", style="dots"), None, False)
@example(Row("", "", "", 0.0, -math.inf, math.inf), 0.0, True)
def test_every_picture_is_as_wide_as_the_others(row: Row, reference: float | None, log: bool) -> None:
    """It has just so many characters, all of them of the few that its style is made of."""
    axis = axis_around(
        "", [end for end in (row.value, row.low, row.high, *row.dots) if end is not None], reference=reference, log=log
    )
    picture = bar(row, axis)
    assert len(picture) == CHARACTERS
    assert set(picture) <= KNOWN[row.style]


@given(st.floats(0, 1), st.floats(0, 1))
@example(0.0, 0.001)
@example(0.974, 0.976)
def test_a_larger_value_never_has_a_shorter_bar(one: float, other: float) -> None:
    """The length of a bar follows the order of the values."""
    shorter, longer = (filled(value, WHOLE).count("█") for value in sorted((one, other)))
    assert shorter <= longer


@given(st.floats(0, 1), st.floats(-5, 0), st.floats(0.1, 5))
def test_a_bar_is_one_piece_that_begins_at_zero(share: float, low: float, high: float) -> None:
    """To the right of zero what is filled is one piece whose left end is where zero is."""
    picture = filled(share * high, Axis("", low, high))
    zero = round(CHARACTERS * -low / (high - low))
    assert picture.strip("░") == "█" * picture.count("█")
    assert "█" not in picture or picture.index("█") == min(zero, CHARACTERS - 1)


@pytest.mark.parametrize(
    ("value", "picture"),
    [
        (0.0, "░" * 20),
        (0.0001, "█" + "░" * 19),
        (0.5, "█" * 10 + "░" * 10),
        (0.95, "█" * 19 + "░"),
        (1.0, "█" * 20),
        (7.0, "█" * 20),
    ],
)
def test_bars_of_shares(value: float, picture: str) -> None:
    """Nothing is empty, a little is one character, half is half, all is full, and more is not wider."""
    assert filled(value, WHOLE) == picture


def test_a_bar_to_the_left_ends_at_zero() -> None:
    """A value below zero is filled from it up to the middle."""
    assert filled(-0.5, Axis("", -1.0, 1.0)) == "░" * 5 + "█" * 5 + "░" * 10
    assert filled(-0.001, Axis("", -1.0, 0.0)) == "░" * 19 + "█"


@given(FINITE, st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_point_lies_in_its_interval(value: float, below: float, above: float) -> None:
    """An interval is one line with the point on it, wherever its ends fall."""
    row = Row("", "", "", value, value - below, value + above)
    picture = bar(row, axis_around("", [value - below, value, value + above]))
    line = picture.strip("·")
    assert line.count("●") == 1
    assert set(line) <= {"─", "●"}


def test_an_interval_with_its_reference() -> None:
    """The reference stands where it is unless the interval covers it, so one can see whether it does."""
    axis = Axis("", -1.0, 1.0, reference=0.0)
    assert bar(Row("", "", "", 0.5, 0.25, 0.75), axis) == "·" * 10 + "│·───●──··"
    assert "│" not in bar(Row("", "", "", 0.5, -0.25, 0.75), axis)
    assert bar(Row("", "", "", 0.5), axis) == "·" * 10 + "│····●····"


def test_an_endless_interval_reaches_to_both_edges() -> None:
    """An end that so few tasks cannot give is the edge of the picture."""
    assert bar(Row("", "", "", 0.0, -math.inf, math.inf), Axis("", -1.0, 1.0)) == "─" * 10 + "●" + "─" * 9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_heights_follow_how_many_there_are(values: list[float]) -> None:
    """Where most measurements lie the picture is highest, where fewer lie it is not higher, and it is flat only where none lies."""
    picture = bar(Row("", "", "", dots=tuple(values), style="dots"), WHOLE)
    cells = [min(CHARACTERS - 1, int(value * CHARACTERS)) for value in values]
    ranks = [f"·{HEIGHTS}".index(character) for character in picture]
    counts = [cells.count(cell) for cell in range(CHARACTERS)]
    assert max(ranks) == len(HEIGHTS)
    assert all((rank == 0) == (count == 0) for rank, count in zip(ranks, counts, strict=True))
    ordered = [rank for _, rank in sorted(zip(counts, ranks, strict=True))]
    assert ordered == sorted(ordered)


@pytest.mark.parametrize(("others", "heights"), [(1, "██"), (2, "▅█"), (3, "▄█"), (7, "▂█"), (1000, "▂█")])
def test_the_heights_of_known_numbers(others: int, heights: str) -> None:
    """Heights are shares of the highest, rounded up to one of seven."""
    picture = bar(Row("", "", "", dots=(0.0, *[0.06] * others), style="dots"), WHOLE)
    assert picture == heights + "·" * (CHARACTERS - 2)


@pytest.mark.parametrize("style", ["bar", "interval"])
def test_no_value_is_an_empty_track(style: str) -> None:
    """Where nothing is known nothing is drawn, not even a bar of nothing."""
    assert bar(Row("", "", "", style=style), WHOLE) == "·" * CHARACTERS  # type: ignore[arg-type]
