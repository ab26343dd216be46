"""Memory in Mem0: the store, whichever of Mem0's halves is behind it, and how one is chosen and opened."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from agent import mem0_local, mem0_platform
from agent.corrections import corrected
from agent.errors import SettingsError
from agent.mem0_backend import Backend, faults_mapped
from agent.mem0_local import LocalBackend
from agent.mem0_platform import PlatformBackend
from agent.memory import MOST_FACTS, PREFERENCE, TRACE, Context, FactChange
from agent.targets.embedder import Embedder
from agent.targets.http import checked_url, without_password

MOST_CHARACTERS = 500
"""What one embedding is made of at most: MiniLM takes 512 tokens, and a character is never more than one."""

_USER_ID = re.compile(r"[\w.@+-]{1,128}")
_BATCH = 64
_NEAREST = 20
"""How many of the nearest facts are looked through for one of the same words, or for one that a new fact corrects."""
_MOST_LISTED = 100
"""How many facts are listed at most to fill up a context: beyond that, which of those that do not fit are taken is open."""


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Which store to open.

    ``local`` needs ``folder``, outside of which nothing is written, and ``embedder``, whose longest answer may take
    ``embedding_seconds``. ``qdrant`` needs the same and the URL of a Qdrant server as ``host``, with an ``api_key`` where that
    asks for one; ``folder`` then holds the history alone. ``platform`` needs ``api_key`` (``MEM0_API_KEY``); ``host`` is for a
    server other than Mem0's own, ``folder`` only holds Mem0's own settings, and what was written may take ``visible_seconds`` until
    it is found.
    """

    folder: Path
    backend: Literal["local", "qdrant", "platform"] = "local"
    embedder: Embedder | None = None
    api_key: str = field(default="", repr=False)
    host: str = ""
    embedding_seconds: float = 60.0
    visible_seconds: float = 30.0


def memory_settings(choice: str, folder: Path) -> MemorySettings:
    """The settings for ``local``, ``platform`` or ``qdrant=URL``, with the key that the environment holds, without an embedder.

    Raises:
        SettingsError: when ``choice`` is something else, or the URL holds a password.
    """
    name, equals, url = choice.partition("=")
    if choice == "local":
        return MemorySettings(folder)
    if choice == "platform":
        return MemorySettings(folder, "platform", api_key=os.environ.get("MEM0_API_KEY", ""))
    if name == "qdrant" and equals:
        url = checked_url(url, "--memory is qdrant=URL with a URL", key="QDRANT_API_KEY", error=SettingsError)
        return MemorySettings(folder, "qdrant", api_key=os.environ.get("QDRANT_API_KEY", ""), host=url)
    given = without_password(choice)
    raise SettingsError(f"--memory is local, platform or qdrant=URL, for example qdrant=http://127.0.0.1:6333; this is {given!r}.")


def open_memory(settings: MemorySettings) -> Mem0Store:
    """Open the store that ``settings`` names. Close it again to release its lock.

    Raises:
        MemoryStoreError: when the store is locked by another process, unreachable or damaged.
        SettingsError: when a setting that the backend needs is missing.
    """
    if settings.backend == "platform":
        return _open_platform(settings)
    return _open_local(settings)


