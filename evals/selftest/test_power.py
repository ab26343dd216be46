"""What so many tasks and epochs can show."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.paired import sign_flip_p
from evals.power import Spread, excludable_loss, flips_to_fail, tasks_to_exclude, what_settles


@pytest.mark.parametrize(("tasks", "points"), [(12, 22.1), (30, 9.5), (59, 4.95), (64, 4.57), (1, 95.0)])
def test_what_can_be_excluded(tasks: int, points: float) -> None:
    """With no task lost, one-sided at 95 %: 12 tasks exclude 22 points, 59 exclude 5."""
    assert 100 * excludable_loss(tasks) == pytest.approx(points, abs=0.06)


@given(st.integers(1, 990).map(lambda tenths: Fraction(tenths, 1000)))
def test_the_number_of_tasks_is_the_smallest(margin: Fraction) -> None:
    """So many tasks exclude the margin, and one task less does not."""
    tasks = tasks_to_exclude(margin)
    assert tasks is not None
    assert excludable_loss(tasks) <= margin
    assert tasks == 1 or excludable_loss(tasks - 1) > margin


def test_no_number_excludes_nothing() -> None:
    """A margin of 0 is excluded by no number of tasks."""
    assert tasks_to_exclude(Fraction(0)) is None


@given(st.floats(1e-6, 0.5))
def test_flips_to_fail_are_the_fewest(level: float) -> None:
    """So many lost tasks reach the level by a sign-flip test, and one less does not."""
    flips = flips_to_fail(level)
    assert sign_flip_p([1] * flips) <= level
    assert sign_flip_p([1] * (flips - 1)) > level


def test_the_spread_is_split_into_sampling_and_the_rest() -> None:
    """Where epochs of a task never differ, sampling explains nothing; where tasks are alike, it explains all."""
    assert Spread.of([3, 3, 0, 3], [3, 0, 0, 3], 3).within == 0
    alike = Spread.of([1, 2, 1, 2], [2, 1, 2, 1], 3)
    assert alike.within == alike.variance > 0


def test_a_loss_at_the_margin_is_settled_by_nothing() -> None:
    """A loss of exactly the margin stays open, and that is said."""
    spread = Spread(mean=0.05, variance=0.05, within=0.0, net=0.05)
    assert "1,000 tasks would not settle it" in what_settles(spread, Fraction(1, 20), (64, 1), 0.01)


@given(st.floats(0, 0.045), st.floats(0.01, 0.3))
def test_more_tasks_are_asked_for_than_there_are(mean: float, variance: float) -> None:
    """What would settle it is always more than what did not."""
    sentence = what_settles(Spread(mean, variance, variance / 2, mean), Fraction(1, 20), (64, 3), 0.01)
    numbers = [int(word) for word in sentence.replace(",", "").split() if word.isdecimal()]
    assert all(number > 3 for number in numbers)
    assert "settle it" in sentence
