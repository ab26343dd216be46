"""Distributions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.distribution import percentile, summarize

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
