"""Memory in Mem0: ``local`` (``mem0.Memory`` on an embedded Qdrant folder) or ``platform`` (``mem0.MemoryClient``).

Only this module imports mem0, and only when a store is opened: the import costs about two seconds.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agent.errors import AgentError, MemoryStoreError, SettingsError
from agent.memory import MOST_FACTS, PREFERENCE, TRACE, Context
from agent.targets.embedder import Embedder

MOST_CHARACTERS = 500
"""What one embedding is made of at most: MiniLM takes 512 tokens, and a character is never more than one."""

_USER_ID = re.compile(r"[\w.@+-]{1,128}")
_PAGE = 100
_EVERYTHING = 100_000


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Which store to open.

    ``local`` needs ``folder``, outside of which nothing is written, and ``embedder``, whose longest answer may take
    ``embedding_seconds``. ``platform`` needs ``api_key`` (``MEM0_API_KEY``); ``host`` is for a server other than Mem0's own, and
    ``folder`` then only holds Mem0's own settings.
    """

    folder: Path
    backend: Literal["local", "platform"] = "local"
    embedder: Embedder | None = None
    api_key: str = field(default="", repr=False)
    host: str = ""
    embedding_seconds: float = 60.0


def open_memory(settings: MemorySettings) -> Mem0Store:
    """Open the store that ``settings`` names. Close it again to release its lock.

    Raises:
        MemoryStoreError: when the store is locked by another process, unreachable or damaged.
        SettingsError: when a setting that the backend needs is missing.
    """
    with _faults_mapped(f"open the {settings.backend} memory in {settings.folder}"):
        return _open_platform(settings) if settings.backend == "platform" else _open_local(settings)


class Mem0Store:
    """Either backend, behind the calls and shapes that both share; see :class:`agent.memory.Memory` for its methods."""

    def __init__(
        self, client: Any, scope: Callable[[str], dict[str, Any]], all_of: Callable[[str], Any], close: Callable[[], None]
    ) -> None:
        self._client = client
        self._scope = scope
        self._all_of = all_of
        self._close = close

    def retrieve_context(self, query: str, user_id: str) -> Context:
        """See :meth:`agent.memory.Memory.retrieve_context`."""
        started = time.perf_counter()
        scope = self._scope(_checked(user_id))
        with _faults_mapped("search memory"):
            # The threshold of 0.1 that Mem0 takes by default drops facts that fit a request only loosely.
            found = self._client.search(query.strip()[:MOST_CHARACTERS], filters=scope, top_k=MOST_FACTS, threshold=0.0)
            facts = _facts(found["results"], user_id)
        if len(facts) < MOST_FACTS:
            # Even at 0.0 it drops those that point away from the request, and takes no lower threshold.
            facts += [fact for fact in self.preferences(user_id) if fact not in facts]
        return Context(tuple(sorted(facts[:MOST_FACTS])), time.perf_counter() - started)

    def preferences(self, user_id: str) -> tuple[str, ...]:
        """See :meth:`agent.memory.Memory.preferences`."""
        with _faults_mapped("list memory"):
            return tuple(sorted(_facts(self._all_of(_checked(user_id)), user_id)))

    def remember(self, fact: str, user_id: str) -> None:
        """See :meth:`agent.memory.Memory.remember`.

        Raises:
            SettingsError: for an empty fact, or one of more than :data:`MOST_CHARACTERS` characters.
        """
        words = fact.strip()
        if not words or len(words) > MOST_CHARACTERS:
            raise SettingsError(f"A fact has 1 to {MOST_CHARACTERS} characters; this one has {len(words)}.")
        if words not in self.preferences(user_id):
            self._add(words, user_id, {"kind": PREFERENCE})

    def write_back(self, task: str, reply: str, user_id: str) -> None:
        """See :meth:`agent.memory.Memory.write_back`. The task is what is embedded; the reply travels in the metadata."""
        self._add(task[:MOST_CHARACTERS], user_id, {"kind": TRACE, "reply": reply})

    def close(self) -> None:
        """See :meth:`agent.memory.Memory.close`."""
        self._close()

    def _add(self, text: str, user_id: str, metadata: dict[str, str]) -> None:
        with _faults_mapped("write memory"):
            self._client.add(text, user_id=_checked(user_id), metadata=metadata, infer=False)


