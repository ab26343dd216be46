"""A double of a Qdrant server: the REST calls that Mem0 makes through ``qdrant_client``, answered by that package's own engine in
memory.

So the client's HTTP, its models and its errors are real, and filters and similarities are those of embedded Qdrant. A real server
was never called.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

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
            named = _COLLECTION.fullmatch(route)
            return self._of_collection(named[1], named[2], named[3] or "", body) if named else None

    def _of_collection(self, method: str, name: str, what: str, body: dict[str, Any]) -> Response | None:
        engine = self.engine
        if f"{method} {what}" == "GET ":
            return _result(engine.get_collection(name))
        if f"{method} {what}" == "PUT ":
            wanted = models.CreateCollection(**body)
            return as_json({"result": engine.create_collection(name, wanted.vectors, wanted.sparse_vectors)})
        if what == "/index":
            return _result(models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED))
        if what == "/points/query":
            query = models.QueryRequest(**body)
            return _result(engine.query_points(name, query.query, query_filter=query.filter, limit=query.limit or 10))
        if what == "/points/scroll":
            page = models.ScrollRequest(**body)
            points, following = engine.scroll(name, page.filter, page.limit or 10, offset=page.offset)
            return _result(models.ScrollResult(points=points, next_page_offset=following))
        if what == "/points/count":
            return _result(engine.count(name))
        return self._points(method, name, body) if what == "/points" else None

    def _points(self, method: str, name: str, body: dict[str, Any]) -> Response:
        if method == "PUT":
            return _result(self.engine.upsert(name, models.PointsList(**body).points))
        wanted = models.PointRequest(**body)
        found = self.engine.retrieve(name, wanted.ids, with_payload=True)
        return as_json({"result": [point.model_dump(mode="json") for point in found]})


@contextlib.contextmanager
def qdrant_double(api_key: str | None = None) -> Iterator[QdrantDouble]:
    """Serve an empty Qdrant on a free loopback port until the block ends."""
    with scripted_server() as server, contextlib.closing(QdrantClient(":memory:")) as engine:
        double = QdrantDouble(server, engine, api_key)
        server.others = double.answer
        yield double


def _result(model: Any) -> Response:
    return as_json({"result": model.model_dump(mode="json", exclude_none=True), "status": "ok", "time": 0.0})
