"""Ratios of times by signed ranks."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evals.paired import sign_flip_p
from evals.ratios import MOST_EXACT, estimate_ratio, signed_rank_p, walsh_averages

DEPRESSION = (0.952, -0.147, 1.022, 0.430, 0.620, 0.590, 0.490, -0.080, 0.010)
"""Hamilton scale factor IV before treatment minus after, of nine patients: Hollander and Wolfe, table 3.1."""

logarithms = st.lists(st.floats(-2, 2).map(lambda value: round(value, 6)), min_size=1, max_size=14)


def test_the_published_signed_rank_test() -> None:
    """Hollander and Wolfe's example 3.1: T+ is 40 of 45, and the exact one-sided p-value 0.0195."""
    assert signed_rank_p(DEPRESSION) == pytest.approx(0.0195, abs=5e-5)


def test_the_published_estimate() -> None:
    """Their example 3.3: the Hodges-Lehmann estimate of the same data is 0.46."""
    assert math.log(estimate_ratio(DEPRESSION, 0.05).value) == pytest.approx(0.46, abs=0.001)


def test_the_published_interval() -> None:
    """Their example 3.4: the interval at 96.0 %, which is 2.0 % on each side, runs from 0.010 to 0.786."""
    estimate = estimate_ratio(DEPRESSION, 0.0200)
    assert (math.log(estimate.low), math.log(estimate.high)) == pytest.approx((0.010, 0.786), abs=0.001)


@given(logarithms)
def test_the_p_value_is_scipys(values: list[float]) -> None:
    """Without ties and zeros the p-value is that of scipy's exact test."""
    assume(len({abs(value) for value in values}) == len(values))
    assume(0.0 not in values)
    from scipy.stats import wilcoxon

    assert signed_rank_p(values) == pytest.approx(wilcoxon(values, alternative="greater", method="exact").pvalue)


def test_ties_share_their_rank() -> None:
    """Of 1, 1, -1 and 2 the ranks are 2, 2, 2 and 4, and the p-value is that of their sign flips."""
    assert signed_rank_p([1.0, 1.0, -1.0, 2.0]) == sign_flip_p([2, 2, -2, 4])


@given(logarithms, st.sampled_from([0.01, 0.05, 0.1]))
def test_swapping_the_runs_mirrors_the_estimate(values: list[float], level: float) -> None:
    """The ratio of the swapped runs is the inverse, with the inverse interval."""
    there, back = estimate_ratio(values, level), estimate_ratio([-value for value in values], level)
    assert back.value == pytest.approx(1 / there.value)
    assert back.low == pytest.approx(1 / there.high if there.high < math.inf else 0.0)
    assert back.high == pytest.approx(1 / there.low if there.low > 0 else math.inf)


@given(logarithms, st.floats(-2, 2))
def test_the_interval_inverts_the_test(values: list[float], centre: float) -> None:
    """What lies clearly below the interval is rejected at its level, and what lies clearly in it is not."""
    estimate = estimate_ratio(values, 0.05)
    low = math.log(estimate.low) if estimate.low else -math.inf
    assume(abs(centre - low) > 1e-6)
    assume(all(abs(centre - mean) > 1e-6 for mean in walsh_averages(values)))
    assert (signed_rank_p(values, centre) <= 0.05) == (centre < low)


def test_few_tasks_give_no_interval() -> None:
    """Four tasks cannot reach 5 %, so neither end is there; five can."""
    four, five = estimate_ratio([0.1, 0.2, 0.3, 0.4], 0.05), estimate_ratio([0.1, 0.2, 0.3, 0.4, 0.5], 0.05)
    assert (four.low, four.high) == (0.0, math.inf)
    assert 0 < five.low < five.high < math.inf


def test_no_ratio_without_a_task() -> None:
    """Nothing measured is an error."""
    with pytest.raises(ValueError, match="without a task"):
        estimate_ratio([], 0.05)


seeds, shifts = st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.2])


@settings(max_examples=25)
@given(seeds, shifts)
def test_of_many_values_the_p_value_is_scipys_normal_one(seed: int, shift: float) -> None:
    """Above the number of values that is exact, the p-value is scipy's by the normal distribution, corrected for continuity."""
    from scipy.stats import wilcoxon

    dice = random.Random(seed)
    values = [dice.gauss(shift, 0.3) for _ in range(MOST_EXACT + 1 + seed % 50)]
    expected = wilcoxon(values, alternative="greater", method="asymptotic", correction=True).pvalue
    assert signed_rank_p(values) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=25)
@given(seeds, shifts)
def test_many_values_go_on_where_few_end(seed: int, shift: float) -> None:
    """At the number where exact ends and normal begins, estimate and p-value differ by less than people would see."""
    dice = random.Random(seed)
    values = [dice.gauss(shift, 0.3) for _ in range(MOST_EXACT)]
    exact, near = estimate_ratio(values, 0.025), estimate_ratio([*values, exact_middle(values)], 0.025)
    assert near.value == pytest.approx(exact.value, abs=0.001)
    assert (near.low, near.high) == pytest.approx((exact.low, exact.high), abs=0.002)
    assert signed_rank_p([*values, -1e-6]) == pytest.approx(signed_rank_p(values), abs=0.01)


def exact_middle(values: list[float]) -> float:
    """The Hodges-Lehmann estimate, one more of which changes next to nothing."""
    return median(walsh_averages(values))


def test_many_values_keep_the_level() -> None:
    """Of 400 intervals over 250 values each end misses the truth in about 2.5 %, as it promises."""
    dice = random.Random(7)
    estimates = [estimate_ratio([dice.gauss(0.1, 0.3) for _ in range(250)], 0.025) for _ in range(400)]
    truth = math.exp(0.1)
    assert sum(truth < one.low for one in estimates) <= 20
    assert sum(truth > one.high for one in estimates) <= 20
