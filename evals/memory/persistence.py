"""Persistence: what a new process finds in a memory, and what it is told while another one has the memory open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.targets.embedder import Embedder
from evals.grid import Grid
from evals.memory import other_process
from evals.memory.report import Told

ROOT = Path(__file__).parents[2]
WAY_OUT = (".lock", "Next:", "--memory-dir", "--memory qdrant=URL")
"""What the complaint about a locked store must name: the lock, and the ways out."""

_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Found:
    """What the other process found in ``seconds``, its start included, and what it complained of when it found nothing."""

    code: int
    seconds: float
    preferences: tuple[str, ...] = ()
    contexts: tuple[tuple[str, ...], ...] = ()
    complaint: str = ""


def read_in_other_process(folder: Path, embedder: Embedder) -> Found:
    """Read a memory in a new process, which is given its folder and its embedder and nothing else."""
    where = [str(folder), embedder.base_url, embedder.model, str(embedder.dimensions)]
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - a module of this suite
        [sys.executable, "-m", other_process.__name__, *where],
        cwd=ROOT,
        env=os.environ | {"EVALS_API_KEY": embedder.api_key, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=_SECONDS,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        return Found(done.returncode, seconds, complaint=done.stderr.strip())
    found: dict[str, Any] = json.loads(done.stdout)
    return Found(0, seconds, tuple(found["preferences"]), tuple(map(tuple, found["contexts"])))


def persistence_table(after: Found, locked: Found) -> Told:
    """What both processes found."""
    rows = tuple(
        (when, str(found.code), str(len(found.preferences)), str(len(found.contexts)))
        for when, found in (("after the store was closed", after), ("while the store was open", locked))
    )
    complaints = "".join(f" It was told: {found.complaint}" for found in (after, locked) if found.complaint)
    return Told(
        "persistence, two new processes",
        Grid(("a new process", "exit", "preferences", "contexts"), rows),
        f"What was remembered outlives the process, and an open store is nobody else's.{complaints}",
    )
