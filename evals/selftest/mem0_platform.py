"""A double of Mem0's platform: the endpoints that ``mem0.MemoryClient`` calls, in the shapes of its source and documentation.

It stores what it is sent and searches by shared words. The real platform was never called.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evals.selftest.scripted_server import Response, ScriptedServer, as_json, scripted_server

ADD, SEARCH, PING = "POST /v3/memories/add/", "POST /v3/memories/search/", "GET /v1/ping/"

_PAGE = re.compile(r"POST /v3/memories/\?page=(\d+)&page_size=(\d+)")
_MEMORY = re.compile(r"(PUT|GET) /v1/memories/([^/]+)/(history/)?")


@dataclass
class Platform:
    """The running double. ``page_size`` caps what one page lists, ``ignores_filters`` makes it hand out everybody's memories, and
    what is written is found only by the reads after the next ``lag``.
    """

    server: ScriptedServer
    page_size: int = 2
    ignores_filters: bool = False
    lag: int = 0
    memories: list[dict[str, Any]] = field(default_factory=list)
    pending: list[dict[str, Any]] = field(default_factory=list)
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    waited: int = 0

    def add(self, body: dict[str, Any]) -> Response:
        """Take the messages and answer that they are being worked on."""
        for message in body["messages"]:
            identity, now = f"memory-{len(self.histories)}", datetime.now(UTC).isoformat()
            entry = {"id": identity, "memory": message["content"], "user_id": body["user_id"], "metadata": body.get("metadata")}
            self.pending.append(entry | {"created_at": now, "updated_at": now})
            self._record(identity, body["user_id"], None, message["content"])
        self.waited = 0
        return as_json({"event_id": f"event-{len(self.histories)}", "status": "PENDING", "message": "processing"})

    def search(self, body: dict[str, Any]) -> Response:
        """The memories in scope, those with most words of the query first."""
        words = set(body["query"].lower().split())
        found = sorted(self._in_scope(body), key=lambda entry: -len(words & set(entry["memory"].lower().split())))
        return as_json({"results": [entry | {"score": 0.5} for entry in found[: body["top_k"]]]})

    def other(self, route: str, body: dict[str, Any]) -> Response | None:
        """A page of the memories in scope, or one memory's update or history."""
        if paged := _PAGE.fullmatch(route):
            return self._page(int(paged[1]), min(int(paged[2]), self.page_size), body)
        if not (named := _MEMORY.fullmatch(route)):
            return None
        method, identity, history = named.groups()
        if history:
            return as_json(self.histories[identity])
        entry = next(entry for entry in self.memories if entry["id"] == identity)
        if method == "PUT":
            self._record(identity, entry["user_id"], entry["memory"], body["text"])
            entry |= {"memory": body["text"], "metadata": body["metadata"], "updated_at": datetime.now(UTC).isoformat()}
        return as_json({**entry, "text": entry["memory"]})

    def _page(self, number: int, size: int, body: dict[str, Any]) -> Response:
        found, start = self._in_scope(body), (number - 1) * size
        following = f"{self.server.url}/v3/memories/?page={number + 1}" if len(found) > start + size else None
        return as_json({"count": len(found), "next": following, "previous": None, "results": found[start : start + size]})

    def _record(self, identity: str, user_id: str, old: str | None, new: str) -> None:
        now = datetime.now(UTC).isoformat()
        entry: dict[str, Any] = {
            "id": f"change-{identity}-{old}",
            "memory_id": identity,
            "input": [{"role": "user", "content": new}],
        }
        entry |= {"old_memory": old, "new_memory": new, "user_id": user_id, "event": "UPDATE" if old else "ADD"}
        self.histories.setdefault(identity, []).append(entry | {"created_at": now, "updated_at": now, "metadata": {}})

    def _in_scope(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        if self.waited >= self.lag:
            self.memories += self.pending
            self.pending = []
        self.waited += 1
        if self.ignores_filters:
            return list(self.memories)
        return [entry for entry in self.memories if all(_fits(entry, condition) for condition in body["filters"]["AND"])]


@contextlib.contextmanager
def mem0_platform() -> Iterator[Platform]:
    """Serve an empty platform on a free loopback port until the block ends."""
    with scripted_server() as server:
        platform = Platform(server)
        server.routes |= {
            PING: lambda _: as_json({"status": "ok", "org_id": "o", "project_id": "p", "user_email": "me@example.com"})
        }
        server.routes |= {ADD: platform.add, SEARCH: platform.search}
        server.others = platform.other
        yield platform


def _fits(entry: dict[str, Any], condition: dict[str, Any]) -> bool:
    ((name, value),) = condition.items()
    if name == "metadata":
        return bool(value.items() <= (entry["metadata"] or {}).items())
    return bool(entry[name] == value)
