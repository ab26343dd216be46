"""The data in fixtures/ and its loaders."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import SettingsError
from agent.prompts import Message
from fixtures.data import LANGUAGES, Preference, Task, load_history, load_tasks

FIRST = "Generate a React TypeScript dashboard card component that displays ML pipeline TTFT and token count metrics"


def test_six_preferences_against_a_cap_of_five(preferences: tuple[Preference, ...]) -> None:
    """There is one preference more than a prompt holds, so retrieval has to choose."""
    assert len(preferences) == 6


def test_the_published_preferences_are_there(preferences: tuple[Preference, ...]) -> None:
    """The two preferences of the published comparison stand word for word."""
    texts = {preference.text for preference in preferences}
    assert {"User prefers async/await over .then() chains", "User targets React 18 with TypeScript strict mode"} <= texts


def test_the_history_has_nine_turns_of_each(history: tuple[Message, ...]) -> None:
    """The history has 18 turns, the user's and the assistant's in turn."""
    assert [message.role for message in history] == ["user", "assistant"] * 9


def test_the_history_is_authentic_in_length(history: tuple[Message, ...]) -> None:
    """A turn has 6 to 13 words, about 11 to 14 tokens of a general tokenizer."""
    assert all(6 <= len(message.content.split()) <= 13 for message in history)


def test_the_first_task_is_the_published_one(tasks: tuple[Task, ...]) -> None:
    """The task of the published comparison comes first, word for word."""
    assert tasks[0].request == FIRST


def test_tasks_cover_all_languages(tasks: tuple[Task, ...]) -> None:
    """Twelve tasks spread over all six languages."""
    assert len(tasks) == 12
    assert {task.language for task in tasks} == set(LANGUAGES)


def test_every_preference_applies_somewhere(tasks: tuple[Task, ...], preferences: tuple[Preference, ...]) -> None:
    """Every preference applies to at least one task."""
    assert {name for task in tasks for name in task.preferences} == {preference.id for preference in preferences}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[task]]\nid = 'a'", "has exactly"),
        ("[[task]]\nid = 'a'\nlanguage = 'cobol'\nrequest = 'r'\npreferences = []", "cobol"),
        ("[[task]]\nid = 'a'\nlanguage = 'py'\nrequest = 'r'\npreferences = ['x']", "x"),
        ("[[task]]\nid = 'a'\nlanguage = 'py'\nrequest = 'r'\npreferences = []\n" * 2, "more than once"),
        ("nonsense", "cannot be read"),
    ],
)
def test_broken_tasks_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """A task that is none is an error that says what is wrong."""
    file = tmp_path / "tasks.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=complaint):
        load_tasks(file)


def test_a_turn_without_content_is_refused(tmp_path: Path) -> None:
    """A history turn that is none is an error that says what a turn has."""
    file = tmp_path / "history.toml"
    file.write_text('turns = [{ role = "user" }]', encoding="utf-8")
    with pytest.raises(SettingsError, match="has exactly content, role"):
        load_history(file)


def test_a_short_history_is_refused(tmp_path: Path) -> None:
    """A history of other than 18 alternating turns is an error."""
    file = tmp_path / "history.toml"
    file.write_text('turns = [{ role = "user", content = "Hi" }]', encoding="utf-8")
    with pytest.raises(SettingsError, match="18 turns"):
        load_history(file)
