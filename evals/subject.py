"""The subject of a run: an agent with its model and its seeded memory on an open target, checked and fingerprinted.

The agent is the one that this process imports. In an A/B session that may be another commit's: see ``arm_process.py``.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import MemoryStoreError, SettingsError
from agent.loop import Agent
from agent.memory import MOST_FACTS, Memory
from agent.model import OpenAIModel, Timeouts
from agent.prompts import Message, build_messages
from agent.stacks import STACKS, Stack
from agent.targets.embedder import Embedder
from agent.targets.target import Target
from evals.fingerprint import Fingerprint, Inputs, fingerprint
from evals.measurer import USER_ID, AgentMeasurer
from evals.messages import MessageStore
from evals.observer import ObservedModel
from evals.schedule import choose_tasks
from evals.served import Served
from evals.settings import Settings
from evals.truncation import TruncationWatch, check_context, remedy
from fixtures.data import Preference, Task, load_history, load_preferences


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent is measured: the target, what it serves, and what embeds (``None`` where no stack asks memory)."""

    target: Target
    served: Served
    embedder: Embedder | None


@dataclass(frozen=True, slots=True)
class Subject:
    """An agent that is ready to be measured. ``longest`` are the longest first messages of every stack."""

    place: Place
    settings: Settings
    model: OpenAIModel
    memory: Memory | None
    fingerprint: Fingerprint
    longest: Mapping[Stack, tuple[Message, ...]]

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
        agent = Agent(observed, self.memory, load_history(), read_only=True)
        return AgentMeasurer(self.settings, agent, observed, MessageStore(dict(known)))


@contextlib.contextmanager
def open_subject(settings: Settings, place: Place) -> Iterator[Subject]:
    """Open memory, seeded, and the model, and take the fingerprint.

    Raises:
        AgentError: when anything is not there or not fit, saying what to run next.
    """
    stacks, tasks = stacks_of(settings), choose_tasks(settings.tasks)
    timeouts = Timeouts(read=settings.deadline, deadline=settings.deadline)
    target = place.target
    with contextlib.ExitStack() as opened:
        memory = _memory(place.embedder, settings, opened)
        model = opened.enter_context(OpenAIModel(target.base_url, target.model, api_key=target.api_key, timeouts=timeouts))
        inputs = Inputs(stacks, tasks, load_history(), load_preferences(), settings.sampling, settings.seed)
        marks = fingerprint(target, place.served, place.embedder, inputs)
        yield Subject(place, settings, model, memory, marks, longest_messages(stacks, tasks))


def stacks_of(settings: Settings) -> tuple[Stack, ...]:
    """The stacks of a run, as this process's agent has them.

    Raises:
        SettingsError: when it does not have one.
    """
    if missing := [name for name in settings.stacks if name not in STACKS]:
        raise SettingsError(f"There is no stack {', '.join(missing)}; there are: {', '.join(STACKS)}")
    return tuple(STACKS[name] for name in settings.stacks)


def seed_memory(memory: Memory, preferences: Sequence[Preference]) -> None:
    """Store the preferences and check that all of them, and nothing else, are there.

    Raises:
        MemoryStoreError: when they are not, or when there are so few that retrieval would have nothing to choose.
    """
    if len(preferences) <= MOST_FACTS:
        raise MemoryStoreError(f"Only {len(preferences)} preferences for {MOST_FACTS} places in a prompt: retrieval cannot choose.")
    memory.remember_all([preference.text for preference in preferences], USER_ID)
    stored = memory.preferences(USER_ID)
    if sorted(stored) != sorted(preference.text for preference in preferences):
        raise MemoryStoreError(f"Memory was given {len(preferences)} preferences and holds {len(stored)}: {'; '.join(stored)}")


def longest_messages(stacks: Sequence[Stack], tasks: Sequence[Task]) -> Mapping[Stack, tuple[Message, ...]]:
    """For every stack the first messages with the longest request and, where it has memory, all preferences."""
    facts, history = [preference.text for preference in load_preferences()], load_history()
    request = max((task.request for task in tasks), key=len)
    return {stack: build_messages(stack, request, history=history, facts=facts) for stack in stacks}


def _memory(embedder: Embedder | None, settings: Settings, opened: contextlib.ExitStack) -> Memory | None:
    """Memory with its preferences, where a stack asks it."""
    if embedder is None:
        return None
    from agent.mem0_store import MemorySettings, open_memory

    folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="evals-memory-", ignore_cleanup_errors=True))
    memory_settings = MemorySettings(Path(folder), embedder=embedder, embedding_seconds=min(60.0, settings.deadline))
    memory = opened.enter_context(contextlib.closing(open_memory(memory_settings)))
    seed_memory(memory, load_preferences())
    return memory
