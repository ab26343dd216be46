"""Choosing and opening a target by what the user asked for: ``auto``, ``ollama``, ``embedded`` or a URL."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from agent.errors import TargetError
from agent.targets import ollama
from agent.targets.embedder import Embedder
from agent.targets.http import checked_url, fetch_json

Kind = Literal["ollama", "embedded", "url"]


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is there and has the model.

    ``context_length`` is in tokens, ``None`` where the server does not say. ``note`` is one line about how the target was
    chosen, empty when it was asked for by name; ``disclaimer`` is what must stand beside its numbers; ``model_file`` is what the
    embedded engine serves.
    """

    kind: Kind
    base_url: str
    model: str
    server: str
    context_length: int | None = None
    note: str = ""
    disclaimer: str = ""
    model_file: Path | None = None
    api_key: str = field(default="", repr=False)

    def __str__(self) -> str:
        """One line for people."""
        where = "" if self.kind == "embedded" else f" at {self.base_url}"
        return f"{self.model} on {self.server}{where}"


@contextlib.contextmanager
def open_target(choice: str = "auto", model: str | None = None, *, embedder: str | None = None) -> Iterator[Target]:
    """Open the target that ``choice`` names and keep it open for the block.

    ``auto`` takes Ollama where it answers and has the model (and the embedding model, unless ``embedder`` names another), and
    otherwise the embedded engine, which it also takes for a model that only that can serve. A target asked for by name that is not
    there is an error, never a fallback.

    Raises:
        TargetError: saying what was tried and what to run next.
    """
    if choice == "auto":
        with _open_auto(model, embedder) as target:
            yield target
    elif choice == "ollama":
        yield _ollama(model, embedder)
    elif choice == "embedded":
        with _open_embedded(model) as target:
            yield target
    else:
        yield _url(choice, model)


@contextlib.contextmanager
def open_embedder(target: Target, spec: str | None = None) -> Iterator[Embedder]:
    """Open what embeds memory's texts: the server that ``spec`` (``URL#MODEL``) names; else Ollama's own for an Ollama target;
    else MiniLM on the embedded engine.

    Raises:
        TargetError: when it is not there.
    """
    if spec is not None:
        yield _embedder_at(spec)
    elif target.kind == "ollama":
        digest = ollama.digest(ollama.base_url(), ollama.EMBEDDING_MODEL)
        yield Embedder(target.base_url, ollama.EMBEDDING_MODEL, ollama.EMBEDDING_DIMENSIONS, digest=digest)
    else:
        from agent.targets import embedded

        with embedded.serve_embedder() as embedder:
            yield embedder


def shield_loopback_from_proxies() -> None:
    """Have every HTTP client of this process reach loopback directly, whatever proxy is set for the outside world."""
    for variable in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(variable, "").split(",") if host]
        os.environ[variable] = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost", "::1"]))


@contextlib.contextmanager
def _open_auto(model: str | None, embedder: str | None) -> Iterator[Target]:
    from agent.targets import embedded

    if model == embedded.MODEL_NAME or (model or "").endswith(".gguf"):
        with _open_embedded(model) as target:
            yield target
        return
    try:
        on_ollama = _ollama(model, embedder)
    except TargetError as missing:
        note = f"auto: {missing}. Running {embedded.MODEL_NAME} on the embedded engine instead"
        with _open_embedded(None, note) as target:
            yield target
    else:
        yield on_ollama


def _ollama(model: str | None, embedder: str | None) -> Target:
    url = ollama.base_url()
    name = model or ollama.DEFAULT_MODEL
    version = ollama.check(url, (name,) if embedder else (name, ollama.EMBEDDING_MODEL))
    return Target("ollama", f"{url}/v1", name, f"Ollama {version}")


@contextlib.contextmanager
def _open_embedded(model: str | None, note: str = "") -> Iterator[Target]:
    from agent.targets import embedded, engine

    name, file = embedded.model_file(model)
    disclaimer = embedded.DISCLAIMER if name == embedded.MODEL_NAME else ""
    with engine.serve(file, name=name, context_length=embedded.CONTEXT_LENGTH) as url:
        yield Target("embedded", url, name, embedded.server_name(), embedded.CONTEXT_LENGTH, note, disclaimer, file)


def _url(choice: str, model: str | None) -> Target:
    url = checked_url(choice, "--target (EVALS_TARGET) is auto, ollama, embedded or a URL")
    api_key = _api_key()
    served = _served_models(url, api_key)
    if model is None and len(served) == 1:
        model = served[0]
    if model not in served:
        raise TargetError(
            f"{url} does not serve {model or 'a single model'}; it serves {', '.join(served) or 'none'}."
            f" Next: name one of them with --model (EVALS_MODEL)"
        )
    return Target("url", url, model, urlsplit(url).netloc, api_key=api_key)


def _served_models(url: str, api_key: str) -> list[str]:
    try:
        answer = fetch_json(f"{url}/models", api_key=api_key)
        return [str(model["id"]) for model in answer["data"]]
    except TargetError as error:
        raise TargetError(
            f"No OpenAI-compatible server answers: {error}."
            f" Next: start it, or check --target (EVALS_TARGET), which usually ends in /v1"
        ) from error
    except (LookupError, TypeError) as error:
        raise TargetError(f"{url}/models does not list models as an OpenAI-compatible server does. Next: check --target") from error


def split_embedder(spec: str) -> tuple[str, str]:
    """URL and model of ``URL#MODEL``.

    Raises:
        TargetError: when it is not that, or when the URL holds a password or a query string.
    """
    address, separator, model = spec.partition("#")
    if not (address and separator and model):
        raise TargetError(f"--embedder is URL#MODEL, for example http://127.0.0.1:8080/v1#nomic-embed-text; this is {spec!r}.")
    return checked_url(address, "--embedder is URL#MODEL with a URL"), model


def _embedder_at(spec: str) -> Embedder:
    url, model = split_embedder(spec)
    api_key = _api_key()
    try:
        answer = fetch_json(f"{url}/embeddings", {"model": model, "input": ["dimensions"]}, timeout=60.0, api_key=api_key)
        vector = answer["data"][0]["embedding"]
    except TargetError as error:
        raise TargetError(f"The embedder does not answer: {error}. Next: start it, or check --embedder") from error
    except (LookupError, TypeError):
        vector = None
    if not isinstance(vector, list) or not vector:
        raise TargetError(f"{url}/embeddings does not answer with embeddings. Next: check --embedder")
    return Embedder(url, model, len(vector), api_key)


def _api_key() -> str:
    # Never OPENAI_API_KEY: a key for another service must not reach a server that happens to be named here.
    key = os.environ.get("EVALS_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise TargetError("EVALS_API_KEY holds characters that no HTTP header can carry.")
    return key
