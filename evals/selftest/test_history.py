"""Histories that are longer than the 18 turns."""

from __future__ import annotations

import re
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SettingsError
from agent.prompts import Message
from agent.stacks import GROWTH_TURNS
from fixtures import history as histories
from fixtures.data import load_history
from fixtures.history import long_history

LONGEST = max(GROWTH_TURNS)
SEEDS = st.integers(0, 2**32)
EVEN = st.integers(0, LONGEST // 2).map(lambda pairs: 2 * pairs)
OF_PREFERENCES = re.compile(
    r"tailwind|inline|class|styl|export|async|await|then\(|promise|callback|react|typescript|strict|version|annotat|type|mypy|return"
    r"|explain|explanation|sentence|brief|short|long answer",
    re.IGNORECASE,
)


@given(EVEN, SEEDS)
def test_the_eighteen_turns_come_last(turns: int, seed: int) -> None:
    """A history of any length ends with the 18 turns of the file, and is those alone where it is no longer."""
    made = long_history(turns, seed)
    assert made[-18:] == load_history()
    assert len(made) == max(18, turns)


@given(SEEDS)
def test_no_turn_is_said_twice(seed: int) -> None:
    """A hundred turns are the user's and the assistant's in turn, and all differ."""
    made = long_history(LONGEST, seed)
    assert [turn.role for turn in made] == ["user", "assistant"] * (LONGEST // 2)
    assert len({turn.content for turn in made}) == LONGEST


@given(EVEN, EVEN, SEEDS)
def test_a_longer_history_only_begins_earlier(fewer: int, more: int, seed: int) -> None:
    """A shorter history is the end of a longer one, so a stack's prompt is the same whatever other stacks a run has."""
    shorter, longer = (long_history(turns, seed) for turns in sorted((fewer, more)))
    assert longer[-len(shorter) :] == shorter


def test_seeds_differ() -> None:
    """Another seed gives another talk."""
    assert long_history(LONGEST, 1) != long_history(LONGEST, 2)


def test_the_same_on_every_machine() -> None:
    """The first turns of a hundred are these."""
    assert [turn.content for turn in long_history(LONGEST)[:2]] == [
        "Somebody asked for a search across all eighty runs.",
        "An input and a filter above the error chart would do.",
    ]


@given(SEEDS)
def test_generated_turns_do_not_touch_the_preferences(seed: int) -> None:
    """No generated turn says a word of any of the six preferences, for or against it."""
    assert not [turn.content for turn in generated(seed) if OF_PREFERENCES.search(turn.content)]


@given(SEEDS)
def test_generated_turns_are_as_long_as_the_eighteen(seed: int) -> None:
    """They have 6 to 13 words as the 18 have, on average the same to half a word, and no wider spread."""
    words, original = ([len(turn.content.split()) for turn in turns] for turns in (generated(seed), load_history()))
    assert 6 <= min(words) <= max(words) <= 13
    assert fmean(words) == pytest.approx(fmean(original), abs=0.5)
    assert stdev(words) <= stdev(original)


@given(SEEDS)
def test_every_gap_is_filled(seed: int) -> None:
    """Nothing of a template is left in a turn, and a turn begins with a capital letter or the name of a file."""
    for turn in generated(seed):
        assert not {"{", "}"} & set(turn.content)
        assert turn.content[0].isupper() or "." in turn.content.split()[0]


def test_an_odd_number_of_turns_is_refused() -> None:
    """A history that would begin with the assistant is an error."""
    with pytest.raises(SettingsError, match="even number of turns"):
        long_history(19)


def test_a_talk_that_is_said_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """More turns than the talk can fill without repeating itself are an error, and no endless loop."""
    monkeypatch.setattr(histories, "_talk", lambda: {"gaps": {}, "pair": [{"user": "Hi.", "assistant": "Hello."}]})
    with pytest.raises(SettingsError, match="said out after 2 turns; 4 were asked for"):
        long_history(22)


def generated(seed: int) -> tuple[Message, ...]:
    """The turns of the longest history that no file holds."""
    return long_history(LONGEST, seed)[:-18]
