"""Going on with a run: whatever cut it off, it ends like one that was never interrupted, and nothing foreign enters it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.utils import get_machine_id

from evals.journal import read_journal
from evals.runs import load_run
from evals.schedule import TrialKey
from evals.selftest.live_session import ROOT, live_session, prompt_length, pytest_session, routes
from evals.selftest.scripted_server import Response, chat_stream, scripted_server
from evals.selftest.test_ladder import ANSWERS
from evals.trials import AttemptRecord, Trial
from fixtures.data import load_tasks

KILLS = 10
TASKS = [task.id for task in load_tasks()[:10]]
CHOICE = ("--epochs", "3", "--seed", "3", *itertools.chain(*(("--task", task) for task in TASKS)))
TRIALS = 60
machine_id: Callable[[], str] = get_machine_id
QUICK = ("--stack", "naive", "--epochs", "3")
"""Without memory, a session opens in half the time."""

_KINDS = ("valid", "prose before", "inner quote", "missing key", "syntax", "valid")


def deterministic(body: dict[str, Any]) -> Response:
    """An answer that depends on nothing but the request: its messages and its seed."""
    asked = json.dumps([body["messages"], body["seed"]]).encode()
    kind = _KINDS[hashlib.sha256(asked).digest()[0] % len(_KINDS)]
    return chat_stream([ANSWERS[kind][0]], prompt_tokens=prompt_length(body), first_pause=0.01)


def outcomes(trials: tuple[Trial, ...]) -> dict[TrialKey, Any]:
    """What every trial came to, without its times: seed, facts, what was sent, answered and counted, and every outcome."""
    return {trial.key: (trial.seed, trial.facts, trial.faults, [*map(_without_times, trial.attempts)]) for trial in trials}


def _without_times(attempt: AttemptRecord) -> Any:
    completion = attempt.completion
    counts = (completion.prompt_tokens, completion.completion_tokens, completion.finish_reason, completion.text)
    return attempt.messages, attempt.outcome, attempt.cache, counts


@contextlib.contextmanager
def running(storage: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A live session in a process of its own, killed at the end of the block."""
    saving = ["-p", "no:cacheprovider", f"--benchmark-storage=file://{storage}"]
    command = [sys.executable, "-m", "pytest", "evals/", "-m", "live", *saving, *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EVALS_", "PYTEST_"))}
    # A killed process leaves its temporary memory.
    clean["TMPDIR"] = str(storage.parent)
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, env=clean, stdout=silent, stderr=silent)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lines_of(storage: Path) -> int:
    """The whole lines of the only journal, so far."""
    return sum(file.read_bytes().count(b"\n") for file in (storage / "journals").glob("*.jsonl"))


def kill_after_a_while(storage: Path, rng: random.Random, arguments: tuple[str, ...]) -> None:
    """Kill a session at a random moment: mostly between or within its first trials, sometimes while it is still opening."""
    wanted = lines_of(storage) + rng.choice([0, 0, 1, 1, 2])
    with running(storage, *arguments) as process:
        if wanted > 1 and rng.random() < 0.2:
            time.sleep(rng.uniform(0.2, 1.5))
            return
        while process.poll() is None and lines_of(storage) <= wanted:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))


