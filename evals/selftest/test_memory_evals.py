"""The memory evals on real Mem0: green as the agent is, and red as soon as what they watch over is taken out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

import agent.prompts
from agent import mem0_backend, mem0_local, mem0_store
from agent.memory import PREFERENCE
from agent.targets.embedder import Embedder
from agent.targets.target import Target
from evals.memory import correction, injection, isolation
from evals.memory.bench import Bench
from evals.memory.retrieval import GrowingStore, changed_contexts
from evals.selftest.scripted_server import embeddings, scripted_server
from evals.settings import Settings
from fixtures.data import load_preferences, load_tasks

TASKS = load_tasks()
PREFERENCES = load_preferences()
TAILWIND = next(preference.text for preference in PREFERENCES if preference.id == correction.CORRECTED)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A bench whose embedder embeds by words, without a model."""
    with scripted_server({"POST /v1/embeddings": embeddings}) as server:
        url = f"{server.url}/v1"
        yield Bench(Target("url", url, "none", "none"), Embedder(url, "words", 768), Settings(), print, print)


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory without its two filters on the user."""

    def anybodys(results: Iterable[Mapping[str, Any]], user_id: str) -> Iterator[mem0_backend.StoredFact]:
        yield from (fact for found in results for fact in mem0_backend.stored_facts([found], str(found["user_id"])))

    monkeypatch.setattr(mem0_local, "_scope", lambda user_id: {"user_id": "*", "kind": PREFERENCE})
    monkeypatch.setattr(mem0_local, "stored_facts", anybodys)


def test_users_are_kept_apart(bench: Bench) -> None:
    """Nothing crosses between the two users, and every reading shows the reader something of their own."""
    with bench.store() as store:
        seen = isolation.read_as_everybody(store, TASKS[:2])
    assert isolation.crossings(seen) == []
    assert isolation.blind(seen) == []


@pytest.mark.usefixtures("leaking")
def test_a_leak_is_seen(bench: Bench) -> None:
    """Without the filters on the user, contexts, lists and prompts show marks of the other one."""
    with bench.store() as store:
        crossed = isolation.crossings(isolation.read_as_everybody(store, TASKS[:2]))
    paths = {one.reading.path.partition(",")[0] for one in crossed}
    assert {"contexts of tasks", "preferences", "prompts of optimized", "python -m agent --memories"} <= paths


@pytest.mark.usefixtures("leaking")
def test_a_leak_changes_contexts(bench: Bench) -> None:
    """Without the filters on the user, distractors take places in contexts."""
    with bench.taught() as store:
        growing = GrowingStore(store, PREFERENCES, TASKS[:8])
        assert changed_contexts(growing.at(0), growing.at(60))


def test_distractors_change_nothing(bench: Bench) -> None:
    """Distractors leave every context as it was."""
    with bench.taught() as store:
        growing = GrowingStore(store, PREFERENCES, TASKS[:8])
        assert changed_contexts(growing.at(0), growing.at(60)) == []
        assert growing.expected(120) > 0


def test_a_correction_is_complete(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old preference is gone and the change is told; when it is only added, the eval says what is left."""
    with bench.taught() as store:
        found = correction.correct(store, TAILWIND, TASKS[:2])
    assert found.still_old == []
    assert [(change.old, change.new) for change in found.changes] == [(TAILWIND, correction.CORRECTION)]
    monkeypatch.setattr(mem0_store, "corrected", lambda fact, known: None)
    with bench.taught() as store:
        flaws = correction.correct(store, TAILWIND, TASKS[:2]).flaws
    assert any("contexts still hold" in flaw for flaw in flaws)
    assert "the history is [], not that one change" in flaws


def test_poison_changes_no_structure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No poison touches the structure of its prompt; without the defusing, every one that poses as structure does."""
    with bench.store() as store:
        assert not any(injection.prompts_of_poisons(store, TASKS[0].request).values())
        monkeypatch.setattr(agent.prompts, "_one_line", str)
        flaws = injection.prompts_of_poisons(store, TASKS[0].request)
    harmless = {"ignore the schema", "another user"}
    assert {name for name, found in flaws.items() if not found} == harmless


def test_a_poisoned_user_has_a_context(bench: Bench) -> None:
    """Poison is retrieved as any fact is: five of it, so the prompts that are judged do hold it."""
    with bench.store() as store:
        injection.poison(store, "victim")
        assert len(store.retrieve_context(TASKS[0].request, "victim").facts) == 5
        assert len(store.preferences("victim")) == len(injection.POISONS)


def test_stores_are_gone_afterwards(bench: Bench) -> None:
    """Nothing is left of a store that was closed."""
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(bench.folder())
        opened.enter_context(bench.opened(folder))
        assert folder.exists()
    assert not folder.exists()
