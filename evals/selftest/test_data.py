"""The data in fixtures/ and its loaders."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from agent.errors import SettingsError
from agent.prompts import Message
from fixtures.data import LANGUAGES, Preference, Task, load_history, load_suites, load_tasks
from fixtures.tiny_coder.request import MAX_LIKENESS

COUNTS = {"tsx": 16, "ts": 10, "py": 14, "js": 8, "css": 8, "sh": 8}
AWKWARD = set('"\\`')
"""What JSON has to escape, or a language quotes with; whatever is not ASCII is awkward too."""
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


def test_sixty_four_tasks_with_ids_of_their_own(tasks: tuple[Task, ...]) -> None:
    """There are 64 tasks, and no two have the same id."""
    assert len({task.id for task in tasks}) == len(tasks) == 64


def test_tasks_cover_all_languages(tasks: tuple[Task, ...]) -> None:
    """Every language has its number of tasks, React components most."""
    assert Counter(task.language for task in tasks) == COUNTS
    assert tuple(COUNTS) == LANGUAGES


def test_no_two_tasks_are_alike(tasks: tuple[Task, ...]) -> None:
    """Any two requests share less of their word trigrams than a request of the tiny model's corpus may share with a task."""
    pairs = itertools.combinations((_trigrams(task.request) for task in tasks), 2)
    assert max(len(left & right) / len(left | right) for left, right in pairs) < MAX_LIKENESS


def test_every_language_has_awkward_requests(tasks: tuple[Task, ...]) -> None:
    """At least three requests of every language hold a double quote, a backslash, a backtick or something that is not ASCII."""
    awkward = Counter(task.language for task in tasks if AWKWARD & set(task.request) or not task.request.isascii())
    assert min(awkward[language] for language in LANGUAGES) >= 3


def test_many_requests_are_short(tasks: tuple[Task, ...]) -> None:
    """At least twelve requests have fewer than twelve words."""
    assert sum(len(task.request.split()) < 12 for task in tasks) >= 12


def test_no_request_is_long(tasks: tuple[Task, ...]) -> None:
    """No request has 120 words or more, since the tiny model's trained context is short."""
    assert max(len(task.request.split()) for task in tasks) < 120


def test_no_request_begins_or_ends_with_white_space(tasks: tuple[Task, ...]) -> None:
    """How a request is wrapped in the file leaves nothing at its ends."""
    assert all(task.request == task.request.strip() for task in tasks)


def test_the_smoke_suite_is_the_first_twelve(tasks: tuple[Task, ...]) -> None:
    """The suite `smoke` is the first twelve tasks, in their order."""
    assert load_suites()["smoke"] == tuple(task.id for task in tasks[:12])


def test_the_article_suite_is_the_published_task(tasks: tuple[Task, ...]) -> None:
    """The suite `article` is the task of the published comparison alone."""
    assert load_suites()["article"] == (tasks[0].id,)


def test_the_full_suite_is_every_task(tasks: tuple[Task, ...]) -> None:
    """The suite `full` is every task, in the order of the file."""
    assert load_suites()["full"] == tuple(task.id for task in tasks)


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


@pytest.mark.parametrize(
    ("suites", "complaint"),
    [
        ("smoke = ['a', 'z']", "'smoke' names z, which is unknown"),
        ("smoke = []", "'smoke' is empty"),
        ("smoke = ['a', 'a']", "'a' appears more than once"),
        ("full = ['a']", "'full' is every task and cannot be listed"),
    ],
)
def test_broken_suites_are_refused(tmp_path: Path, suites: str, complaint: str) -> None:
    """A suite that is none is an error that says what is wrong."""
    file = tmp_path / "tasks.toml"
    task = "[[task]]\nid = 'a'\nlanguage = 'py'\nrequest = 'r'\npreferences = []"
    file.write_text(f"[suites]\n{suites}\n{task}", encoding="utf-8")
    with pytest.raises(SettingsError, match=complaint):
        load_suites(file)


def test_a_file_without_suites_has_the_full_one(tmp_path: Path) -> None:
    """A file that names no suite still has the one of all its tasks."""
    file = tmp_path / "tasks.toml"
    file.write_text("[[task]]\nid = 'a'\nlanguage = 'py'\nrequest = 'r'\npreferences = []", encoding="utf-8")
    assert load_suites(file) == {"full": ("a",)}


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


def _trigrams(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return set(zip(words, words[1:], words[2:], strict=False))
