"""What every way to Mem0 shares: its one import, its records read, its faults mapped.

Only this module imports mem0, and only when a store is opened: the import costs about two seconds.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from agent.errors import AgentError, MemoryStoreError
from agent.memory import PREFERENCE, FactChange


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A preference as it is stored; ``changed`` is when it was last written to since it was created, ``None`` for never."""

    id: str
    user_id: str
    text: str
    changed: datetime | None


class Backend(Protocol):
    """The calls of Mem0 that the store makes, in one shape. All are about preferences of exactly one user, but :meth:`add`."""

    def search(self, query: str, user_id: str, most: int) -> list[StoredFact]:
        """The facts nearest to the query, nearest first; those that point away from it may be missing."""
        ...

    def listing(self, user_id: str, most: int | None = None) -> list[StoredFact]:
        """All facts, or any ``most`` of them."""
        ...

    def at_once(self, texts: Sequence[str]) -> contextlib.AbstractContextManager[None]:
        """Do once, and at once, what the calls within the block need for these texts."""
        ...

    def add(self, text: str, user_id: str, metadata: dict[str, str]) -> None:
        """Store a text of any kind as it is."""
        ...

    def replace(self, fact: StoredFact, text: str) -> None:
        """Put the text in the fact's place; Mem0 keeps the history."""
        ...

    def settle(self, texts: Iterable[str], user_id: str) -> None:
        """Return when the facts just written can be found."""
        ...

    def history(self, fact: StoredFact) -> list[FactChange]:
        """What the fact replaced, oldest first."""
        ...

    def explain(self, error: Exception) -> str:
        """What to tell a person about a fault that this backend knows, with what to do next; empty for any other."""
        ...

    def close(self) -> None:
        """Release locks and connections."""
        ...


def import_mem0(folder: Path) -> Any:
    """Import mem0 with telemetry off and its own files in ``folder``: it reads both settings at import."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["MEM0_TELEMETRY"] = "False"
    os.environ["MEM0_DIR"] = str(folder)
    # Mem0 warns of extras that are left out on purpose: with no network they stall the first write.
    # What it logs as an error is raised too.
    logging.getLogger("mem0").setLevel(logging.CRITICAL)
    import mem0
    import mem0.memory.setup

    mem0.memory.setup.mem0_dir = str(folder)
    return mem0


def stored_facts(results: Iterable[Mapping[str, Any]], user_id: str) -> Iterator[StoredFact]:
    """The preferences of exactly this user among Mem0's records."""
    for found in results:
        if found.get("user_id") == user_id and (found.get("metadata") or {}).get("kind") == PREFERENCE:
            updated = found.get("updated_at")
            changed = datetime.fromisoformat(updated) if updated and updated != found.get("created_at") else None
            yield StoredFact(str(found["id"]), user_id, str(found["memory"]), changed)


def replacements(history: Iterable[Mapping[str, Any]]) -> list[FactChange]:
    """What Mem0's history of one fact says about what replaced what."""
    return [
        FactChange(entry["old_memory"], entry["new_memory"], datetime.fromisoformat(entry["updated_at"]))
        for entry in history
        if entry["event"] == "UPDATE"
    ]


@contextlib.contextmanager
def faults_mapped(doing: str, explain: Callable[[Exception], str]) -> Iterator[None]:
    """Mem0 lets through whatever its store, its embedder or its transport raises, so everything is mapped here."""
    try:
        yield
    except AgentError:
        raise
    except Exception as error:
        reason = explain(error) or f"{type(error).__name__}: {error}"
        raise MemoryStoreError(f"Could not {doing}: {reason}") from error
