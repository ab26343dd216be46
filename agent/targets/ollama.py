"""Ollama, by its native endpoints: is it there, has it the models, how long is the context it loaded?

Shapes as in Ollama's API documentation and source (read, not run here).
"""

from __future__ import annotations

import os
import re
from typing import Any

from agent.errors import TargetError
from agent.targets.http import fetch_json

DEFAULT_MODEL = "gemma3:4b"
EMBEDDING_MODEL = "nomic-embed-text"
EMBEDDING_DIMENSIONS = 768
OLDEST_VERSION = (0, 5, 0)
"""The first version that constrains decoding by a JSON schema."""

_LOAD_SECONDS = 300.0


def base_url() -> str:
    """Where Ollama listens: ``OLLAMA_HOST`` as Ollama itself reads it, or its default, ``http://127.0.0.1:11434``."""
    host = os.environ.get("OLLAMA_HOST", "").strip().rstrip("/")
    if not host:
        return "http://127.0.0.1:11434"
    scheme, separator, rest = host.rpartition("://")
    name, _, port = rest.partition(":")
    # 0.0.0.0 is where a server listens, not where a client connects.
    name = "127.0.0.1" if name in ("", "0.0.0.0") else name  # noqa: S104
    return f"{scheme if separator else 'http'}://{name}:{port or '11434'}"


def check(url: str, models: tuple[str, ...]) -> str:
    """Check that Ollama answers, is new enough and has every model; return its version.

    Raises:
        TargetError: naming what is missing and the commands to get it.
    """
    version = str(_answer(url, "/api/version").get("version", ""))
    if _parsed(version) < OLDEST_VERSION:
        raise TargetError(f"Ollama {version} at {url} is older than {_dotted(OLDEST_VERSION)}. Next: update Ollama.")
    present = {str(model.get("name")) for model in _answer(url, "/api/tags").get("models", [])}
    missing = [model for model in models if _tagged(model) not in present]
    if missing:
        commands = " && ".join(f"ollama pull {model}" for model in missing)
        raise TargetError(f"Ollama at {url} does not have {' or '.join(missing)}. Next: {commands}")
    return version


def preload(url: str, model: str) -> int | None:
    """Load the model for good and return the context length it was loaded with, in tokens; ``None`` when not reported.

    Raises:
        TargetError: when the model cannot be loaded.
    """
    fetch_json(f"{url}/api/generate", {"model": model, "keep_alive": -1}, timeout=_LOAD_SECONDS)
    loaded = _answer(url, "/api/ps").get("models", [])
    lengths = [entry.get("context_length") for entry in loaded if entry.get("name") == _tagged(model)]
    return lengths[0] if lengths else None


def _answer(url: str, path: str) -> dict[str, Any]:
    try:
        answer = fetch_json(url + path)
    except TargetError as error:
        raise TargetError(
            f"Ollama does not answer ({error})."
            f" Next: ollama serve, then ollama pull {DEFAULT_MODEL} && ollama pull {EMBEDDING_MODEL}"
        ) from error
    if not isinstance(answer, dict):
        raise TargetError(f"{url}{path} does not answer like Ollama. Next: check OLLAMA_HOST.")
    return answer


def _tagged(model: str) -> str:
    return model if ":" in model else f"{model}:latest"


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
