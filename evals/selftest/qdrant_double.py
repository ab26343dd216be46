"""A double of a Qdrant server: the REST calls that Mem0 makes through ``qdrant_client``, answered by that package's own engine in
memory.

So the client's HTTP, its models and its errors are real, and filters and similarities are those of embedded Qdrant. A real server
was never called.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_jsonable_python
from qdrant_client import QdrantClient
from qdrant_client.http import models

from evals.selftest.scripted_server import Response, ScriptedServer, as_json, scripted_server

_COLLECTION = re.compile(r"(GET|PUT|POST) /collections/([^/?]+)(/[a-z/]+)?(?:\?.*)?")


@dataclass
class QdrantDouble:
    """The running double; it refuses whoever sends another key than ``api_key``. Its engine is entered by one request at a time."""

    server: ScriptedServer
    engine: QdrantClient
    api_key: str | None = None
    entered: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, route: str, body: dict[str, Any]) -> Response | None:
        """What a server says to one request; ``None`` for a route that it does not have."""
        if self.api_key is not None and self.server.api_keys[-1] != self.api_key:
            return as_json({"status": {"error": "Invalid API key or JWT"}, "time": 0.0}, 401)
        with self.entered:
            if route == "GET /collections":
                return _result(self.engine.get_collections())
            if not (named := _COLLECTION.fullmatch(route)):
                return None
            known = _CALLS.get(f"{named[1]} {named[3] or ''}".rstrip())
            return _result(known(self.engine, named[2], body)) if known else None


@contextlib.contextmanager
def qdrant_double(api_key: str | None = None) -> Iterator[QdrantDouble]:
    """Serve an empty Qdrant on a free loopback port until the block ends."""
    with scripted_server() as server, contextlib.closing(QdrantClient(":memory:")) as engine:
        double = QdrantDouble(server, engine, api_key)
        server.others = double.answer
        yield double


def _create(engine: QdrantClient, name: str, body: dict[str, Any]) -> bool:
    wanted = models.CreateCollection(**body)
    return engine.create_collection(name, wanted.vectors, wanted.sparse_vectors)


def _query(engine: QdrantClient, name: str, body: dict[str, Any]) -> models.QueryResponse:
    wanted = models.QueryRequest(**body)
    return engine.query_points(name, wanted.query, query_filter=wanted.filter, limit=wanted.limit or 10)


def _scroll(engine: QdrantClient, name: str, body: dict[str, Any]) -> models.ScrollResult:
    wanted = models.ScrollRequest(**body)
    points, following = engine.scroll(name, wanted.filter, wanted.limit or 10, offset=wanted.offset)
    return models.ScrollResult(points=points, next_page_offset=following)


_CALLS: dict[str, Callable[[QdrantClient, str, dict[str, Any]], Any]] = {
    "GET": lambda engine, name, _: engine.get_collection(name),
    "PUT": _create,
    "PUT /index": lambda *_: models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED),
    "PUT /points": lambda engine, name, body: engine.upsert(name, models.PointsList(**body).points),
    "POST /points": lambda engine, name, body: engine.retrieve(name, models.PointRequest(**body).ids),
    "POST /points/query": _query,
    "POST /points/scroll": _scroll,
    "POST /points/count": lambda engine, name, _: engine.count(name),
}


def _result(result: Any) -> Response:
    return as_json({"result": to_jsonable_python(result, exclude_none=True), "status": "ok", "time": 0.0})
