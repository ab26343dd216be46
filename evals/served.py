"""What serves the model: which file of weights, on what server, with how long a context. Asked of the server, never guessed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from agent.errors import TargetError
from agent.prompts import Message
from agent.targets import ollama
from agent.targets.http import fetch_json
from agent.targets.target import Target


@dataclass(frozen=True, slots=True)
class Served:
    """The model as its server describes it; ``None`` is what a server does not tell.

    ``kind`` is the kind of server (``ollama``, ``llama.cpp``, ``vllm`` or ``unknown``). ``digest`` and ``template_hash`` are
    SHA-256 in hexadecimal digits, ``context_length`` is in tokens, and ``gpu_share`` is the part of the model in video memory.
    """

    kind: str = "unknown"
    version: str | None = None
    digest: str | None = None
    parameter_size: str | None = None
    quantization: str | None = None
    template_hash: str | None = None
    context_length: int | None = None
    gpu_share: float | None = None


def describe(target: Target) -> Served:
    """Ask the target's server what it serves; on Ollama this loads the model first.

    Raises:
        TargetError: when Ollama, asked for by name, does not answer.
    """
    root = server_root(target.base_url)
    if target.kind == "ollama":
        ollama.preload(root, target.model)
        return _ollama(root, target.model)
    for look in (_llama_cpp, _ollama_by_url, _vllm):
        with contextlib.suppress(TargetError, LookupError, TypeError, AttributeError):
            return look(root, target)
    return Served()


def rendered_prompt(target: Target, served: Served, messages: Sequence[Message]) -> str:
    """The prompt that the server makes of the messages; empty where it cannot be asked."""
    root, turns = server_root(target.base_url), [message.to_dict() for message in messages]
    with contextlib.suppress(TargetError, LookupError, TypeError):
        if served.kind == "ollama":
            return ollama.render(root, target.model, turns)
        if served.kind == "llama.cpp":
            return str(fetch_json(f"{root}/apply-template", {"messages": turns}, api_key=target.api_key)["prompt"])
    return ""


def server_root(base_url: str) -> str:
    """The URL of the server itself: the base URL without the ``/v1`` of the OpenAI-compatible part."""
    return base_url.rstrip("/").removesuffix("/v1")


def public_url(url: str) -> str:
    """The URL without what may be secret: user, password, query and fragment.

    Raises:
        ValueError: when it is no URL.
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _ollama(root: str, model: str) -> Served:
    loaded = ollama.describe(root, model)
    return Served(
        kind="ollama",
        version=_ollama_version(root),
        digest=loaded.digest,
        parameter_size=loaded.parameter_size,
        quantization=loaded.quantization,
        template_hash=None if loaded.template is None else hash_of(loaded.template),
        context_length=loaded.context_length,
        gpu_share=loaded.gpu_share,
    )


def _ollama_by_url(root: str, target: Target) -> Served:
    # Another server must not be asked to load a model.
    _ollama_version(root)
    ollama.preload(root, target.model, keep_alive=None)
    return _ollama(root, target.model)


def _ollama_version(root: str) -> str:
    return str(fetch_json(f"{root}/api/version")["version"])


def _llama_cpp(root: str, target: Target) -> Served:
    """llama.cpp's server, by ``/props`` and its part ``meta`` of ``/v1/models``."""
    props = fetch_json(f"{root}/props", api_key=target.api_key)
    meta = _model_entry(target).get("meta") or {}
    embedded = target.kind == "embedded"
    return Served(
        kind="llama.cpp",
        version=f"xllamacpp {version('xllamacpp')}" if embedded else str(props["build_info"]),
        digest=_file_hash(target.model_file) if target.model_file else None,
        parameter_size=None if meta.get("n_params") is None else str(meta["n_params"]),
        quantization=props.get("model_ftype") or meta.get("ftype"),
        template_hash=hash_of(str(props["chat_template"])),
        context_length=int(props["default_generation_settings"]["n_ctx"]),
    )


def _vllm(root: str, target: Target) -> Served:
    entry = _model_entry(target)
    return Served(
        kind="vllm",
        version=str(fetch_json(f"{root}/version", api_key=target.api_key)["version"]),
        context_length=int(entry["max_model_len"]),
    )


def _model_entry(target: Target) -> dict[str, Any]:
    models = fetch_json(f"{target.base_url}/models", api_key=target.api_key)["data"]
    return next((model for model in models if model.get("id") == target.model), {})


def hash_of(text: str) -> str:
    """SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _file_hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
