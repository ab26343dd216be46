"""Distributions."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from evals.distribution import median_interval, percentile, summarize

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(values=VALUES, share=st.floats(0, 1))
def test_percentiles_equal_numpys(values: list[float], share: float) -> None:
    """A percentile is NumPy's default one."""
    import numpy as np

    assert percentile(values, share) == pytest.approx(float(np.percentile(values, share * 100)), abs=1e-6)


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], -0.1), ([1.0], 1.1)])
def test_impossible_percentiles_are_refused(values: list[float], share: float) -> None:
    """No values, or a share outside 0 to 1, is an error and no number."""
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


@given(values=VALUES)
def test_a_summary_keeps_the_order_of_measurement(values: list[float]) -> None:
    """A summary holds every value in the order it was measured, and the extremes among them."""
    summary = summarize(values)
    assert (summary["values"], summary["n"], summary["min"], summary["max"]) == (values, len(values), min(values), max(values))


def test_a_summary_of_nothing_says_so() -> None:
    """Without values there are no numbers."""
    assert summarize([]) == {"values": [], "n": 0, "min": None, "p50": None, "p95": None, "max": None}


@given(st.integers(0, 400), st.sampled_from((0.5, 0.8, 0.9, 0.95, 0.99)) | st.floats(0.01, 0.999))
@example(5, 0.95)
@example(6, 0.95)
@example(3000, 0.95)
def test_the_interval_of_a_median_is_the_binomials(n: int, confidence: float) -> None:
    """As many values are left out at each end as a binomial distribution of n halves allows, by scipy's account of it."""
    from scipy.stats import binom

    below = [float(binom.cdf(successes, n, 0.5)) - (1 - confidence) / 2 for successes in range(n // 2 + 1)]
    assume(min(map(abs, below)) > 1e-12)
    allowed = sum(beyond < 0 for beyond in below)
    found = median_interval(range(1, n + 1), confidence)
    assert found == (None if allowed == 0 else (allowed, n - allowed + 1))


@pytest.mark.parametrize(("n", "confidence"), [(2, 0.5), (3, 0.75), (6, 0.96875), (7, 0.984375)])
def test_what_is_just_confident_enough_is_an_interval(n: int, confidence: float) -> None:
    """An interval that holds the median exactly as often as asked for is one."""
    assert median_interval(range(n), confidence) == (0, n - 1)


@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_the_interval_of_a_median_needs_six_values(values: list[float]) -> None:
    """Fewer than six values have none at 95 %; its ends are two of the values, around their median, in whatever order they came."""
    found = median_interval(values, 0.95)
    assert (found is None) == (len(values) < 6)
    if found is not None:
        low, high = found
        assert {low, high} <= set(values)
        assert low <= percentile(values, 0.5) <= high
        assert found == median_interval(sorted(values, reverse=True), 0.95)


@pytest.mark.parametrize("n", [6, 12, 25, 64])
def test_the_interval_of_a_median_holds_it_as_often_as_promised(n: int) -> None:
    """Of 4,000 samples of a skewed distribution at least 95 % have intervals that hold its median, less three standard errors."""
    dice, held, samples = random.Random(n), 0, 4_000
    for _ in range(samples):
        found = median_interval([dice.random() ** 3 for _ in range(n)], 0.95)
        held += found is not None and found[0] <= 0.5**3 <= found[1]
    assert 0.95 - 3 * (0.95 * 0.05 / samples) ** 0.5 <= held / samples < 0.99


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 95.0])
def test_an_impossible_confidence_is_refused(confidence: float) -> None:
    """What is no confidence is an error and no interval."""
    with pytest.raises(ValueError, match="a confidence lies between 0 and 1"):
        median_interval([1.0] * 10, confidence)