def test_a_killed_run_loses_nothing(tmp_path: Path) -> None:
    """Killed ten times at random moments and resumed each time, a run of 60 trials ends with every trial once, and with the same
    outcomes as a run that was not interrupted.
    """
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    storage = tmp_path / "killed"
    with scripted_server(routes(deterministic)) as server:
        whole = live_session(server.url, tmp_path / "whole", *CHOICE)
        asked = ("--target", f"{server.url}/v1", "--embedder", f"{server.url}/v1#bag", *CHOICE)
        for kill in range(KILLS):
            kill_after_a_while(storage, rng, ("--resume",) if kill else asked)
        (journal,) = (storage / "journals").glob("*.jsonl")
        kept = len(read_journal(journal).trials)
        assert kept < TRIALS, f"seed {seed}: the run was over before it was killed {KILLS} times"
        finished = live_session(server.url, storage, "--resume")
    (file,) = storage.glob("*/*.json")
    run = load_run(file)
    assert f"{kept} of {TRIALS} trials are there" in finished.output
    assert (len(run.trials), run.complete) == (TRIALS, True)
    assert outcomes(run.trials) == outcomes(whole.run.trials)
    assert journal.read_bytes().count(b'"trial"') == TRIALS


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--epochs", "4"], "was begun with other options: epochs: 3, then 4"),
        (["--task", "dark-theme"], "was begun with other options: tasks: "),
        (["--regime", "both"], "was begun with other options: regimes: "),
        (["--max-tokens", "5"], "was begun with other options: sampling: "),
    ],
)
def test_a_run_goes_on_with_its_own_options(tmp_path: Path, options: list[str], complaint: str) -> None:
    """Options that differ from those that the run was begun with are refused, and what differs is said."""
    with scripted_server(routes(deterministic)) as server:
        live_session(server.url, tmp_path, *QUICK, "-k", "e1-dashboard")
        refused = live_session(server.url, tmp_path, "--resume", *options)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert complaint in refused.output
    assert "Traceback" not in refused.output


def test_a_run_does_not_go_on_with_another_fingerprint(tmp_path: Path) -> None:
    """When the served model's context length changed, the run is refused, naming the field, what it was and what it is."""
    answers = routes(deterministic)
    with scripted_server(answers) as server:
        answers["GET /version"] = lambda _: _json({"version": "1"})
        answers["GET /v1/models"] = lambda _: _json({"data": [{"id": "scripted", "max_model_len": 100_000}]})
        live_session(server.url, tmp_path, *QUICK, "-k", "e1-dashboard")
        answers["GET /v1/models"] = lambda _: _json({"data": [{"id": "scripted", "max_model_len": 200_000}]})
        refused = live_session(server.url, tmp_path, "--resume")
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "its fingerprint changed: identity.model.context_length: 100000, then 200000" in refused.output


def _json(value: Any) -> Response:
    return Response([json.dumps(value).encode()])


def test_a_complete_run_is_not_resumed(tmp_path: Path) -> None:
    """There is nothing to go on with in a run that is complete and saved."""
    with scripted_server(routes(deterministic)) as server:
        live_session(server.url, tmp_path, *QUICK, "--task", "dark-theme")
        refused = live_session(server.url, tmp_path, "--resume")
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "could go on. Next: begin one with pytest evals/ -m live" in refused.output


def test_a_run_that_was_stopped_goes_on_and_is_complete(tmp_path: Path) -> None:
    """What -x and -k left out is measured when the run goes on, trials without an answer are run again, and the run that was
    incomplete in its first file is complete in its second.
    """
    count = itertools.count()

    def chat(body: dict[str, Any]) -> Response:
        # Two looks at the longest prompt; then the third trial meets three faults.
        if next(count) in (4, 5, 6):
            return Response(status=500)
        return chat_stream([ANSWERS["valid"][0]], prompt_tokens=prompt_length(body))

    with scripted_server(routes(chat)) as server:
        first = live_session(server.url, tmp_path, *QUICK, "-x").run
        second = live_session(server.url, tmp_path, "--resume")
    before, after = [load_run(file) for file in sorted(tmp_path.glob("*/*.json"))]
    assert (len(first.trials), len(first.faulted), before.complete, after.complete) == (3, 1, False, True)
    assert before.header == after.header
    (faulted,) = [trial for trial in after.trials if trial.faults]
    assert (faulted.key, len(faulted.faults), faulted.last.valid) == (first.faulted[0].key, 3, True)
    assert "2 of 36 trials are there" in second.output


