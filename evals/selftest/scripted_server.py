"""A scripted server: real HTTP on loopback whose every byte and pause a test decides.

It stands in for a server only where a fault or a known ground truth is wanted. It is no model.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Step = bytes | float | None
"""Bytes are sent as one HTTP chunk, a float is a pause in seconds, ``None`` drops the connection."""


@dataclass(frozen=True)
class Response:
    """One scripted answer: a pause, then status and ``headers``, then the steps of its body."""

    steps: Iterable[Step] = ()
    status: int = 200
    content_type: str = "application/json"
    pause_before_headers: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


Route = Callable[[dict[str, Any]], Response]
OtherRoute = Callable[[str, dict[str, Any]], Response | None]


@dataclass
class ScriptedServer:
    """A running server: its URL, its routes (``"POST /v1/chat/completions"`` to a function of the request's body), ``others`` for
    the routes that are not among these (``None`` for one that is not there either), and every request it has got, as
    ``(route, body)``, with their ``Authorization`` and ``api-key`` headers, over ``connections`` connections, the last of
    which was ``accepted`` at that moment of :func:`time.perf_counter`.
    """

    url: str
    routes: dict[str, Route] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    api_keys: list[str | None] = field(default_factory=list)
    others: OtherRoute = lambda route, body: None
    connections: int = 0
    accepted: float = 0.0
    keeps_requests: bool = True

    def bodies(self, route: str) -> list[dict[str, Any]]:
        """The bodies of the requests to one route, in order."""
        return [body for asked, body in self.requests if asked == route]


@contextlib.contextmanager
def scripted_server(routes: dict[str, Route] | None = None, *, keeps_requests: bool = True) -> Iterator[ScriptedServer]:
    """Serve ``routes`` on a free loopback port until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        server.script = ScriptedServer(url, routes or {}, keeps_requests=keeps_requests)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server.script
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A loopback port that refuses every connection: it is bound, so nobody else gets it, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@contextlib.contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """Answer every connection with these bytes, HTTP or not, then hang up; yields the URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def as_json(value: Any, status: int = 200) -> Response:
    """A plain JSON answer."""
    return Response([json.dumps(value).encode()], status=status)


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chat_stream(
    pieces: Iterable[str],
    *,
    prompt_tokens: int = 10,
    cached_tokens: int | None = None,
    finish_reason: str | None = "stop",
    usage: bool = True,
    first_pause: float = 0.0,
    pause: float = 0.0,
) -> Response:
    """A streamed chat answer in the shape that Ollama and llama.cpp send: a role chunk, the pieces, finish, usage, ``[DONE]``.

    ``first_pause`` stands before the first piece and ``pause`` before each later one, in seconds. Every piece counts as one
    completion token.
    """
    texts = list(pieces)
    steps: list[Step] = [event(chat_chunk({"role": "assistant", "content": ""}))]
    for index, text in enumerate(texts):
        steps += [first_pause if index == 0 else pause, event(chat_chunk({"content": text}))]
    if finish_reason is not None:
        steps.append(event(chat_chunk({}, finish_reason)))
    if usage:
        steps.append(event(usage_chunk(prompt_tokens, len(texts), cached_tokens)))
    steps.append(b"data: [DONE]\n\n")
    return Response(steps, content_type="text/event-stream")


def embeddings(body: dict[str, Any], dimensions: int = 768) -> Response:
    """Embeddings that depend on the text's words alone: a hashed bag of words."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = [{"object": "embedding", "index": i, "embedding": _bag(text, dimensions)} for i, text in enumerate(texts)]
    return as_json({"object": "list", "model": body["model"], "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})


def chat_chunk(delta: dict[str, Any], finish_reason: Any = None) -> dict[str, Any]:
    """One chunk of a streamed chat answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [choice]}


def usage_chunk(prompt_tokens: int, completion_tokens: int, cached_tokens: int | None = None) -> dict[str, Any]:
    """The last chunk of a stream: no choices, and the token counts."""
    usage: dict[str, Any] = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    if cached_tokens is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached_tokens}
    return {**chat_chunk({}), "choices": [], "usage": usage}


def _bag(text: str, dimensions: int) -> list[float]:
    vector = [0.01] * dimensions
    # Texts that share equally many words would tie, and rounding, which differs from process to process, would choose among them.
    vector[0] += int.from_bytes(hashlib.sha256(text.encode()).digest()[:2]) / 2**16
    for word in text.lower().split():
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % dimensions] += 1.0
    return vector


class _Server(ThreadingHTTPServer):
    script: ScriptedServer
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is part of many scripts."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        self.server.script.accepted = time.perf_counter()
        super().setup()
        self.server.script.connections += 1

    def do_GET(self) -> None:
        self._answer({})

    def do_PUT(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._answer(json.loads(self.rfile.read(length) or b"{}"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output clean."""

    def _answer(self, body: dict[str, Any]) -> None:
        route = f"{self.command} {self.path}"
        if self.server.script.keeps_requests:
            self.server.script.requests.append((route, body))
            self.server.script.authorizations.append(self.headers.get("Authorization"))
            self.server.script.api_keys.append(self.headers.get("api-key"))
        known = self.server.script.routes.get(route)
        answer = known(body) if known else self.server.script.others(route, body)
        self._send(answer or as_json({"error": {"message": f"no route {route}"}}, 404))

    def _send(self, response: Response) -> None:
        time.sleep(response.pause_before_headers)
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for step in response.steps:
            if step is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if isinstance(step, bytes):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step))
            else:
                time.sleep(step)
        self.wfile.write(b"0\r\n\r\n")
