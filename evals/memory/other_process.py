"""``python -m evals.memory.other_process FOLDER URL MODEL DIMENSIONS``: what another process finds in a memory, as one JSON object.

Exit 0 with the preferences and the contexts of all tasks; 2 with one line when the memory cannot be opened or read.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import AgentError
from agent.mem0_store import MemorySettings, open_memory
from agent.targets.embedder import Embedder
from agent.targets.target import shield_loopback_from_proxies
from evals.measurer import USER_ID
from fixtures.data import load_tasks

ROOT = Path(__file__).parents[2]
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Found:
    """What the other process found, and what it complained of when it found nothing."""

    code: int
    preferences: tuple[str, ...] = ()
    contexts: tuple[tuple[str, ...], ...] = ()
    complaint: str = ""


def read_in_other_process(folder: Path, embedder: Embedder) -> Found:
    """Read a memory in a new process, which has nothing but its folder and its embedder."""
    command = [sys.executable, "-m", __name__, str(folder), embedder.base_url, embedder.model, str(embedder.dimensions)]
    done = subprocess.run(  # noqa: S603 - this very module
        command,
        cwd=ROOT,
        env=os.environ | {"EVALS_API_KEY": embedder.api_key},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        return Found(done.returncode, complaint=done.stderr.strip())
    found: dict[str, Any] = json.loads(done.stdout)
    return Found(0, tuple(found["preferences"]), tuple(map(tuple, found["contexts"])))


def main(arguments: Sequence[str]) -> int:
    """Read the memory and print what it holds."""
    folder, url, model, dimensions = arguments
    shield_loopback_from_proxies()
    embedder = Embedder(url, model, int(dimensions), os.environ.get("EVALS_API_KEY", ""))
    try:
        with contextlib.closing(open_memory(MemorySettings(Path(folder), embedder=embedder))) as memory:
            contexts = [memory.retrieve_context(task.request, USER_ID).facts for task in load_tasks()]
            print(json.dumps({"preferences": memory.preferences(USER_ID), "contexts": contexts}))
    except AgentError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
