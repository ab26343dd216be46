"""The subject of a run: an agent with its model and its seeded memory on an open target, checked and fingerprinted.

The agent is the one that this process imports. In an A/B session that may be another commit's: see ``arm_process.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.errors import SettingsError
from agent.loop import Agent
from agent.memory import MOST_FACTS, Memory
from agent.model import OpenAIModel, Timeouts
from agent.prompts import Message, build_messages
from agent.stacks import HISTORY_CONTEXTS, HISTORY_TURNS, STACKS, Stack
from agent.targets.embedder import Embedder
from agent.targets.target import Target
from evals.fingerprint import Fingerprint, Inputs, fingerprint
from evals.measurer import AgentMeasurer
from evals.messages import MessageStore
from evals.observer import ObservedModel
from evals.schedule import choose_tasks
from evals.served import Served
from evals.settings import Settings
from evals.stores import SEED, Store, Tell, facts_of, open_store, silent, size_of
from evals.truncation import TruncationWatch, check_context, remedy
from fixtures import history
from fixtures.data import Task, load_preferences


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent is measured: the target, what it serves, and what embeds (``None`` where no stack asks memory)."""

    target: Target
    served: Served
    embedder: Embedder | None


@dataclass(frozen=True, slots=True)
class Subject:
    """An agent that is ready to be measured. ``stores`` are the memories that its stacks ask, by how many facts they hold, and
    ``longest`` are the longest first messages of every stack.
    """

    place: Place
    settings: Settings
    model: OpenAIModel
    stores: Mapping[int, Store]
    fingerprint: Fingerprint
    longest: Mapping[Stack, tuple[Message, ...]]

    @property
    def seeding(self) -> dict[int, float]:
        """The seconds that seeding took, for every store that holds more than the preferences."""
        return {size: store.seconds for size, store in self.stores.items() if size > len(load_preferences())}

    def check_context(self) -> None:
        """Warm up, and see whether the server takes the longest prompts whole.

        Raises:
            TargetError: when it does not.
        """
        check_context(self.model, self.place.target, self.place.served, self.settings.sampling, self.longest)

    def measurer(self, known: Mapping[str, Message]) -> AgentMeasurer:
        """What measures the agent; the messages ``known`` are not handed out again."""
        target, served = self.place.target, self.place.served
        observed = ObservedModel(self.model, TruncationWatch(served.context_length, remedy(target, served)))
        turns = told_history(tuple(self.longest))
        agents = {stack.name: Agent(observed, self._memory_of(stack), turns, read_only=True) for stack in self.longest}
        return AgentMeasurer(self.settings, agents, observed, MessageStore(dict(known)))

    def _memory_of(self, stack: Stack) -> Memory | None:
        store = self.stores.get(size_of(stack))
        return None if store is None else store.memory


@contextlib.contextmanager
def open_subject(settings: Settings, place: Place, tell: Tell = silent) -> Iterator[Subject]:
    """Open the memories, seeded, and the model, and take the fingerprint.

    Raises:
        AgentError: when anything is not there or not fit, saying what to run next.
    """
    stacks, tasks = stacks_of(settings), choose_tasks(settings.tasks)
    with contextlib.ExitStack() as opened:
        stores = _stores(stacks, place.embedder, settings, opened, tell)
        model = opened.enter_context(open_model(settings, place.target))
        marks = fingerprint(place.target, place.served, place.embedder, _inputs(settings, stacks, tasks))
        yield Subject(place, settings, model, stores, marks, longest_messages(stacks, tasks))


def open_model(settings: Settings, target: Target) -> OpenAIModel:
    """The model, as a run calls it."""
    timeouts = Timeouts(read=settings.deadline, deadline=settings.deadline)
    return OpenAIModel(target.base_url, target.model, api_key=target.api_key, timeouts=timeouts)


def stacks_of(settings: Settings) -> tuple[Stack, ...]:
    """The stacks of a run, as this process's agent has them.

    Raises:
        SettingsError: when it does not have one.
    """
    if missing := [name for name in settings.stacks if name not in STACKS]:
        raise SettingsError(f"There is no stack {', '.join(missing)}; there are: {', '.join(STACKS)}")
    return tuple(STACKS[name] for name in settings.stacks)


def told_history(stacks: Sequence[Stack]) -> tuple[Message, ...]:
    """The history that the agent is given: as long as the stacks need it, and at least the 18 turns."""
    needed = [stack.turns for stack in stacks if stack.context in HISTORY_CONTEXTS]
    return history.long_history(max(needed, default=0))


def longest_messages(stacks: Sequence[Stack], tasks: Sequence[Task]) -> Mapping[Stack, tuple[Message, ...]]:
    """For every stack the first messages with the longest request and, where it has memory, one fact more than retrieval finds at
    most: all preferences, or the longest facts of a memory that holds more.
    """
    turns, request = told_history(stacks), max((task.request for task in tasks), key=len)
    return {stack: build_messages(stack, request, history=turns, facts=_longest_facts(stack)) for stack in stacks}


def _longest_facts(stack: Stack) -> list[str]:
    return sorted(facts_of(size_of(stack)), key=len, reverse=True)[: MOST_FACTS + 1]


def _sizes(stacks: Sequence[Stack]) -> list[int]:
    """How many facts the memories hold that the stacks ask."""
    return sorted({size_of(stack) for stack in stacks if stack.asks_memory})


def _inputs(settings: Settings, stacks: Sequence[Stack], tasks: Sequence[Task]) -> Inputs:
    preferences, turns = load_preferences(), told_history(stacks)
    stores = {size: facts_of(size) for size in _sizes(stacks) if size > len(preferences)}
    seeds = {"history": history.SEED} if len(turns) > HISTORY_TURNS else {}
    seeds |= {"stores": SEED} if stores else {}
    return Inputs(stacks, tasks, turns, preferences, settings.sampling, settings.seed, stores, seeds)


def _stores(
    stacks: Sequence[Stack], embedder: Embedder | None, settings: Settings, opened: contextlib.ExitStack, tell: Tell
) -> dict[int, Store]:
    """The memories that the stacks ask, seeded, the small ones first."""
    if embedder is None:
        return {}
    return {size: opened.enter_context(open_store(size, embedder, settings.embedding_seconds, tell)) for size in _sizes(stacks)}
