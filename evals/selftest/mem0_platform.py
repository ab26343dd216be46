"""A double of Mem0's platform: the endpoints that ``mem0.MemoryClient`` calls, in the shapes of its source and documentation.

It stores what it is sent and searches by shared words. The real platform was never called.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from evals.selftest.scripted_server import Response, ScriptedServer, as_json, scripted_server

ADD, SEARCH, PING = "POST /v3/memories/add/", "POST /v3/memories/search/", "GET /v1/ping/"
MOST_PAGES = 9


@dataclass
class Platform:
    """The running double. ``page_size`` caps what one page lists, ``ignores_filters`` makes it hand out everybody's memories."""

    server: ScriptedServer
    page_size: int = 2
    ignores_filters: bool = False
    memories: list[dict[str, Any]] = field(default_factory=list)

    def add(self, body: dict[str, Any]) -> Response:
        """Store the messages and answer that they are being worked on."""
        for message in body["messages"]:
            entry = {"id": f"memory-{len(self.memories)}", "memory": message["content"]}
            self.memories.append(entry | {"user_id": body["user_id"], "metadata": body.get("metadata")})
        return as_json({"event_id": f"event-{len(self.memories)}", "status": "PENDING", "message": "processing"})

    def search(self, body: dict[str, Any]) -> Response:
        """The memories in scope, those with most words of the query first."""
        words = set(body["query"].lower().split())
        found = sorted(self._in_scope(body), key=lambda entry: -len(words & set(entry["memory"].lower().split())))
        return as_json({"results": [entry | {"score": 0.5} for entry in found[: body["top_k"]]]})

    def page(self, number: int, body: dict[str, Any]) -> Response:
        """One page of the memories in scope."""
        found, start = self._in_scope(body), (number - 1) * self.page_size
        more = len(found) > start + self.page_size
        following = f"{self.server.url}/v3/memories/?page={number + 1}" if more else None
        results = found[start : start + self.page_size]
        return as_json({"count": len(found), "next": following, "previous": None, "results": results})

    def _in_scope(self, body: dict[str, Any]) -> list[dict[str, Any]]:
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
        for number in range(1, MOST_PAGES + 1):
            route = f"POST /v3/memories/?page={number}&page_size=100"
            server.routes[route] = lambda body, number=number: platform.page(number, body)  # type: ignore[misc]
        yield platform


def _fits(entry: dict[str, Any], condition: dict[str, Any]) -> bool:
    ((name, value),) = condition.items()
    if name == "metadata":
        return bool(value.items() <= (entry["metadata"] or {}).items())
    return bool(entry[name] == value)
