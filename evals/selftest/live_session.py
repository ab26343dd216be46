"""Live runs in a process of their own, against a scripted model with a known ground truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.run import Run
from evals.runs import load_run
from evals.selftest.scripted_server import Response, Route, as_json, chat_stream, embeddings

ROOT = Path(__file__).parents[2]
CHAT = "POST /v1/chat/completions"
ANSWER = json.dumps({"code": "x = 1\n", "language": "py", "file_path": "a.py", "explanation": "One."})


@dataclass(frozen=True)
class Finished:
    """A finished pytest session: its exit code, what it printed, and the runs and journals it saved."""

    code: int
    output: str
    storage: Path

    @property
    def saved(self) -> dict[str, Any]:
        """The one saved run."""
        (file,) = self.storage.glob("*/*.json")
        run: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return run

    @property
    def journalled(self) -> list[dict[str, Any]]:
        """The trials of the one journal."""
        (file,) = (self.storage / "journals").glob("*.jsonl")
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return [line["trial"] for line in lines if "trial" in line]

    @property
    def run(self) -> Run:
        """The one saved run, as the loader reads it."""
        (file,) = self.storage.glob("*/*.json")
        return load_run(file)


def pytest_session(storage: Path | None, *arguments: str, environment: dict[str, str] | None = None, root: Path = ROOT) -> Finished:
    """Run pytest on ``evals/`` from the root of the project, saving only below ``storage`` (``None``: without pytest-benchmark)."""
    where = [f"--benchmark-storage=file://{storage}"] if storage else []
    cache = [] if any("cache_dir" in argument for argument in arguments) else ["-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "evals/", *cache, *where, *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EVALS_", "OLLAMA_", "PYTEST_"))}
    done = subprocess.run(
        command,
        cwd=root,
        env=clean | {"COLUMNS": "200"} | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Finished(done.returncode, done.stdout + done.stderr, storage or Path())


def live_session(url: str, storage: Path, *arguments: str) -> Finished:
    """Run the live evals against a scripted server."""
    return pytest_session(storage, "-m", "live", "--target", f"{url}/v1", "--embedder", f"{url}/v1#bag", *arguments)


def routes(chat: Route) -> dict[str, Route]:
    """What a run asks of a server, with ``chat`` for the answers."""
    return {
        "GET /v1/models": lambda _: as_json({"data": [{"id": "scripted"}]}),
        "POST /v1/embeddings": embeddings,
        CHAT: chat,
    }


def prompt_length(body: dict[str, Any]) -> int:
    """The ground truth for prompt tokens: characters of all messages."""
    return sum(len(message["content"]) for message in body["messages"])


def faulty_first_try(body: dict[str, Any]) -> Response:
    """Prose around the object at first, the object alone once the user asks for a correction."""
    corrected = "rejected" in body["messages"][-1]["content"]
    text = ANSWER if corrected else f"Sure! {ANSWER}"
    return chat_stream([text[start : start + 20] for start in range(0, len(text), 20)], prompt_tokens=prompt_length(body))


def valid(body: dict[str, Any]) -> Response:
    """Always the object alone."""
    return chat_stream([ANSWER], prompt_tokens=prompt_length(body))
