"""Straight lines over tasks, and where they cross."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evals.lines import Crossing, Line, crossing, least_squares, mean_estimate

# NIST, Statistical Reference Datasets, Norris (y, x), certified to 15 digits.
NORRIS = """
0.1 0.2  338.8 337.4  118.1 118.2  888.0 884.6  9.2 10.1  228.1 226.5  668.5 666.3  998.5 996.3  449.1 448.6  778.9 777.0
559.2 558.2  0.3 0.4  0.1 0.6  778.1 775.5  668.8 666.9  339.3 338.0  448.9 447.5  10.8 11.6  557.7 556.0  228.3 228.1
998.0 995.8  888.8 887.6  119.6 120.2  0.3 0.3  0.6 0.3  557.6 556.8  339.3 339.1  888.0 887.2  998.5 999.0  778.9 779.0
10.2 11.1  117.6 118.3  228.9 229.2  668.4 669.1  449.2 448.9  0.2 0.5
"""
NORRIS_INTERCEPT, NORRIS_SLOPE = -0.262323073774029, 1.00211681802045
SIZES = (0, 2, 6, 18, 50)
LINES = st.lists(st.builds(Line, st.floats(-100, 100), st.floats(-10, 10)), min_size=3, max_size=8)


def test_a_published_line() -> None:
    """The line through NIST's reference data Norris has the certified intercept and slope."""
    numbers = [float(word) for word in NORRIS.split()]
    line = least_squares([(x, y) for y, x in zip(numbers[::2], numbers[1::2], strict=True)])
    assert line.slope == pytest.approx(NORRIS_SLOPE, rel=1e-12)
    assert line.intercept == pytest.approx(NORRIS_INTERCEPT, rel=1e-10)


@given(LINES)
def test_points_on_a_line_give_it_back(lines: list[Line]) -> None:
    """The line through points that lie on one is that one."""
    for line in lines:
        found = least_squares([(size, line.at(size)) for size in SIZES])
        assert [found.intercept, found.slope] == pytest.approx([line.intercept, line.slope], abs=1e-9)


@pytest.mark.parametrize("points", [[], [(1.0, 2.0)], [(1.0, 2.0), (1.0, 3.0)]])
def test_one_size_makes_no_line(points: list[tuple[float, float]]) -> None:
    """Fewer than two different sizes have no slope."""
    with pytest.raises(ValueError, match="two different sizes"):
        least_squares(points)


def test_the_interval_is_student_s() -> None:
    """The interval of a mean is that of a t test, by another implementation."""
    from scipy.stats import ttest_1samp

    values = [2.1, 2.4, 1.9, 2.2, 2.8, 2.0]
    found, known = mean_estimate(values), ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.value == pytest.approx(fmean(values))
    assert [found.low, found.high] == pytest.approx([known.low, known.high])


def test_one_task_has_no_interval() -> None:
    """A single task says nothing of how tasks differ: its interval is infinite, and no task has no mean."""
    assert (mean_estimate([3.0]).low, mean_estimate([3.0]).high) == (-math.inf, math.inf)
    with pytest.raises(ValueError, match="without a task"):
        mean_estimate([])


def test_fieller_s_ends_are_where_the_t_test_turns() -> None:
    """At each end of the crossing's interval a t test over the tasks' heights has exactly the p-value 0.05."""
    from scipy.stats import ttest_1samp

    lines = simulated(random.Random(4), Line(-12.0, 1.5))
    found = crossing(lines, 0, 50)
    assert (found.first, found.last) == (-1, 1)
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert found.low < found.value < found.high
    for end in (found.low, found.high):
        assert ttest_1samp([line.at(end) for line in lines], 0).pvalue == pytest.approx(0.05)


@pytest.mark.parametrize("truth", [Line(-12.0, 1.5), Line(-12.0, 0.5), Line(-3.0, 0.3)], ids=str)
def test_the_crossing_is_covered_as_often_as_said(truth: Line) -> None:
    """Where the true lines cross is not excluded in 95 of 100 simulated runs of twelve tasks, whether lines are steep or flat."""
    rng, runs = random.Random(7), 2_000
    where = -truth.intercept / truth.slope
    held = sum(holds(crossing(simulated(rng, truth), 0, 50), where) for _ in range(runs))
    # Four standard errors of a share of 0.95 in so many runs.
    assert held / runs == pytest.approx(0.95, abs=0.02)


