"""Mem0's platform: ``mem0.MemoryClient``, in the shapes of its source and its documented API.

The platform takes a fact and answers that it is pending. A read may not see it yet, so a write here ends when a search does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from agent.errors import MemoryStoreError
from agent.mem0_backend import StoredFact, import_mem0, replacements, stored_facts
from agent.memory import PREFERENCE, FactChange

_PAGE = 100
_NEAREST = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class PlatformBackend:
    """See :class:`agent.mem0_backend.Backend`."""

    def __init__(self, folder: Path, api_key: str, host: str, visible_seconds: float) -> None:
        client = import_mem0(folder).MemoryClient
        self._client = client(api_key=api_key, **({"host": host} if host else {}))
        self._visible_seconds = visible_seconds

    def search(self, query: str, user_id: str, most: int) -> list[StoredFact]:
        """See :meth:`Backend.search`."""
        found = self._client.search(query, filters=_scope(user_id), top_k=most, threshold=0.0)
        return list(stored_facts(found["results"], user_id))

    def listing(self, user_id: str, most: int | None = None) -> list[StoredFact]:
        """See :meth:`Backend.listing`."""
        return list(islice(stored_facts(self._pages(user_id), user_id), most))

    def at_once(self, texts: Sequence[str]) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002 - see below
        """See :meth:`Backend.at_once`: the platform embeds, and takes one text at a time."""
        return contextlib.nullcontext()

    def add(self, text: str, user_id: str, metadata: dict[str, str]) -> None:
        """See :meth:`Backend.add`."""
        self._client.add(text, user_id=user_id, metadata=metadata, infer=False)

    def replace(self, fact: StoredFact, text: str) -> None:
        """See :meth:`Backend.replace`."""
        # Whether an update keeps metadata that it is not sent is not documented.
        self._client.update(fact.id, text=text, metadata={"kind": PREFERENCE})

    def settle(self, texts: Iterable[str], user_id: str) -> None:
        """See :meth:`Backend.settle`.

        Raises:
            MemoryStoreError: when one cannot be found in time.
        """
        deadline, pause = time.monotonic() + self._visible_seconds, _FIRST_PAUSE
        for text in texts:
            while all(fact.text != text for fact in self.search(text, user_id, _NEAREST)):
                if time.monotonic() > deadline:
                    raise MemoryStoreError(
                        f"Mem0's platform took {text!r}, and a search does not find it after {self._visible_seconds:g} s; it may"
                        " come later. Next: python -m agent --memories --memory platform, before you store it again"
                    )
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def history(self, fact: StoredFact) -> list[FactChange]:
        """See :meth:`Backend.history`."""
        return replacements(entry for entry in self._client.history(fact.id) if entry["user_id"] == fact.user_id)

    def explain(self, error: Exception) -> str:
        """See :meth:`Backend.explain`."""
        return explain(error)

    def close(self) -> None:
        """See :meth:`Backend.close`."""
        self._client.client.close()

    def _pages(self, user_id: str) -> Iterator[Any]:
        page = 1
        while True:
            answer = self._client.get_all(filters=_scope(user_id), page=page, page_size=_PAGE)
            yield from answer["results"]
            if not answer.get("next"):
                return
            page += 1


def explain(error: Exception) -> str:
    """What to tell a person about a key that the platform refuses, or about its limit; empty for any other fault."""
    known: dict[str, Any] = getattr(error, "debug_info", None) or {}
    # The first call, which tries the key, raises a plain ValueError on top of the transport's error.
    status = known.get("status_code") or getattr(getattr(error.__context__, "response", None), "status_code", None)
    if status in (401, 403):
        return f"Mem0's platform refuses the key ({error}). Next: set MEM0_API_KEY to a key that it knows"
    if status == 429:
        seconds = known.get("retry_after")
        wait = f"wait {seconds} s" if seconds else "wait a while"
        return f"Mem0's platform has had enough requests for now ({error}). Next: {wait}, then run the same command again"
    return ""


def _scope(user_id: str) -> dict[str, Any]:
    return {"AND": [{"user_id": user_id}, {"metadata": {"kind": PREFERENCE}}]}