def test_a_run_of_which_no_time_counts_is_saved(tmp_path: Path) -> None:
    """When the first call of every trial came after a fault, there is no distribution, and the run is saved and complete all the
    same.
    """
    count = itertools.count()

    def chat(body: dict[str, Any]) -> Response:
        return Response(status=500) if next(count) == 2 else deterministic(body)

    with scripted_server(routes(chat)) as server:
        finished = live_session(server.url, tmp_path, "--stack", "naive", "--epochs", "1", "--task", "dark-theme")
    assert (finished.run.complete, finished.saved["benchmarks"]) == (True, [])
    assert "1 trial(s) are in no time above" in finished.output


def test_a_journal_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    """When the disk is full, the run stops at once with what it has, says so, and goes on later without doubling anything."""
    program = tmp_path / "full_disk.py"
    program.write_text(
        "from evals.journal import Journal\nfrom agent.errors import SettingsError\nadd = Journal.add\n"
        "def limited(self, trial, messages):\n"
        "    limited.left -= 1\n"
        "    if limited.left < 0:\n        raise SettingsError('The journal cannot be written: full. Next: free space')\n"
        "    add(self, trial, messages)\n"
        "limited.left = 3\nJournal.add = limited\n",
        encoding="utf-8",
    )
    choice = ("-m", "live", "--stack", "naive", "--epochs", "1")
    with scripted_server(routes(deterministic)) as server:
        where = ("--target", f"{server.url}/v1", "--embedder", f"{server.url}/v1#bag", "-p", "full_disk")
        stopped = pytest_session(tmp_path, *choice, *where, environment={"PYTHONPATH": str(tmp_path)})
        assert (len(stopped.run.trials), stopped.code) == (3, pytest.ExitCode.INTERRUPTED)
        assert "The journal cannot be written: full. Next: free space, then pytest evals/ -m live" in stopped.output
        live_session(server.url, tmp_path, "--resume")
    runs = [load_run(file) for file in sorted(tmp_path.glob("*/*.json"))]
    assert [(len(run.trials), run.complete) for run in runs] == [(3, False), (12, True)]


def test_a_run_that_cannot_be_saved_goes_on_later(tmp_path: Path) -> None:
    """When a run cannot be saved, that is said and no success; its trials are in the journal, and resuming it saves them."""
    in_the_way = tmp_path / machine_id()
    in_the_way.write_text("a file where a folder belongs", encoding="utf-8")
    with scripted_server(routes(deterministic)) as server:
        unsaved = live_session(server.url, tmp_path, *QUICK, "--task", "dark-theme")
        in_the_way.unlink()
        saved = live_session(server.url, tmp_path, "--resume")
    assert unsaved.code == pytest.ExitCode.TESTS_FAILED
    assert "saved: nothing: " in unsaved.output
    assert "its trials are in the journal" in unsaved.output
    assert "Traceback" not in unsaved.output
    assert (len(saved.run.trials), saved.run.complete) == (3, True)


def test_a_foreign_trial_is_refused(tmp_path: Path) -> None:
    """A journal that holds a trial with another seed than its run gives it is not gone on with."""
    with scripted_server(routes(deterministic)) as server:
        live_session(server.url, tmp_path, *QUICK, "-k", "e1-dashboard")
        (journal,) = (tmp_path / "journals").glob("*.jsonl")
        journal.write_text(re.sub(r'"seed": \d{5,}', '"seed": 5', journal.read_text(encoding="utf-8")), encoding="utf-8")
        refused = live_session(server.url, tmp_path, "--resume")
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "with seed 5 is none of this run's" in refused.output


def test_nothing_secret_is_saved(tmp_path: Path) -> None:
    """An embedder whose URL holds a password is refused even where no stack uses it, since options are saved with the run."""
    secret = ("--embedder", "http://me:SECRET@127.0.0.1:1/v1#bag", "--stack", "naive")
    refused = pytest_session(tmp_path, "-m", "live", "--target", "http://127.0.0.1:1/v1", *secret)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "Leave passwords, query strings and fragments out of the URL" in refused.output
    assert "SECRET" not in "".join(file.read_text(encoding="utf-8") for file in tmp_path.rglob("*.json*"))