class Mem0Store:
    """Memory on any backend; see :class:`agent.memory.Memory` for its methods."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def retrieve_context(self, query: str, user_id: str) -> Context:
        """See :meth:`agent.memory.Memory.retrieve_context`."""
        started = time.perf_counter()
        user_id = _checked(user_id)
        with faults_mapped("search memory", self._backend.explain):
            facts = [fact.text for fact in self._backend.search(query.strip()[:MOST_CHARACTERS], user_id, MOST_FACTS)]
            if len(facts) < MOST_FACTS:
                listed = sorted(fact.text for fact in self._backend.listing(user_id, _MOST_LISTED))
                facts += [fact for fact in listed if fact not in facts]
        return Context(tuple(sorted(facts[:MOST_FACTS])), time.perf_counter() - started)

    def preferences(self, user_id: str) -> tuple[str, ...]:
        """See :meth:`agent.memory.Memory.preferences`."""
        with faults_mapped("list memory", self._backend.explain):
            return tuple(sorted(fact.text for fact in self._backend.listing(_checked(user_id))))

    def remember(self, fact: str, user_id: str) -> FactChange | None:
        """See :meth:`agent.memory.Memory.remember`.

        Raises:
            SettingsError: for an empty fact, or one of more than :data:`MOST_CHARACTERS` characters.
        """
        words, user_id = _checked_fact(fact), _checked(user_id)
        with faults_mapped("write memory", self._backend.explain), self._backend.at_once([words]):
            near = self._backend.search(words, user_id, _NEAREST)
            texts = [known.text for known in near]
            if words in texts:
                return None
            if old := corrected(words, texts):
                self._backend.replace(near[texts.index(old)], words)
            else:
                self._backend.add(words, user_id, {"kind": PREFERENCE})
            self._backend.settle([words], user_id)
        return FactChange(old, words, datetime.now(UTC)) if old else None

    def remember_all(self, facts: Sequence[str], user_id: str) -> int:
        """See :meth:`agent.memory.Memory.remember_all`.

        Raises:
            SettingsError: for an empty fact, or one of more than :data:`MOST_CHARACTERS` characters; nothing is stored then.
        """
        known = set(self.preferences(user_id))
        new = [fact for fact in dict.fromkeys(map(_checked_fact, facts)) if fact not in known]
        with faults_mapped("write memory", self._backend.explain):
            for start in range(0, len(new), _BATCH):
                batch = new[start : start + _BATCH]
                with self._backend.at_once(batch):
                    for fact in batch:
                        self._backend.add(fact, user_id, {"kind": PREFERENCE})
            self._backend.settle(new, user_id)
        return len(new)

    def changes(self, user_id: str) -> tuple[FactChange, ...]:
        """See :meth:`agent.memory.Memory.changes`."""
        with faults_mapped("read the history of memory", self._backend.explain):
            changed = [fact for fact in self._backend.listing(_checked(user_id)) if fact.changed]
            found = [change for fact in changed for change in self._backend.history(fact)]
        return tuple(sorted(found, key=lambda change: change.when))

    def write_back(self, task: str, reply: str, user_id: str) -> None:
        """See :meth:`agent.memory.Memory.write_back`. The task is what is embedded; the reply travels in the metadata."""
        with faults_mapped("write memory", self._backend.explain):
            self._backend.add(task[:MOST_CHARACTERS], _checked(user_id), {"kind": TRACE, "reply": reply})

    def close(self) -> None:
        """See :meth:`agent.memory.Memory.close`."""
        self._backend.close()


def _open_local(settings: MemorySettings) -> Mem0Store:
    if settings.embedder is None:
        raise SettingsError(f"The {settings.backend} memory needs an embedder; pass one with --embedder URL#MODEL.")
    server = settings.backend == "qdrant"
    where = f"memory on the Qdrant server {settings.host}" if server else f"the local memory in {settings.folder}"
    with contextlib.ExitStack() as undo:
        with faults_mapped(f"open {where}", mem0_local.explain):
            backend = LocalBackend(
                settings.folder,
                settings.embedder,
                settings.embedding_seconds,
                url=settings.host if server else "",
                api_key=settings.api_key if server else "",
            )
            # Without this, a fault here would leave the lock in place.
            undo.callback(backend.close)
            store, elsewhere = Mem0Store(backend), backend.elsewhere()
        try:
            for user_id, facts in elsewhere.items():
                store.remember_all(facts, user_id)
        except BaseException:
            # A collection that holds anything counts as carried over, so half of it would stay half.
            with contextlib.suppress(Exception):
                backend.forget(elsewhere)
            raise
        undo.pop_all()
    return store


def _open_platform(settings: MemorySettings) -> Mem0Store:
    if not settings.api_key:
        raise SettingsError("The platform memory needs a key: set MEM0_API_KEY.")
    with faults_mapped(f"open the platform memory in {settings.folder}", mem0_platform.explain):
        return Mem0Store(PlatformBackend(settings.folder, settings.api_key, settings.host, settings.visible_seconds))


def _checked(user_id: str) -> str:
    # Mem0 trims ids and reads "*" as every user.
    if not _USER_ID.fullmatch(user_id):
        raise SettingsError(f"A user id has 1 to 128 letters, digits or . _ @ + -; this is {user_id!r}.")
    return user_id


def _checked_fact(fact: str) -> str:
    words = fact.strip()
    if not words or len(words) > MOST_CHARACTERS:
        raise SettingsError(f"A fact has 1 to {MOST_CHARACTERS} characters; this one has {len(words)}.")
    return words
