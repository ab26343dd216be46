"""Mem0's open-source half, ``mem0.Memory``, on Qdrant: embedded in a folder of this disk, or a server that many share."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from agent.mem0_backend import StoredFact, import_mem0, replacements, stored_facts
from agent.memory import PREFERENCE, FactChange
from agent.targets.embedder import Embedder
from agent.targets.http import is_loopback

SERVER_PREFIX = "local-agent-evals-"
"""What the names of our collections on a Qdrant server begin with: the others there are somebody else's."""

_EVERYTHING = 100_000
_SERVER_SECONDS = 30
_LOCKED = re.compile(r"Storage folder (.+) is already accessed")


class LocalBackend:
    """See :class:`agent.mem0_backend.Backend`. Every call is done when it returns, so nothing has to settle."""

    def __init__(self, folder: Path, embedder: Embedder, embedding_seconds: float, url: str = "", api_key: str = "") -> None:
        client = _server(url, api_key) if url else None
        mem0 = import_mem0(folder)
        with contextlib.ExitStack() as undo:
            if client:
                undo.callback(client.close)
            self._memory = _opened(mem0, _config(folder, embedder, client))
            if client:
                # Mem0 makes an index for the user alone, and a server in strict mode refuses to filter without one.
                client.create_payload_index(self._memory.collection_name, "kind", field_schema="keyword")
            undo.pop_all()
        self._embeddings = _Embeddings(self._memory.embedding_model, embedding_seconds)
        self._memory.embedding_model = self._embeddings

    def search(self, query: str, user_id: str, most: int) -> list[StoredFact]:
        """See :meth:`Backend.search`."""
        # The threshold of 0.1 that Mem0 takes by default drops facts that fit a request only loosely; even at 0.0 it drops those
        # that point away from it, and it takes no lower one.
        found = self._memory.search(query, filters=_scope(user_id), top_k=most, threshold=0.0)
        return list(stored_facts(found["results"], user_id))

    def listing(self, user_id: str, most: int | None = None) -> list[StoredFact]:
        """See :meth:`Backend.listing`."""
        found = self._memory.get_all(filters=_scope(user_id), top_k=most or _EVERYTHING)
        return list(stored_facts(found["results"], user_id))

    def at_once(self, texts: Sequence[str]) -> contextlib.AbstractContextManager[None]:
        """See :meth:`Backend.at_once`: the texts are embedded, once and in one request."""
        return self._embeddings.at_once(texts)

    def add(self, text: str, user_id: str, metadata: dict[str, str]) -> None:
        """See :meth:`Backend.add`."""
        self._memory.add(text, user_id=user_id, metadata=metadata, infer=False)

    def replace(self, fact: StoredFact, text: str) -> None:
        """See :meth:`Backend.replace`."""
        self._memory.update(fact.id, text=text)

    def settle(self, texts: Iterable[str], user_id: str) -> None:
        """See :meth:`Backend.settle`."""

    def history(self, fact: StoredFact) -> list[FactChange]:
        """See :meth:`Backend.history`."""
        known = replacements(self._memory.history(fact.id))
        return known if known or not fact.changed else [FactChange(None, fact.text, fact.changed)]

    def explain(self, error: Exception) -> str:
        """See :meth:`Backend.explain`."""
        return explain(error)

    def close(self) -> None:
        """See :meth:`Backend.close`."""
        self._memory.close()
        # Memory.close leaves Qdrant's lock in place.
        self._memory.vector_store.client.close()
        self._embeddings.close()
        self._memory.llm.client.close()

    def elsewhere(self) -> dict[str, list[str]]:
        """The preferences of every user in other embedders' collections, if the collection of this one is still empty.

        Each embedder has a collection of its own, and a change of embedder must not look like a loss of memory.
        """
        vectors = self._memory.vector_store
        if vectors.client.count(vectors.collection_name).count:
            return {}
        prefix = SERVER_PREFIX if vectors.collection_name.startswith(SERVER_PREFIX) else ""
        names = (collection.name for collection in vectors.client.get_collections().collections)
        return self._standing([self._preferences_in(name) for name in names if name.startswith(prefix)])

    def forget(self, user_ids: Iterable[str]) -> None:
        """Remove what this embedder's collection holds of these users."""
        from qdrant_client.models import FieldCondition, Filter, MatchAny

        theirs = Filter(must=[FieldCondition(key="user_id", match=MatchAny(any=list(user_ids)))])
        self._memory.vector_store.client.delete(self._memory.collection_name, points_selector=theirs)

    def _preferences_in(self, collection: str) -> list[StoredFact]:
        points, _ = self._memory.vector_store.client.scroll(collection, limit=_EVERYTHING)
        found: list[StoredFact] = []
        for point in points:
            record = point.payload | {"id": point.id, "memory": point.payload.get("data"), "metadata": point.payload}
            found += stored_facts([record], record.get("user_id", ""))
        return found

    def _standing(self, collections: Sequence[Sequence[StoredFact]]) -> dict[str, list[str]]:
        """The texts by user, without those that were replaced in another collection: an embedder of long ago still has them."""
        replaced = [
            {(fact.user_id, change.old) for fact in facts if fact.changed for change in self.history(fact)} for facts in collections
        ]
        standing: defaultdict[str, list[str]] = defaultdict(list)
        for place, facts in enumerate(collections):
            elsewhere = set[tuple[str, str | None]]().union(*replaced[:place], *replaced[place + 1 :])
            for fact in facts:
                if (fact.user_id, fact.text) not in elsewhere:
                    standing[fact.user_id].append(fact.text)
        return standing


