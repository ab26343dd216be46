"""Statistics, against published and independently computed values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.selftest.factories import TIMEOUT, trial
from evals.stats import clopper_pearson, hoeffding, valid_share


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (3, 3, 0.2924, 1.0),  # (0.025)^(1/3)
        (0, 10, 0.0, 0.3085),  # 1 - (0.025)^(1/10)
        (15, 148, 0.0578, 0.1617),  # R: binom.test(15, 148)
        (4, 20, 0.0573, 0.4366),  # R: binom.test(4, 20)
    ],
)
def test_clopper_pearson_equals_published_values(successes: int, n: int, low: float, high: float) -> None:
    """The exact interval equals R's binom.test and the closed forms at the edges."""
    assert clopper_pearson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(n=st.integers(1, 40), data=st.data())
def test_clopper_pearson_bounds_have_the_tail_they_claim(n: int, data: st.DataObject) -> None:
    """At its lower bound a share gives so many successes, or more, with a probability of exactly 2.5 %."""
    successes = data.draw(st.integers(1, n))
    low, _ = clopper_pearson(successes, n)
    tail = sum(math.comb(n, k) * low**k * (1 - low) ** (n - k) for k in range(successes, n + 1))
    assert tail == pytest.approx(0.025, rel=1e-6)


@given(n=st.integers(1, 200))
def test_hoeffding_equals_clopper_pearson_at_the_edges(n: int) -> None:
    """When every task was always valid, or never, both intervals are the same."""
    assert hoeffding(1.0, n) == pytest.approx(clopper_pearson(n, n), abs=1e-9)
    assert hoeffding(0.0, n) == pytest.approx(clopper_pearson(0, n), abs=1e-9)


@given(share=st.floats(0, 1), n=st.integers(1, 500))
def test_hoeffding_is_never_narrower_than_the_exact_interval(share: float, n: int) -> None:
    """For yes-or-no tasks the bound for any distribution contains the exact interval."""
    successes = round(share * n)
    low, high = hoeffding(successes / n, n)
    exact_low, exact_high = clopper_pearson(successes, n)
    assert low <= exact_low + 1e-9
    assert high >= exact_high - 1e-9


@given(share=st.floats(0, 1), n=st.integers(1, 500))
def test_hoeffding_contains_and_mirrors(share: float, n: int) -> None:
    """The interval contains its share, and that of failures is its mirror image."""
    low, high = hoeffding(share, n)
    assert 0 <= low <= share <= high <= 1
    assert hoeffding(1 - share, n) == pytest.approx((1 - high, 1 - low), abs=1e-6)


@pytest.mark.parametrize(("successes", "n", "confidence"), [(-1, 3, 0.95), (4, 3, 0.95), (0, 0, 0.95), (1, 3, 1.0)])
def test_impossible_counts_are_refused(successes: int, n: int, confidence: float) -> None:
    """Counts and confidences that cannot be raise instead of giving NaN."""
    with pytest.raises(ValueError, match="no interval"):
        clopper_pearson(successes, n, confidence)


def test_the_task_is_the_unit() -> None:
    """Ten epochs of one task are one task: the interval is that of a single unit."""
    share = valid_share([trial(True, epoch=epoch) for epoch in range(1, 11)])
    assert (share.value, share.tasks, share.epochs) == (1.0, 1, 10)
    assert share.low == pytest.approx(0.025)


def test_one_epoch_gives_the_exact_interval() -> None:
    """With one epoch the interval of the share is Clopper and Pearson's."""
    share = valid_share([trial(task != "c", task=task) for task in "abcd"])
    assert (share.low, share.high) == clopper_pearson(3, 4)


def test_the_share_counts_the_last_attempt() -> None:
    """A trial that became valid at its retry counts as valid."""
    assert valid_share([trial(False, True)]).value == 1.0


def test_faults_are_no_wrong_answers() -> None:
    """A trial that an infrastructure fault ended is in no share."""
    share = valid_share([trial(True, task="a"), trial(False, task="b", fault=TIMEOUT)])
    assert (share.value, share.tasks) == (1.0, 1)


def test_a_share_of_nothing_is_an_error() -> None:
    """Without a trial there is no share."""
    with pytest.raises(ValueError, match="no interval"):
        valid_share([])
