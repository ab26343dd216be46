"""The embedded engine: llama.cpp's server inside this process, on a free port of the loopback interface.

Only :func:`serve` imports ``xllamacpp``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.errors import TargetError
from agent.targets.http import fetch_json

INSTALL_COMMAND = 'python -m pip install -e ".[embedded]"'
_READY_SECONDS = 60.0


@contextlib.contextmanager
def serve(model: Path, *, name: str, context_length: int = 4096, embedding: bool = False, threads: int = 1) -> Iterator[str]:
    """Serve the GGUF file ``model`` under ``name`` and yield the base URL, ``http://127.0.0.1:PORT/v1``.

    The server is ready when this yields. Its threads live in this process, so nothing of it outlives the process, however that
    ends. One inference thread is the default: several spin while they wait and stall beside any other busy process.

    Raises:
        TargetError: when the engine is not installed or cannot load the file.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise TargetError(f"The embedded engine is not installed ({error}). Next: {INSTALL_COMMAND}") from error
    parameters = _parameters(xllamacpp.CommonParams(), model, name, context_length, embedding=embedding, threads=threads)
    try:
        server = xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise TargetError(f"The embedded engine cannot load {model}: {error}") from error
    try:
        # A server that is stopped before its queue runs hangs for good (seen one time in three); /slots is answered from the queue.
        fetch_json(f"{server.listening_address}/slots", timeout=_READY_SECONDS)
        yield f"{server.listening_address}/v1"
    finally:
        del server


def _parameters(parameters: Any, model: Path, name: str, context_length: int, *, embedding: bool, threads: int) -> Any:
    parameters.model.path = str(model)
    parameters.model_alias = {name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = 1
    parameters.n_ctx = context_length
    parameters.n_gpu_layers = 0
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    # With the default prompt cache in RAM, a full-size sliding-window cache corrupts answers (shared recipe, measured).
    parameters.swa_full = True
    parameters.cache_ram_mib = 0
    parameters.warmup = False
    parameters.ui = False
    parameters.verbosity = -1
    if embedding:
        parameters.embedding = True
    return parameters
