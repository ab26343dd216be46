"""The scripted server of the benchmarks, in a process of its own: its work must not slow down what is measured."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from evals.selftest.scripted_server import Response, Step, as_json, chat_chunk, embeddings, event, scripted_server, usage_chunk

ANSWER = json.dumps({"code": "export const sum = (a, b) => a + b;\n", "language": "js", "file_path": "a.js", "explanation": "Sum."})
PIECES = 25
CHUNKS = PIECES + 3
"""Chunks of an answer: the role, the pieces, the finish reason and the usage."""


@contextlib.contextmanager
def known_server() -> Iterator[str]:
    """Serve a valid answer in :data:`CHUNKS` chunks; yields the server's URL.

    The answer begins at once, or after the milliseconds that the last message names as ``delay=N``. The usage chunk has the
    server's own time to its first text where llama.cpp has it, in ``timings.prompt_ms``.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join()


def _serve(connection: Connection) -> None:
    with scripted_server(keeps_requests=False) as server:

        def chat(body: dict[str, Any]) -> Response:
            # Requests come one after the other, each on a connection of its own.
            return Response(_steps(body, server.accepted), content_type="text/event-stream")

        server.routes |= {
            "GET /v1/models": lambda _: as_json({"data": [{"id": "known"}]}),
            "POST /v1/embeddings": embeddings,
            "POST /v1/chat/completions": chat,
        }
        connection.send(server.url)
        connection.recv()


def _steps(body: dict[str, Any], accepted: float) -> Iterator[Step]:
    yield event(chat_chunk({"role": "assistant", "content": ""}))
    last = body["messages"][-1]["content"]
    if last.startswith("delay="):
        yield int(last.removeprefix("delay=")) / 1000
    took = time.perf_counter() - accepted
    size = -(-len(ANSWER) // PIECES)
    for start in range(0, len(ANSWER), size):
        yield event(chat_chunk({"content": ANSWER[start : start + size]}))
    yield event(chat_chunk({}, "stop"))
    prompt_tokens = sum(len(message["content"]) for message in body["messages"])
    yield event({**usage_chunk(prompt_tokens, PIECES), "timings": {"prompt_ms": took * 1000}})
    yield b"data: [DONE]\n\n"
