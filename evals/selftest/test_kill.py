"""SIGKILL at random moments: whatever is lost, the resumed run ends like one that was never interrupted."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.journal import read_journal
from evals.runs import load_run
from evals.schedule import TrialKey
from evals.selftest.live_session import ROOT, live_session, prompt_length, routes
from evals.selftest.scripted_server import Response, ScriptedServer, chat_stream, scripted_server
from evals.selftest.test_ladder import ANSWERS, VALID
from evals.trials import Trial

KILLS = 25
CHOICE = ("--epochs", "3", "--task", "*-*", "--seed", "3")
TASKS = 10
TRIALS = 60
_KINDS = ("valid", "prose before", "inner quote", "missing key", "syntax", "valid")


def deterministic(body: dict[str, Any]) -> Response:
    """An answer that depends on nothing but the request: its messages and its seed."""
    asked = json.dumps([body["messages"], body["seed"]]).encode()
    kind = _KINDS[hashlib.sha256(asked).digest()[0] % len(_KINDS)]
    text = VALID if kind == "valid" else ANSWERS[kind][0]
    return chat_stream([text], prompt_tokens=prompt_length(body), first_pause=0.005)


def outcomes(trials: Iterator[Trial] | tuple[Trial, ...]) -> dict[TrialKey, Any]:
    """What a trial came to, without its times: seeds, facts, what was sent, answered and counted, and every outcome."""
    return {trial.key: (trial.seed, trial.facts, trial.faults, tuple(map(_without_times, trial.attempts))) for trial in trials}


def _without_times(attempt: Any) -> Any:
    completion = attempt.completion
    counts = (completion.prompt_tokens, completion.completion_tokens, completion.finish_reason, completion.text)
    return attempt.messages, attempt.outcome, attempt.cache, counts


@contextlib.contextmanager
def running(server: ScriptedServer, storage: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A live session in a process of its own, killed at the end of the block."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "evals/",
        "-p",
        "no:cacheprovider",
        f"--benchmark-storage=file://{storage}",
        "-m",
        "live",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EVALS_", "PYTEST_"))}
    process = subprocess.Popen(
        [*command, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lines_of(storage: Path) -> int:
    """The whole lines of the only journal, so far."""
    return sum(file.read_bytes().count(b"\n") for file in (storage / "journals").glob("*.jsonl"))


def kill_after_a_while(server: ScriptedServer, storage: Path, rng: random.Random, arguments: tuple[str, ...]) -> int:
    """Kill a session at a random moment, mostly between its first and its fourth trial; returns the lines that were written."""
    before = lines_of(storage)
    wanted = before + rng.choice([0, 1, 1, 2, 2, 3, 4])
    with running(server, storage, *arguments) as process:
        while process.poll() is None and lines_of(storage) <= wanted:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
    return lines_of(storage) - before


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(10**6)])
def test_a_killed_run_loses_nothing(tmp_path: Path, seed: int) -> None:
    """Killed 25 times at random moments and resumed each time, a run of 60 trials ends with every trial once, and with the same
    outcomes as a run that was not interrupted.
    """
    tasks = list(itertools.chain(*(("--task", task) for task in _ten_tasks())))
    choice = ("--epochs", "3", "--seed", "3", *tasks)
    rng = random.Random(seed)
    with scripted_server(routes(deterministic)) as server:
        asked = ("--target", f"{server.url}/v1", "--embedder", f"{server.url}/v1#bag")
        whole = live_session(server.url, tmp_path / "whole", *choice)
        storage = tmp_path / "killed"
        kill_after_a_while(server, storage, rng, (*asked, *choice))
        for _ in range(KILLS - 1):
            kill_after_a_while(server, storage, rng, ("--resume",))
        (journal,) = (storage / "journals").glob("*.jsonl")
        kept = len(read_journal(journal).trials)
        assert kept < TRIALS
        finished = live_session(server.url, storage, "--resume")
    (file,) = storage.glob("*/*.json")
    run = load_run(file)
    assert f"{kept} of {TRIALS} trials are there" in finished.output
    assert (len(run.trials), run.complete) == (TRIALS, True)
    assert outcomes(run.trials) == outcomes(whole.run.trials)
    assert journal.read_bytes().count(b'"trial"') == TRIALS


def _ten_tasks() -> list[str]:
    from fixtures.data import load_tasks

    return [task.id for task in load_tasks()[:TASKS]]
