"""The embedded target: the tiny model that this project ships, and MiniLM for memory, on the embedded engine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from agent.errors import TargetError
from agent.targets import engine, minilm
from agent.targets.embedder import Embedder

MODEL_NAME = "tiny-coder"
MODEL_FILE = Path(__file__).parents[2] / "fixtures" / "tiny_coder" / "tiny-coder.gguf"
CONTEXT_LENGTH = 4096
TRAINED_LENGTH = 1024
"""Tokens of the longest documents that tiny-coder was trained on (see its model card): beyond them its answers fall apart."""
DISCLAIMER = "tiny-coder is a 3-million-parameter stand-in trained on templates: its numbers say nothing about Gemma 3 4B."


def model_file(model: str | None) -> tuple[str, Path]:
    """The name and the GGUF file of a model for the engine: the shipped one, or any GGUF file of the user's.

    Raises:
        TargetError: when the engine cannot serve ``model``.
    """
    if model in (None, MODEL_NAME):
        return MODEL_NAME, MODEL_FILE
    file = Path(str(model))
    if file.suffix == ".gguf" and file.is_file():
        return file.stem, file
    raise TargetError(
        f"The embedded engine cannot serve {model!r}: it serves {MODEL_NAME} or the path of a GGUF file."
        f" Next: leave --model (EVALS_MODEL) out, or choose --target ollama"
    )


@contextlib.contextmanager
def serve_embedder() -> Iterator[Embedder]:
    """Serve MiniLM, converted on first use into the cache folder."""
    file = minilm.cached_gguf(cache_folder())
    with engine.serve(file, name=minilm.MODEL_NAME, context_length=512, embedding=True) as url:
        yield Embedder(url, minilm.MODEL_NAME, minilm.DIMENSIONS, digest=minilm.WEIGHTS_SHA256)


def cache_folder() -> Path:
    """The user's cache folder for this project, or ``LOCAL_AGENT_EVALS_CACHE``."""
    import platformdirs

    return Path(os.environ.get("LOCAL_AGENT_EVALS_CACHE") or platformdirs.user_cache_path("local-agent-evals", appauthor=False))


def server_name() -> str:
    """What serves, with its version."""
    return f"llama.cpp (xllamacpp {version('xllamacpp')})"