def test_what_never_crosses_is_rarely_said_to() -> None:
    """Lines that are level and above zero by nothing are told apart from zero in about 5 of 100 runs at each size."""
    rng, runs = random.Random(8), 2_000
    found = [crossing(simulated(rng, Line(0.0, 0.0)), 0, 50) for _ in range(runs)]
    assert sum(bool(one.first) for one in found) / runs == pytest.approx(0.05, abs=0.02)
    assert sum(bool(one.last) for one in found) / runs == pytest.approx(0.05, abs=0.02)


@given(LINES, st.floats(1e-3, 1e3))
def test_a_unit_moves_no_crossing(lines: list[Line], factor: float) -> None:
    """Times in another unit cross at the same size, and as much is shown of it."""
    scaled = [Line(line.intercept * factor, line.slope * factor) for line in lines]
    before, after = crossing(lines, 0, 50), crossing(scaled, 0, 50)
    assume(all(abs(height) > 1e-6 for height in heights(before)))
    assert (before.first, before.last) == (after.first, after.last)
    assert close(before.low, after.low)
    assert close(before.high, after.high)


@given(LINES, st.floats(-20, 20))
def test_a_shift_of_sizes_moves_the_crossing_as_far(lines: list[Line], shift: float) -> None:
    """When every size is larger by so much, the crossing is, too."""
    shifted = [Line(line.intercept - line.slope * shift, line.slope) for line in lines]
    before, after = crossing(lines, 0, 50), crossing(shifted, shift, 50 + shift)
    if before.value is not None and after.value is not None and abs(before.value) < 1e6:
        assert after.value == pytest.approx(before.value + shift, abs=1e-3)


@given(LINES)
def test_what_is_turned_around_crosses_at_the_same_size(lines: list[Line]) -> None:
    """With the two sides exchanged the crossing is where it was, and what was shown is shown of the other side."""
    before, after = crossing(lines, 0, 50), crossing([Line(-line.intercept, -line.slope) for line in lines], 0, 50)
    assert (before.value, before.low, before.high) == (after.value, after.low, after.high)
    assert (before.first, before.last) == (-after.first, -after.last)


@given(LINES)
def test_only_what_was_measured_is_told(lines: list[Line]) -> None:
    """The ends lie within the sizes measured, and where both sizes show opposite signs both ends are there, around the value."""
    found = crossing(lines, 0, 50)
    assert all(0 <= end <= 50 for end in (found.low, found.high) if end is not None)
    if found.first * found.last == -1:
        assert found.low is not None
        assert found.high is not None
        assert found.value is not None
        assert found.low - 1e-6 <= found.value <= found.high + 1e-6


def test_tasks_that_agree_cross_in_one_point() -> None:
    """Without any spread, as with counted tokens, the interval is the crossing alone."""
    found = crossing([Line(-30.0, 7.0)] * 4, 0, 50)
    assert (found.first, found.last) == (-1, 1)
    assert [found.low, found.high] == pytest.approx([30 / 7, 30 / 7])


def test_one_task_shows_no_crossing() -> None:
    """With one task nothing is shown at either end, and without one there is no crossing."""
    found = crossing([Line(-30.0, 7.0)], 0, 50)
    assert (found.first, found.last, found.low, found.high) == (0, 0, None, None)
    with pytest.raises(ValueError, match="without a task"):
        crossing([], 0, 50)


def simulated(rng: random.Random, truth: Line, tasks: int = 12) -> list[Line]:
    """Lines of tasks with intercepts and slopes of their own, fitted to noisy values at every size."""
    fitted = []
    for _ in range(tasks):
        own = Line(truth.intercept + rng.gauss(0, 3), truth.slope + rng.gauss(0, 0.1))
        fitted.append(least_squares([(size, own.at(size) + rng.gauss(0, 1)) for size in SIZES]))
    return fitted


def holds(found: Crossing, where: float) -> bool:
    """Whether what is told of a crossing allows it to be at this size."""
    low = found.smallest if found.low is None else found.low
    high = found.largest if found.high is None else found.high
    if found.first == found.last != 0:
        return False
    return low <= where <= high


def heights(found: Crossing) -> list[float]:
    """The distances from zero of what a comparison of floats turns on."""
    return [end - size for end in (found.low, found.high) if end is not None for size in (found.smallest, found.largest)]


def close(first: float | None, second: float | None) -> bool:
    """Whether two ends are the same one, or neither is there."""
    return second == (None if first is None else pytest.approx(first, rel=1e-3, abs=1e-3))
