"""A double of Ollama: its native and ``/v1`` endpoints, in the shapes of its documentation and source (read, not run here)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.selftest.scripted_server import Response, ScriptedServer, as_json, chat_stream, embeddings, scripted_server

BOTH_MODELS = ("gemma3:4b", "nomic-embed-text:latest")
_DIMENSIONS = 768


@dataclass
class OllamaDouble:
    """The running double.

    ``loaded`` are the models that were preloaded, with the ``keep_alive`` they were given. ``kept_turns`` is how many of the last
    turns fit into its context: the older ones are dropped, with HTTP 200, as Ollama does. ``renders`` says whether it knows
    ``_debug_render_only``. ``most_loaded`` is how many models it keeps loaded: one more puts the oldest out.
    """

    server: ScriptedServer
    models: Sequence[str]
    context_length: int
    answer: str
    loaded: dict[str, Any] = field(default_factory=dict)
    kept_turns: int | None = None
    renders: bool = True
    most_loaded: int = 9

    def tags(self, _: dict[str, Any]) -> Response:
        """The models that are present."""
        return as_json({"models": [_described(name) for name in self.models]})

    def processes(self, _: dict[str, Any]) -> Response:
        """The models that are loaded."""
        running = {"expires_at": "2318-01-01T00:00:00Z", "size_vram": 0, "context_length": self.context_length}
        return as_json({"models": [_described(name) | running for name in self.loaded]})

    def generate(self, body: dict[str, Any]) -> Response:
        """Load a model: a request without a prompt does nothing else."""
        name = _tagged(body["model"])
        if name not in self.models:
            return as_json({"error": f"model '{body['model']}' not found"}, 404)
        self.loaded[name] = body.get("keep_alive")
        for oldest in [*self.loaded][: -self.most_loaded]:
            del self.loaded[oldest]
        return as_json(
            {"model": body["model"], "created_at": "2026-01-01T00:00:00Z", "response": "", "done": True, "done_reason": "load"}
        )

    def chat(self, body: dict[str, Any]) -> Response:
        """Stream the answer, as ``/v1/chat/completions`` does; a prompt token is a character."""
        if _tagged(body["model"]) not in self.models:
            return _not_found(body["model"])
        return chat_stream([self.answer], prompt_tokens=len(self._rendered(body)))

    def render(self, body: dict[str, Any]) -> Response:
        """What ``/api/chat`` answers to ``_debug_render_only``; a version that does not know it answers the chat."""
        answered: dict[str, Any] = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z", "done": True}
        if self.renders and body.get("_debug_render_only"):
            return as_json(answered | {"_debug_info": {"rendered_template": self._rendered(body)}})
        return as_json(answered | {"message": {"role": "assistant", "content": self.answer}})

    def show(self, body: dict[str, Any]) -> Response:
        """What ``/api/show`` tells: the template, and no digest."""
        return as_json({"template": "{{ .Prompt }}", "parameters": "", "details": _described(body["model"])["details"]})

    def _rendered(self, body: dict[str, Any]) -> str:
        system = [message for message in body["messages"] if message["role"] == "system"]
        turns = [message for message in body["messages"] if message["role"] != "system"]
        kept = turns if self.kept_turns is None else turns[-self.kept_turns :]
        return "".join(f"<{message['role']}>{message['content']}\n" for message in [*system, *kept])

    def embed(self, body: dict[str, Any]) -> Response:
        """Embed by words, as ``/v1/embeddings`` does."""
        return embeddings(body, _DIMENSIONS) if _tagged(body["model"]) in self.models else _not_found(body["model"])


@contextlib.contextmanager
def ollama_double(
    models: Sequence[str] = BOTH_MODELS, *, version: str = "0.33.0", context_length: int = 4096, answer: str = ""
) -> Iterator[OllamaDouble]:
    """Serve the double on a free loopback port until the block ends."""
    with scripted_server() as server:
        double = OllamaDouble(server, models, context_length, answer)
        server.routes |= {
            "GET /api/version": lambda _: as_json({"version": version}),
            "GET /api/tags": double.tags,
            "GET /api/ps": double.processes,
            "POST /api/generate": double.generate,
            "POST /api/chat": double.render,
            "POST /api/show": double.show,
            "POST /v1/chat/completions": double.chat,
            "POST /v1/embeddings": double.embed,
        }
        yield double


def _tagged(model: str) -> str:
    return model if ":" in model else f"{model}:latest"


def _not_found(model: str) -> Response:
    error = {"message": f"model '{model}' not found", "type": "not_found_error", "param": None, "code": None}
    return as_json({"error": error}, 404)


def _described(name: str) -> dict[str, Any]:
    details = {"parent_model": "", "format": "gguf", "family": "gemma3", "parameter_size": "4.3B", "quantization_level": "Q4_K_M"}
    return {"name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 1, "digest": "a2af6cc3", "details": details}
