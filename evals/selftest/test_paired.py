"""Statistics on tasks that two runs share."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.paired import excess_p, holm, loss_bound, loss_p, mean_bound, mean_interval, net_bound, sign_flip_p, upper_share

DARWIN = (49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48)
"""Fifteen differences in height of Darwin's maize, in eighths of an inch, as Fisher gives them (The Design of Experiments, 17)."""

losses = st.lists(st.integers(-3, 3), min_size=2, max_size=12)
margins = st.fractions(0, Fraction(1, 2), max_denominator=40)


def test_fishers_own_example() -> None:
    """Fisher counts 863 of the 32,768 sign flips of Darwin's differences that reach the observed sum (section 21)."""
    assert sign_flip_p(DARWIN) == 863 / 2**15


@given(st.lists(st.integers(-6, 6), max_size=9))
def test_the_p_value_is_that_of_enumeration(weights: list[int]) -> None:
    """Convolution counts the very sign flips that enumeration counts."""
    flips = list(itertools.product((1, -1), repeat=len(weights)))
    reached = sum(sum(sign * abs(weight) for sign, weight in zip(signs, weights, strict=True)) >= sum(weights) for signs in flips)
    assert sign_flip_p(weights) == pytest.approx(reached / len(flips))


def test_no_difference_is_no_evidence() -> None:
    """Without a task that changed, the p-value is 1."""
    assert sign_flip_p([0, 0, 0]) == sign_flip_p([]) == 1.0


@given(losses, margins)
def test_a_margin_never_makes_a_loss_more_significant(lost: list[int], margin: Fraction) -> None:
    """A loss beyond a margin is never shown where no loss at all is shown."""
    assert loss_p(lost, 3, margin) >= loss_p(lost, 3, Fraction(0))


@given(losses, margins, st.data())
def test_one_more_lost_task_never_speaks_for_head(lost: list[int], margin: Fraction, data: st.DataObject) -> None:
    """A task that loses more never lowers the bound on the loss, as far as it counts lost tasks."""
    index = data.draw(st.integers(0, len(lost) - 1))
    worse = [*lost]
    worse[index] = 3
    assert net_bound(worse) >= net_bound(lost)


def test_without_skewness_it_is_students_test() -> None:
    """Where losses are symmetric about their mean, the p-value is that of the t test."""
    from scipy.stats import ttest_1samp

    values = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert excess_p(values, 0.05) == pytest.approx(ttest_1samp(values, 0.05, alternative="greater").pvalue)


def test_skewness_is_removed_by_halls_formula() -> None:
    """For six tasks, one of them lost whole, W is 0.2858, g is 1.3608 and T 0.8873, so p is 0.2078 with 5 degrees of freedom."""
    assert excess_p([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.05) == pytest.approx(0.2078, abs=5e-5)


@given(losses, margins)
def test_a_lost_task_more_is_more_evidence_on_the_whole(lost: list[int], margin: Fraction) -> None:
    """When every task loses one epoch more, the evidence of a loss never falls."""
    worse = [min(3, count + 1) for count in lost]
    if all(count < 3 for count in lost):
        assert loss_p(worse, 3, margin) <= loss_p(lost, 3, margin) + 1e-9


def test_a_single_task_shows_nothing() -> None:
    """One task has no spread to compare its loss with."""
    assert excess_p([1.0], 0.05) == 1.0


def test_a_margin_below_zero_is_refused() -> None:
    """A margin below 0 is an error."""
    with pytest.raises(ValueError, match="0 or more"):
        loss_p([1], 1, Fraction(-1, 10))


def test_the_paired_t_interval_is_students() -> None:
    """For Student's own data (Cushny and Peebles: ten gains in sleep) the mean is 1.58 and t is 4.06, so p is 0.0014 one-sided."""
    gains = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    from scipy.stats import ttest_1samp

    interval = ttest_1samp(gains, 0.0).confidence_interval(0.98)
    assert ttest_1samp(gains, 0.0).statistic == pytest.approx(4.06, abs=0.005)
    assert mean_bound(gains) == pytest.approx(interval.high)


@pytest.mark.parametrize(
    ("lost", "tasks", "bound"),
    [(0, 59, 0.0495), (0, 58, 0.0503), (1, 93, 0.0500), (0, 12, 0.2209), (3, 3, 1.0), (0, 3, 0.6316)],
)
def test_the_exact_bound_on_lost_tasks(lost: int, tasks: int, bound: float) -> None:
    """The known points: 59 tasks without a loss, or 93 with one, exclude 5 %; 12 tasks exclude 22 %; 3 tasks 63 %."""
    assert upper_share(lost, tasks) == pytest.approx(bound, abs=5e-5)
    assert net_bound([1] * lost + [0] * (tasks - lost)) == upper_share(lost, tasks)


def test_no_flip_is_no_proof() -> None:
    """Without a task that changed, the bound is not 0: so few tasks cannot exclude more."""
    assert loss_bound([0] * 12, 3) == upper_share(0, 12)


def test_an_impossible_count_is_refused() -> None:
    """More successes than tasks is an error."""
    with pytest.raises(ValueError, match="no interval"):
        upper_share(2, 1)


@given(st.lists(st.integers(-3, 3).map(lambda count: count / 3), min_size=1, max_size=12))
def test_swapping_the_runs_mirrors_the_interval(gains: list[float]) -> None:
    """The interval of the opposite differences is the opposite interval."""
    low, high = mean_interval(gains)
    assert mean_interval([-gain for gain in gains]) == pytest.approx((-high, -low))


@given(st.lists(st.integers(-3, 3).map(lambda count: count / 3), min_size=1, max_size=12))
def test_the_mean_lies_in_an_interval_with_a_width(gains: list[float]) -> None:
    """The interval holds the mean and is never a point, also where all differences are equal."""
    low, high = mean_interval(gains)
    assert low < high
    assert low - 1e-9 <= sum(gains) / len(gains) <= high + 1e-9


def test_holms_own_rule() -> None:
    """Sorted p-values are multiplied by 4, 3, 2 and 1 and never fall: 0.005, 0.01, 0.03, 0.04 become 0.02, 0.03, 0.06, 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_only_raises(p_values: list[float]) -> None:
    """An adjusted p-value is no smaller than the plain one, at most 1, and in the same order."""
    adjusted = holm(p_values)
    assert all(plain <= more <= 1 for plain, more in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[index] for index in order] == sorted(adjusted)