def explain(error: Exception) -> str:
    """What to tell a person about a fault of Qdrant; empty for any other, such as the embedder's."""
    if locked := _LOCKED.search(str(error)):
        return (
            f"another process has it open and holds the lock {Path(locked[1]) / '.lock'}. Next: wait until that ends, choose"
            " another folder with --memory-dir DIR, or share a Qdrant server with --memory qdrant=URL"
        )
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        said = " ".join(error.content.decode(errors="replace").split())[:300]
        answered = f"the Qdrant server answered HTTP {error.status_code}: {said or error.reason_phrase}"
        refused = error.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        return f"{answered}. Next: set QDRANT_API_KEY to a key that may read and write" if refused else answered
    if isinstance(error, ResponseHandlingException):
        return f"the Qdrant server does not answer: {error.source}. Next: start it, or check --memory qdrant=URL"
    return ""


class _Embeddings:
    """Mem0's embedder, asked with a deadline, and once for texts that are known to come."""

    def __init__(self, model: Any, seconds: float) -> None:
        # A hung embedder is waited for three times ten minutes by default, and a retry would hide in a look-up's time; for the
        # connections see agent/model.py.
        model.client = model.client.with_options(timeout=seconds, max_retries=0, default_headers={"Connection": "close"})
        self._model = model
        self._known: dict[str, list[float]] = {}

    @contextlib.contextmanager
    def at_once(self, texts: Sequence[str]) -> Iterator[None]:
        """Embed the texts in one request; within the block, each is embedded already."""
        self._known = dict(zip(texts, self._model.embed_batch(texts), strict=True))
        try:
            yield
        finally:
            self._known = {}  # a look-up is measured, and has to embed

    def embed(self, text: str, memory_action: str | None = None) -> Any:
        return self._known.get(text) or self._model.embed(text, memory_action)

    def close(self) -> None:
        self._model.client.close()


def _server(url: str, api_key: str) -> Any:
    from qdrant_client import QdrantClient

    with warnings.catch_warnings():
        if is_loopback(url):
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
        # The check of versions is a thread that asks once more and prints a warning.
        return QdrantClient(url=url, api_key=api_key or None, timeout=_SERVER_SECONDS, check_compatibility=False)


def _opened(mem0: Any, config: dict[str, Any]) -> Any:
    from qdrant_client.http.exceptions import UnexpectedResponse

    try:
        return mem0.Memory.from_config(config)
    except UnexpectedResponse as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise
        # Another process made the collection between our look for it and our making it.
        return mem0.Memory.from_config(config)


def _scope(user_id: str) -> dict[str, Any]:
    return {"user_id": user_id, "kind": PREFERENCE}


def _config(folder: Path, embedder: Embedder, client: Any) -> dict[str, Any]:
    # Vectors of different embedders cannot share a collection.
    collection = re.sub(r"[^\w.-]+", "-", f"{embedder.model}-{embedder.dimensions}")
    return {
        "vector_store": {
            "provider": "qdrant",
            "config": {
                "client": client,
                # Mem0 insists on a path, and leaves it alone where it is given a client.
                "path": str(folder / "qdrant"),
                "on_disk": True,
                "collection_name": f"{SERVER_PREFIX}{collection}" if client else collection,
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