def _open_local(settings: MemorySettings) -> Mem0Store:
    if settings.embedder is None:
        raise SettingsError("The local memory needs an embedder; pass one with --embedder URL#MODEL.")
    memory = _import_mem0(settings.folder).Memory.from_config(_local_config(settings.folder, settings.embedder))
    # A hung embedder is waited for three times ten minutes by default, and a retry would hide in a look-up's time; for the
    # connections see agent/model.py.
    memory.embedding_model.client = memory.embedding_model.client.with_options(
        timeout=settings.embedding_seconds, max_retries=0, default_headers={"Connection": "close"}
    )

    def scope(user_id: str) -> dict[str, Any]:
        return {"user_id": user_id, "kind": PREFERENCE}

    def all_of(user_id: str) -> Any:
        return memory.get_all(filters=scope(user_id), top_k=_EVERYTHING)["results"]

    def close() -> None:
        memory.close()
        # Memory.close leaves Qdrant's lock in place.
        memory.vector_store.client.close()
        memory.embedding_model.client.close()
        memory.llm.client.close()

    store = Mem0Store(memory, scope, all_of, close)
    with contextlib.ExitStack() as undo:
        # Without this, a fault here would leave the lock in place.
        undo.callback(close)
        _carry_over(memory.vector_store, store)
        undo.pop_all()
    return store


def _carry_over(vectors: Any, store: Mem0Store) -> None:
    """Bring the preferences of other embedders' collections into a collection that is still empty.

    Each embedder has a collection of its own, and a change of embedder must not look like a loss of memory.
    """
    if vectors.client.count(vectors.collection_name).count:
        return
    for collection in vectors.client.get_collections().collections:
        if collection.name != vectors.collection_name:
            points, _ = vectors.client.scroll(collection.name, limit=_EVERYTHING)
            for point in points:
                if point.payload.get("kind") == PREFERENCE:
                    store.remember(point.payload["data"], point.payload["user_id"])


def _open_platform(settings: MemorySettings) -> Mem0Store:
    if not settings.api_key:
        raise SettingsError("The platform memory needs a key: set MEM0_API_KEY.")
    mem0 = _import_mem0(settings.folder)
    client = mem0.MemoryClient(api_key=settings.api_key, **({"host": settings.host} if settings.host else {}))

    def scope(user_id: str) -> dict[str, Any]:
        return {"AND": [{"user_id": user_id}, {"metadata": {"kind": PREFERENCE}}]}

    def all_of(user_id: str) -> Iterator[Any]:
        page = 1
        while True:
            answer = client.get_all(filters=scope(user_id), page=page, page_size=_PAGE)
            yield from answer["results"]
            if not answer.get("next"):
                return
            page += 1

    return Mem0Store(client, scope, all_of, client.client.close)


def _import_mem0(folder: Path) -> Any:
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


def _local_config(folder: Path, embedder: Embedder) -> dict[str, Any]:
    # Vectors of different embedders cannot share a collection.
    collection = re.sub(r"[^\w.-]+", "-", f"{embedder.model}-{embedder.dimensions}")
    return {
        "vector_store": {
            "provider": "qdrant",
            "config": {
                "path": str(folder / "qdrant"),
                "on_disk": True,
                "collection_name": collection,
                "embedding_model_dims": embedder.dimensions,
            },
        },
        "embedder": {
            "provider": "lmstudio",
            "config": {
                "lmstudio_base_url": embedder.base_url,
                "model": embedder.model,
                "embedding_dims": embedder.dimensions,
                "api_key": embedder.api_key or "none",
            },
        },
        # Never called, since every fact is stored as it is; left out, Mem0 asks for an OpenAI key.
        "llm": {"provider": "lmstudio"},
        "history_db_path": str(folder / "history.db"),
    }


def _checked(user_id: str) -> str:
    # Mem0 trims ids and reads "*" as every user.
    if not _USER_ID.fullmatch(user_id):
        raise SettingsError(f"A user id has 1 to 128 letters, digits or . _ @ + -; this is {user_id!r}.")
    return user_id


def _facts(results: Any, user_id: str) -> list[str]:
    return [
        str(found["memory"])
        for found in results
        if found.get("user_id") == user_id and (found.get("metadata") or {}).get("kind") == PREFERENCE
    ]


@contextlib.contextmanager
def _faults_mapped(doing: str) -> Iterator[None]:
    """Mem0 lets through whatever its store, its embedder or its transport raises, so everything is mapped here."""
    try:
        yield
    except AgentError:
        raise
    except Exception as error:
        if "already accessed" in str(error):
            raise MemoryStoreError(
                f"Could not {doing}: another process has it open. Wait until that one ends, or choose another folder."
            ) from error
        raise MemoryStoreError(f"Could not {doing}: {type(error).__name__}: {error}") from error
