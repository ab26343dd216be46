"""The command-line options that choose a target, the same for the agent and for live evals."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def add_target_options(add: Callable[..., Any], prefix: str = "") -> None:
    """Add ``--target``, ``--model`` and ``--embedder`` by ``add``, which takes what ``argparse`` takes.

    The destinations' names begin with ``prefix``. None has a default of its own: see :func:`chosen_target`.
    """
    add(
        "--target",
        dest=f"{prefix}target",
        metavar="WHERE",
        help="where the model runs: auto (Ollama if it is there, else the embedded engine), ollama, embedded, or the URL of an "
        "OpenAI-compatible server (default: EVALS_TARGET or auto)",
    )
    add(
        "--model",
        dest=f"{prefix}model",
        metavar="NAME",
        help="the model (default: EVALS_MODEL, or gemma3:4b on Ollama and tiny-coder on the embedded engine, which also takes "
        "the path of a GGUF file)",
    )
    add(
        "--embedder",
        dest=f"{prefix}embedder",
        metavar="URL#MODEL",
        help="the server that embeds memory's texts (default: Ollama's nomic-embed-text on Ollama, else MiniLM on the embedded "
        "engine)",
    )


def chosen_target(given: str | None) -> str:
    """The target that was given, or else the one that ``EVALS_TARGET`` names, or else ``auto``. An empty variable is none."""
    return given or os.environ.get("EVALS_TARGET") or "auto"


def chosen_model(given: str | None) -> str | None:
    """The model that was given, or else the one that ``EVALS_MODEL`` names; ``None`` for the target's own."""
    return given or os.environ.get("EVALS_MODEL") or None
