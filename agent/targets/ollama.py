"""Ollama, by its native endpoints: is it there, has it the models, how long is the context it loaded?

Shapes as in Ollama's API documentation and source (read, not run here).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import TargetError
from agent.targets.http import fetch_json

DEFAULT_MODEL = "gemma3:4b"
EMBEDDING_MODEL = "nomic-embed-text"
EMBEDDING_DIMENSIONS = 768
OLDEST_VERSION = (0, 5, 0)
"""The first version that constrains decoding by a JSON schema."""

_LOAD_SECONDS = 300.0
_PORT = "11434"
_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[\da-fA-F:.]+)\]|(?P<name>[^\s:@\[\]?#]*))(?::(?P<port>\d{1,5})?)?|(?P<bare_ipv6>[\da-fA-F:.]+)"
)
_CONNECTABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a server listens, to where a client connects


def base_url() -> str:
    """Where Ollama listens: ``OLLAMA_HOST`` as Ollama itself reads it, or its default, ``http://127.0.0.1:11434``."""
    host = os.environ.get("OLLAMA_HOST", "").strip().strip("\"'").strip()
    scheme, separator, rest = host.rpartition("://")
    default_port = {"http": "80", "https": "443"}.get(scheme, _PORT) if separator else _PORT
    address, slash, path = rest.rstrip("/").partition("/")
    named = _ADDRESS.fullmatch(address)
    if named is None:
        raise TargetError(f"OLLAMA_HOST is {host!r}, which names no host and port. Next: set it like 127.0.0.1:{_PORT}")
    name = named["ipv6"] or named["bare_ipv6"] or named["name"] or "127.0.0.1"
    name = _CONNECTABLE.get(name, name)
    return f"{scheme or 'http'}://{f'[{name}]' if ':' in name else name}:{named['port'] or default_port}{slash}{path}"


def check(url: str, models: tuple[str, ...]) -> str:
    """Check that Ollama answers, is new enough and has every model; return its version.

    Raises:
        TargetError: naming what is missing and the commands to get it.
    """
    version = _answer(url, "/api/version", models).get("version")
    if not isinstance(version, str):
        raise _not_ollama(url)
    if _parsed(version) < OLDEST_VERSION:
        raise TargetError(f"Ollama {version} at {url} is older than {_dotted(OLDEST_VERSION)}. Next: update Ollama.")
    present = {str(model.get("name")) for model in _models(url, "/api/tags", models)}
    missing = tuple(model for model in models if _tagged(model) not in present)
    if missing:
        raise TargetError(f"Ollama at {url} does not have {' or '.join(missing)}. Next: {_pull_commands(missing)}")
    return version


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What Ollama tells of a model; ``None`` or empty where it does not. ``gpu_share`` is the part of it in video memory."""

    digest: str | None
    parameter_size: str | None
    quantization: str | None
    template: str | None
    context_length: int | None
    gpu_share: float | None


def preload(url: str, model: str, *, keep_alive: int | None = -1) -> None:
    """Load the model, for good or as long as the server keeps models by itself (``None``).

    Raises:
        TargetError: when the model cannot be loaded.
    """
    kept = {} if keep_alive is None else {"keep_alive": keep_alive}
    fetch_json(f"{url}/api/generate", {"model": model, **kept}, timeout=_LOAD_SECONDS)


def describe(url: str, model: str) -> LoadedModel:
    """What ``/api/tags``, ``/api/ps`` and ``/api/show`` tell of a loaded model.

    Raises:
        TargetError: when Ollama does not answer.
    """
    present, loaded = _entry(url, "/api/tags", model), _entry(url, "/api/ps", model)
    details = present.get("details") or {}
    shown = fetch_json(f"{url}/api/show", {"model": model})
    size, in_video_memory = loaded.get("size"), loaded.get("size_vram")
    return LoadedModel(
        digest=present.get("digest"),
        parameter_size=details.get("parameter_size"),
        quantization=details.get("quantization_level"),
        template=shown.get("template") if isinstance(shown, dict) else None,
        context_length=loaded.get("context_length"),
        gpu_share=in_video_memory / size if size and in_video_memory is not None else None,
    )


def check_loaded_together(url: str, models: Sequence[str], *, others: int = 0) -> None:
    """Check that all models are loaded at this moment; ``others`` is how many more must be, for what is to be run next.

    Raises:
        TargetError: when one of them is not, since loading it again would count as its time.
    """
    loaded = {str(model.get("name")) for model in _models(url, "/api/ps", tuple(models))}
    if missing := [model for model in models if _tagged(model) not in loaded]:
        raise TargetError(
            f"Ollama at {url} does not keep {' and '.join(models)} loaded together: {' and '.join(missing)} was put out."
            f" Next: set OLLAMA_MAX_LOADED_MODELS={len(models) + others}, with memory enough for them, and restart Ollama"
        )


def digest(url: str, model: str) -> str | None:
    """The digest of a model that is present; ``None`` where Ollama does not tell.

    Raises:
        TargetError: when Ollama does not answer.
    """
    told: str | None = _entry(url, "/api/tags", model).get("digest")
    return told


def render(url: str, model: str, messages: list[dict[str, str]]) -> str:
    """The prompt that Ollama makes of the messages, after it dropped what does not fit; empty where it does not say.

    ``_debug_render_only`` is read in Ollama's source (``api/types.go``), not documented. A version that does not know it answers,
    so the answer is limited to one token.

    Raises:
        TargetError: when Ollama does not answer.
    """
    asked = {"model": model, "messages": messages, "stream": False, "_debug_render_only": True, "options": {"num_predict": 1}}
    answer = fetch_json(f"{url}/api/chat", asked, timeout=_LOAD_SECONDS)
    info = answer.get("_debug_info") if isinstance(answer, dict) else None
    return str(info.get("rendered_template") or "") if isinstance(info, dict) else ""


def _entry(url: str, path: str, model: str) -> dict[str, Any]:
    entries = [entry for entry in _models(url, path, (model,)) if entry.get("name") == _tagged(model)]
    return entries[0] if entries else {}


def _models(url: str, path: str, wanted: tuple[str, ...]) -> list[dict[str, Any]]:
    models = _answer(url, path, wanted).get("models")
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise _not_ollama(url + path)
    return models


def _answer(url: str, path: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    try:
        answer = fetch_json(url + path)
    except TargetError as error:
        raise TargetError(f"Ollama does not answer ({error}). Next: ollama serve, then {_pull_commands(wanted)}") from error
    if not isinstance(answer, dict):
        raise _not_ollama(url + path)
    return answer


def _not_ollama(url: str) -> TargetError:
    return TargetError(f"{url} does not answer like Ollama. Next: check OLLAMA_HOST.")


def _pull_commands(models: tuple[str, ...]) -> str:
    return " && ".join(f"ollama pull {model}" for model in models)


def _tagged(model: str) -> str:
    # A registry's port is no tag.
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
