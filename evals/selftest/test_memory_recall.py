"""Recall, precision and chance, against values counted by hand and by enumeration."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Collection, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.memory.recall import (
    best_fixed_recall,
    best_precision,
    chance_of_recall,
    precision,
    precision_by_chance,
    recall,
    recall_by_chance,
)

FACTS = st.sets(st.sampled_from("abcdef"))


@pytest.mark.parametrize(
    ("facts", "relevant", "expected_recall", "expected_precision"),
    [
        ("abcde", "ab", 1.0, 0.4),
        ("abcde", "af", 0.5, 0.2),
        ("abcde", "f", 0.0, 0.0),
        ("abcde", "abcde", 1.0, 1.0),
        ("abcde", "abcdef", 5 / 6, 1.0),
        ("aab", "ab", 1.0, 1.0),
        ("", "ab", 0.0, 0.0),
        ("abcde", "", 1.0, 0.0),
        ("", "", 1.0, 0.0),
    ],
)
def test_by_hand(facts: str, relevant: str, expected_recall: float, expected_precision: float) -> None:
    """Recall and precision are the values counted by hand; equal facts count once."""
    assert recall(list(facts), list(relevant)) == pytest.approx(expected_recall)
    assert precision(list(facts), list(relevant)) == pytest.approx(expected_precision)


@given(FACTS, FACTS, st.sampled_from("abcdef"))
def test_more_facts_never_lower_recall(facts: set[str], relevant: set[str], more: str) -> None:
    """Recall lies between 0 and 1, and one more fact never lowers it."""
    assert 0 <= recall(facts, relevant) <= recall(facts | {more}, relevant) <= 1


@given(FACTS, FACTS)
def test_hits_are_the_same(facts: set[str], relevant: set[str]) -> None:
    """Recall and precision count the same hits."""
    hits = len(facts & relevant)
    if relevant:
        assert recall(facts, relevant) * len(relevant) == pytest.approx(hits)
    assert precision(facts, relevant) * len(facts) == pytest.approx(hits)


@pytest.mark.parametrize("relevant", range(1, 7))
def test_chance_is_the_mean_of_all_choices(relevant: int) -> None:
    """Expected recall and precision are the means over the six choices of five from six."""
    choices = list(itertools.combinations("abcdef", 5))
    wanted = "abcdef"[:relevant]
    assert float(recall_by_chance(6)) == pytest.approx(statistics.fmean(recall(choice, wanted) for choice in choices))
    assert float(precision_by_chance(6, relevant)) == pytest.approx(statistics.fmean(precision(one, wanted) for one in choices))
    assert best_precision(relevant) == Fraction(max(len(set(wanted) & set(choice)) for choice in choices), 5)


def test_a_store_that_fits_is_found_whole() -> None:
    """With no more facts than places every choice has a recall of 1."""
    assert recall_by_chance(3) == 1
    assert chance_of_recall([2, 1], 3, 1.0) == pytest.approx(1.0)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=3), st.integers(1, 6), st.sampled_from([0.0, 0.4, 0.5, 0.75, 5 / 6, 1.0]))
def test_the_probability_is_that_of_all_choices(relevant: list[int], places: int, reached: float) -> None:
    """The probability of a mean recall is the share of all combinations of choices that reach it."""
    wanted = ["abcdef"[:count] for count in relevant]
    drawn = itertools.product(itertools.combinations("abcdef", places), repeat=len(relevant))
    means = [_mean_recall(choice, wanted) for choice in drawn]
    expected = statistics.fmean(mean >= reached - 1e-9 for mean in means)
    assert chance_of_recall(relevant, 6, reached, places) == pytest.approx(expected)


def test_the_best_fixed_choice() -> None:
    """One choice for every task leaves out what costs least: here one of a, b and c, a third of one task."""
    assert best_fixed_recall(["abc", "de", "ef"], "abcdef") == pytest.approx(statistics.fmean([2 / 3, 1, 1]))


def _mean_recall(choice: Sequence[Collection[str]], wanted: Sequence[str]) -> float:
    return statistics.fmean(recall(facts, relevant) for facts, relevant in zip(choice, wanted, strict=True))
