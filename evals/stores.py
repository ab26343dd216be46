"""Stores: the memories that the stacks of a run ask, each with the preferences of the evals and, in larger ones, further facts."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import MemoryStoreError
from agent.memory import MOST_FACTS, Memory
from agent.stacks import Stack
from agent.targets.embedder import Embedder
from evals.measurer import USER_ID
from evals.progress import clock_time
from fixtures import distractors
from fixtures.data import load_preferences

SEED = 6
"""The seed of the further facts. It is no run's own, so that a store of so many is the same in all runs."""

_BATCH = 500
_TOLD_EVERY = 5.0

Tell = Callable[[str], object]
"""Takes one line for whoever waits."""


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Store:
    """An open memory, and the seconds that it took to store its ``size`` facts, with their embeddings."""

    memory: Memory
    size: int
    seconds: float


def size_of(stack: Stack) -> int:
    """How many facts the memory of a stack holds."""
    return stack.memories or len(load_preferences())


def facts_of(size: int) -> tuple[str, ...]:
    """The facts of a store: the preferences, then further ones of the same user on other topics.

    Raises:
        MemoryStoreError: when it is to hold fewer than the preferences, or these are so few that retrieval cannot choose.
    """
    preferences = tuple(preference.text for preference in load_preferences())
    if len(preferences) <= MOST_FACTS:
        raise MemoryStoreError(f"Only {len(preferences)} preferences for {MOST_FACTS} places in a prompt: retrieval cannot choose.")
    if size < len(preferences):
        raise MemoryStoreError(f"A store holds the {len(preferences)} preferences at least; this one is to hold {size} facts.")
    return (*preferences, *distractors.preferences(size - len(preferences), SEED))


@contextlib.contextmanager
def open_store(size: int, embedder: Embedder, seconds: float, tell: Tell) -> Iterator[Store]:
    """Open a memory in a temporary folder and store so many facts; an embedding may take ``seconds``.

    Raises:
        MemoryStoreError: when it cannot be opened or does not hold what it was given.
    """
    from agent.mem0_store import MemorySettings, open_memory

    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="evals-memory-", ignore_cleanup_errors=True))
        settings = MemorySettings(Path(folder), embedder=embedder, embedding_seconds=seconds)
        memory = opened.enter_context(contextlib.closing(open_memory(settings)))
        yield Store(memory, size, fill(memory, facts_of(size), tell))


def fill(memory: Memory, facts: Sequence[str], tell: Tell) -> float:
    """Store the facts and check that all of them, and nothing else, are there; returns the seconds that storing took.

    Raises:
        MemoryStoreError: when they are not.
    """
    started = time.monotonic()
    _remember_all(memory, facts, tell)
    seconds = time.monotonic() - started
    stored = memory.preferences(USER_ID)
    if sorted(stored) != sorted(facts):
        raise MemoryStoreError(f"Memory was given {len(facts)} facts and holds {len(stored)}, among them {'; '.join(stored[:6])}")
    if len(facts) > len(load_preferences()):
        tell(f"memory: {len(facts):,} facts stored in {seconds:.1f} s")
    return seconds


def _remember_all(memory: Memory, facts: Sequence[str], tell: Tell) -> None:
    started = told = time.monotonic()
    for start in range(0, len(facts), _BATCH):
        memory.remember_all(facts[start : start + _BATCH], USER_ID)
        if (now := time.monotonic()) - told > _TOLD_EVERY:
            told = now
            tell(_progress(min(start + _BATCH, len(facts)), len(facts), now - started))


def _progress(done: int, total: int, seconds: float) -> str:
    left = seconds / done * (total - done)
    return f"memory: {done:,} of {total:,} facts stored, {clock_time(seconds)} elapsed, {clock_time(left)} left"
