"""The memories of a run: what they hold, and that every stack asks its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.errors import MemoryStoreError
from agent.memory import Context, FactChange
from agent.model import OpenAIModel
from agent.stacks import GROWTH_MEMORIES, STACKS
from agent.targets.embedder import Embedder
from agent.targets.target import Target
from evals import stores
from evals.fingerprint import Fingerprint
from evals.measurer import USER_ID
from evals.schedule import PlannedTrial
from evals.selftest.factories import settings
from evals.selftest.live_session import CHAT, valid
from evals.selftest.scripted_run import TASKS
from evals.selftest.scripted_server import embeddings, scripted_server
from evals.served import Served
from evals.stores import Store, facts_of, fill, open_store, size_of
from evals.subject import Place, Subject, longest_messages, told_history
from fixtures.data import load_history, load_preferences

PREFERENCES = tuple(preference.text for preference in load_preferences())


@dataclass
class ListMemory:
    """A memory that is a list, and forgets the facts in ``loses``."""

    name: str = "list"
    loses: tuple[str, ...] = ()
    held: list[str] = field(default_factory=list)
    bulks: list[int] = field(default_factory=list)

    def retrieve_context(self, query: str, user_id: str) -> Context:
        """Its name, so that it shows who was asked."""
        return Context((self.name,), 0.5)

    def remember(self, fact: str, user_id: str) -> FactChange | None:
        """Keep a fact."""
        self.held.append(fact)
        return None

    def remember_all(self, facts: Sequence[str], user_id: str) -> int:
        """Keep many facts."""
        self.bulks.append(len(facts))
        self.held += [fact for fact in facts if fact not in self.loses]
        return len(facts)

    def preferences(self, user_id: str) -> tuple[str, ...]:
        """All facts."""
        return tuple(sorted(self.held))

    def changes(self, user_id: str) -> tuple[FactChange, ...]:
        """Nothing is ever changed."""
        return ()

    def write_back(self, task: str, reply: str, user_id: str) -> None:
        """Nothing is written during a run."""
        raise AssertionError

    def close(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize("size", GROWTH_MEMORIES)
def test_a_store_holds_as_many_facts_as_its_stack_says(size: int) -> None:
    """The preferences come first, then further facts up to the size, none of them twice."""
    facts = facts_of(size)
    assert size_of(STACKS[f"optimized-{size}-memories"]) == size
    assert facts[: len(PREFERENCES)] == PREFERENCES
    assert len(facts) == len(set(facts)) == size


def test_other_stacks_ask_for_the_preferences_alone() -> None:
    """A stack that names no number of memories has a store of the six."""
    assert {size_of(STACKS[name]) for name in ("optimized", "optimized-100-turns", "naive-with-all-facts")} == {6}


def test_a_store_smaller_than_the_preferences_is_refused() -> None:
    """A memory that could not hold the preferences would be another experiment."""
    with pytest.raises(MemoryStoreError, match="the 6 preferences at least; this one is to hold 5"):
        facts_of(5)


def test_a_large_store_is_filled_in_bulk_and_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large store is filled by so many facts at a time, telling how far it is, how long it took and how long it will take."""
    told: list[str] = []
    memory = ListMemory()
    monkeypatch.setattr(stores, "_TOLD_EVERY", -1.0)
    assert fill(memory, facts_of(1_200), told.append) >= 0
    assert (memory.bulks, len(memory.held)) == ([500, 500, 200], 1_200)
    assert told[0].startswith("memory: 500 of 1,200 facts stored, 0:00 elapsed, 0:00 left")
    assert told[-1].startswith("memory: 1,200 facts stored in ")


def test_the_small_store_is_filled_in_silence() -> None:
    """Storing the preferences alone is told to nobody: it takes no time to speak of."""
    told: list[str] = []
    memory = ListMemory()
    fill(memory, facts_of(6), told.append)
    assert (memory.held, told) == ([*PREFERENCES], [])


def test_a_store_that_loses_a_fact_is_refused() -> None:
    """When a fact is not there after it was stored, nothing is measured on it."""
    with pytest.raises(MemoryStoreError, match="was given 100 facts and holds 99"):
        fill(ListMemory(loses=(facts_of(100)[50],)), facts_of(100), stores.silent)


def test_a_store_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is in a temporary folder, holds what it should, and is closed and gone after its block."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scripted_server({"POST /v1/embeddings": embeddings}) as server:
        embedder = Embedder(f"{server.url}/v1", "bag", 768)
        with open_store(20, embedder, 5.0, stores.silent) as store:
            assert sorted(store.memory.preferences(USER_ID)) == sorted(facts_of(20))
            assert len(store.memory.retrieve_context("Write a Python function", USER_ID).facts) == 5
            assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_every_stack_asks_its_own_store() -> None:
    """A trial's facts come from the store of its stack's size, and a stack that names no size asks the preferences'."""
    names = ("naive", "optimized", "optimized-6-memories", "optimized-100-memories", "optimized-1000-memories")
    chosen, asked = [STACKS[name] for name in names], settings(stacks=names)
    held = {size: Store(ListMemory(f"store of {size}"), size, 0.1 * size) for size in (6, 100, 1000)}
    with scripted_server({CHAT: valid}) as server, closing(OpenAIModel(f"{server.url}/v1", "scripted")) as model:
        place = Place(Target("url", f"{server.url}/v1", "scripted", "s"), Served(), None)
        longest = longest_messages(chosen, TASKS)
        subject = Subject(place, asked, model, held, Fingerprint({}, {}, {}), longest)
        measurer = subject.measurer({})
        facts = [measurer.measure(PlannedTrial(1, TASKS[0], stack), ()).trial.facts for stack in chosen]
    assert facts == [None, ("store of 6",), ("store of 6",), ("store of 100",), ("store of 1000",)]
    assert subject.seeding == {100: 10.0, 1000: 100.0}


def test_the_history_is_as_long_as_the_stacks_need_it() -> None:
    """Runs without a longer history keep the 18 turns of the file; others have as many as their longest stack tells."""
    assert told_history([STACKS[name] for name in ("naive", "optimized-100-turns", "naive-6-turns")]) == load_history()
    assert len(told_history([STACKS["naive-50-turns"], STACKS["naive-100-turns"]])) == 100


def test_a_stack_tells_its_number_of_turns() -> None:
    """Each of the growing histories is in its prompt whole: system message, so many turns, request."""
    longest = longest_messages([STACKS[f"naive-{turns}-turns"] for turns in (0, 18, 50, 100)], TASKS)
    assert [len(messages) for messages in longest.values()] == [2, 20, 52, 102]


def test_the_longest_prompt_of_a_store_has_its_longest_facts() -> None:
    """Whether prompts fit is looked at with one fact more than retrieval finds, the longest that a store has."""
    (messages,) = longest_messages([STACKS["optimized-1000-memories"]], TASKS).values()
    longest = sorted(map(len, facts_of(1_000)))[-6:]
    block = messages[0].content.partition("[Persistent Context]\n")[2].partition("\n\n")[0]
    assert sorted(len(line.removeprefix("- ")) for line in block.splitlines()) == longest
