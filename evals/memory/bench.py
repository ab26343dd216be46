"""The bench of the memory evals: the target, its embedder, and stores in folders that are gone when they are closed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.mem0_store import Mem0Store, MemorySettings, open_memory
from agent.model import OpenAIModel
from agent.targets.embedder import Embedder
from agent.targets.target import Target, open_embedder, shield_loopback_from_proxies
from evals.measurer import USER_ID
from evals.memory.report import Told
from evals.opening import open_served
from evals.settings import Settings
from evals.subject import open_model
from fixtures.data import load_preferences


@dataclass(frozen=True, slots=True)
class Bench:
    """Where memory is evaluated. ``say`` shows a line while an eval goes on, ``tell`` puts what it found into the summary."""

    target: Target
    embedder: Embedder
    settings: Settings
    say: Callable[[str], None]
    tell: Callable[[Told], None]

    @contextlib.contextmanager
    def store(self) -> Iterator[Mem0Store]:
        """An empty store in a folder of its own.

        Raises:
            MemoryStoreError: when it cannot be opened.
        """
        with self.folder() as folder, self.opened(folder) as store:
            yield store

    def opened(self, folder: Path) -> contextlib.closing[Mem0Store]:
        """The store in ``folder``, which is closed again and stays there.

        Raises:
            MemoryStoreError: when it cannot be opened.
        """
        seconds = self.settings.embedding_seconds
        return contextlib.closing(open_memory(MemorySettings(folder, embedder=self.embedder, embedding_seconds=seconds)))

    @contextlib.contextmanager
    def taught(self) -> Iterator[Mem0Store]:
        """A store in which the user of the evals has the six preferences.

        Raises:
            MemoryStoreError: when it cannot be opened.
        """
        with self.store() as store:
            store.remember_all([preference.text for preference in load_preferences()], USER_ID)
            yield store

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder that is removed again."""
        with tempfile.TemporaryDirectory(prefix="evals-memory-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def model(self) -> OpenAIModel:
        """The target's model; close it, or use it in a ``with`` block."""
        return open_model(self.settings, self.target)


@contextlib.contextmanager
def open_bench(settings: Settings, say: Callable[[str], None], tell: Callable[[Told], None]) -> Iterator[Bench]:
    """Open the target and its embedder.

    Raises:
        TargetError: when one of them is not there, saying what to run next.
    """
    shield_loopback_from_proxies()
    with contextlib.ExitStack() as opened:
        target, _ = opened.enter_context(open_served(settings.target, settings.model, settings))
        embedder = opened.enter_context(open_embedder(target, settings.embedder))
        yield Bench(target, embedder, settings, say, tell)
