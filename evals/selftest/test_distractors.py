"""The generator of distractors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SettingsError
from evals.measurer import USER_ID
from fixtures import distractors
from fixtures.data import load_preferences, load_tasks

SEEDS = st.integers(0, 2**32)
SIZES = st.integers(0, 300)


@given(SIZES, SEEDS)
def test_there_are_as_many_as_asked_for_and_all_differ(n: int, seed: int) -> None:
    """Each kind gives exactly n, and no two are equal."""
    for made in (distractors.preferences(n, seed), distractors.traces(n, seed), distractors.users(n, seed)):
        assert len(made) == len(set(made)) == n


@given(SIZES, SIZES, SEEDS)
def test_more_begin_with_the_fewer(fewer: int, more: int, seed: int) -> None:
    """A store grows by what is new: the first ones of a longer list are the shorter list, and the seed alone decides."""
    fewer, more = sorted((fewer, more))
    for make in (distractors.preferences, distractors.traces, distractors.users):
        assert make(more, seed)[:fewer] == make(fewer, seed)


def test_seeds_differ() -> None:
    """Another seed gives others."""
    assert distractors.preferences(50, 1) != distractors.preferences(50, 2)


def test_the_same_on_every_machine() -> None:
    """The first ones of seed 1 are these."""
    assert distractors.preferences(2, 1) == (
        "User wants the notebooks to degrade to read-only when the clock drifts",
        "User uses Nix instead of Homebrew for the release notes",
    )


def test_ten_thousand_of_each() -> None:
    """Ten thousand of each kind differ in their texts, and none is a real preference or a real request."""
    real = {preference.text for preference in load_preferences()} | {task.request for task in load_tasks()}
    for texts in (
        distractors.preferences(10_000, 1),
        [trace.request for trace in distractors.traces(10_000, 1)],
        [fact.text for fact in distractors.users(10_000, 1)],
    ):
        assert len(set(texts)) == 10_000
        assert not real & set(texts)


def test_others_are_others() -> None:
    """No other user is the one of the evals, and each has five facts, the first on a topic of the six."""
    made = distractors.users(500, 1)
    owners = [fact.user_id for fact in made]
    assert USER_ID not in owners
    assert {owners.count(owner) for owner in owners} == {distractors.FACTS_OF_A_USER}
    own_topics = set(distractors.preferences(500, 1))
    assert [fact.text in own_topics for fact in made[:6]] == [False, True, True, True, True, False]


@pytest.mark.parametrize("n", [-1, 10**9])
def test_too_many_are_refused(n: int) -> None:
    """Asking for less than none, or for more than there are, is refused with what there is."""
    with pytest.raises(SettingsError, match=r"makes 0 to \d+ different preferences"):
        distractors.preferences(n, 1)
