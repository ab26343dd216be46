"""A/B sessions as a user starts them: two agents, or two models, interleaved on one scripted server."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.errors import RunFileError
from agent.stacks import DEFAULT_STACKS, STACKS
from evals.journal import read_journal
from evals.pair import Pair, from_one_session
from evals.runs import load_pair, load_run
from evals.schedule import BOTH_ARMS, plan
from evals.selftest.live_session import CHAT, Finished, live_session, prompt_length, pytest_session, routes, valid
from evals.selftest.ollama_double import ollama_double
from evals.selftest.repository import Repository
from evals.selftest.scripted_server import Response, Route, ScriptedServer, as_json, chat_stream, scripted_server
from fixtures.data import load_tasks

RULES = "agent/prompts/rules.txt"
OLD_RULES = "You are the old agent."
TASKS = ("dark-theme", "download-sizes")
CHOICE = ("--task", "dark-theme", "--task", "download-sizes", "--epochs", "1")
QUICK = (*CHOICE, "--stack", "naive")
SECRET = "sk-very-secret"


@dataclass(frozen=True)
class Project:
    """A copy of this project in a repository of its own: its first commit has other rules, and today's are not committed."""

    repository: Repository
    old: str

    def run(self, folder: Path, url: str, *arguments: str, key: str = "") -> Finished:
        """A live session in it, whose temporary files are below ``folder``."""
        (folder / "tmp").mkdir(exist_ok=True)
        where = ("--target", f"{url}/v1", "--embedder", f"{url}/v1#bag")
        environment = self.environment(folder) | {"EVALS_API_KEY": key}
        return pytest_session(folder / "runs", "-m", "live", *where, *arguments, environment=environment, root=self.repository.root)

    def environment(self, folder: Path) -> dict[str, str]:
        """What makes a session import this copy, whatever is installed."""
        return {"PYTHONPATH": str(self.repository.root), "TMPDIR": str(folder / "tmp")}

    def leftovers(self, folder: Path) -> list[object]:
        """What a session left behind besides its runs."""
        return [*(folder / "tmp").iterdir(), *self.repository.processes, *self.repository.worktrees[1:]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The copy."""
    repository = Repository.of_this_project(tmp_path_factory.mktemp("project") / "tree")
    rules = (repository.root / RULES).read_text(encoding="utf-8")
    old = repository.commit({RULES: OLD_RULES}, "other rules")
    (repository.root / RULES).write_text(rules, encoding="utf-8")
    return Project(repository, old)


@dataclass(frozen=True)
class Session:
    """A finished A/B session, what was asked of its server, and its folder."""

    finished: Finished
    server: ScriptedServer
    folder: Path

    @property
    def pair(self) -> Pair:
        """Its two runs."""
        (file,) = self.finished.storage.glob("*/*.json")
        return load_pair(file)


@pytest.fixture(scope="module")
def session(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Two tasks with both stacks on the old commit and on the working tree."""
    folder = tmp_path_factory.mktemp("session")
    with scripted_server(routes(valid)) as server:
        yield Session(project.run(folder, server.url, "--ab", project.old[:9], *CHOICE, key=SECRET), server, folder)


def systems(pair_run: Any) -> set[bool]:
    """Whether the system messages of a run hold the old rules."""
    return {message.content.startswith(OLD_RULES) for message in pair_run.messages.values() if message.role == "system"}


def test_each_arm_sends_its_own_prompts(session: Session) -> None:
    """The base's prompts hold the rules of its commit, the head's those of the working tree, committed or not."""
    assert session.finished.code == 1, session.finished.output  # two tasks cannot clear the floor
    assert (systems(session.pair.base), systems(session.pair.head)) == ({True}, {False})


def test_both_runs_are_complete_and_belong_together(session: Session, project: Project) -> None:
    """Both have every trial, the same settings with the commit in full, and names that say that they are one session's."""
    base, head = session.pair.base, session.pair.head
    assert (base.complete, head.complete, len(base.trials), len(head.trials)) == (True, True, 4, 4)
    assert base.settings == head.settings
    assert (base.settings.ab, base.settings.ab_model) == (project.old, None)
    assert base.header.run == f"{head.header.run}-base"
    assert from_one_session(base, head)
    assert not from_one_session(head, base)


def test_fingerprints_tell_the_agents_apart(session: Session, project: Project) -> None:
    """Commit, code and prompts are each arm's own; tasks, server and hardware are the same."""
    base, head = session.pair.base.header.fingerprint, session.pair.head.header.fingerprint
    assert (base.provenance["commit"], base.provenance["dirty"], head.provenance["dirty"]) == (project.old, False, True)
    different = {line.partition(":")[0] for line in base.differences(head)}
    assert different == {"identity.prompts.rules", "provenance.code", "provenance.dirty"}


def test_trials_ran_in_the_planned_order(session: Session) -> None:
    """The requests of both arms reached the server interleaved as planned, one after the other."""
    tasks = [task for task in load_tasks() if task.id in TASKS]
    planned = plan(tasks, [STACKS[name] for name in DEFAULT_STACKS], 1, 0, arms=BOTH_ARMS)
    asked = [body["messages"] for body in session.server.bodies(CHAT)[8:]]
    found = [(messages[0]["content"].startswith(OLD_RULES), messages[-1]["content"], len(messages)) for messages in asked]
    assert found == [(trial.arm == "base", trial.task.request, 20 if trial.stack.name == "naive" else 2) for trial in planned]


def test_every_arm_has_a_journal(session: Session) -> None:
    """Both journals are finished and hold what was saved."""
    journals = {file.stem: read_journal(file) for file in (session.finished.storage / "journals").iterdir()}
    for run in (session.pair.base, session.pair.head):
        journalled = journals.pop(run.header.run)
        assert journalled.finished
        assert (journalled.header, tuple(journalled.trials.values())) == (run.header, run.trials)
    assert journals == {}


def test_entries_are_the_heads(session: Session) -> None:
    """pytest-benchmark's entries hold the head's times alone."""
    entries = {entry["name"]: entry["stats"]["data"] for entry in session.finished.saved["benchmarks"]}
    head = [trial.latency for trial in session.pair.head.trials if trial.stack == "naive"]
    assert (len(entries), entries["test_latency[naive-warm]"]) == (7, head)


def test_the_terminal_says_which_arm_is_which(session: Session, project: Project) -> None:
    """Both arms are named before the dots and above the summaries, of which the head's is the last."""
    title = f"; base: the agent at {project.old[:10]}, head: the working tree's agent"
    lines = session.finished.output.splitlines()
    assert [line.partition(":")[0] for line in lines if line.endswith(title)] == ["target", "A/B"]
    assert [line for line in lines if line in ("base:", "head:")] == ["base:", "head:"]
    assert sum(line.startswith("trials (n)") for line in lines) == 2


def test_nothing_is_left_behind(session: Session, project: Project) -> None:
    """After a session there is no worktree, no process and no temporary file."""
    assert project.leftovers(session.folder) == []


def test_the_key_is_nowhere(session: Session) -> None:
    """The server gets the key from both arms, and no file and no line of the terminal has it."""
    asked = zip(session.server.requests, session.server.authorizations, strict=True)
    assert {key for (route, _), key in asked if route in (CHAT, "POST /v1/embeddings")} == {f"Bearer {SECRET}"}
    kept = [file.read_text(encoding="utf-8") for file in session.folder.rglob("*") if file.is_file()]
    assert SECRET not in "".join([session.finished.output, *kept])


def test_the_two_arms_of_one_commit_differ_in_nothing(project: Project, tmp_path: Path) -> None:
    """An A/A session, with the commit that the working tree is at, is allowed, and both arms send the same."""
    with scripted_server(routes(valid)) as server:
        project.run(tmp_path, server.url, "--ab", "HEAD~1", *QUICK)
    (file,) = (tmp_path / "runs").glob("*/*.json")
    pair = load_pair(file)
    assert pair.base.messages == pair.head.messages
    assert {line.partition(":")[0] for line in pair.base.header.fingerprint.differences(pair.head.header.fingerprint)} <= {
        "provenance.commit",
        "provenance.dirty",
    }


def test_a_killed_arm_is_one_error_and_loses_nothing(project: Project, tmp_path: Path) -> None:
    """When the base's process is killed in a call, the session stops with one error and keeps what was measured."""
    count = itertools.count()

    def chat(body: dict[str, Any]) -> Response:
        # Eight looks at whether the prompts fit, and then the first trials.
        if next(count) >= 10 and body["messages"][0]["content"].startswith(OLD_RULES):
            os.kill(project.repository.processes[0], signal.SIGKILL)
        return valid(body)

    with scripted_server(routes(chat)) as server:
        finished = project.run(tmp_path, server.url, "--ab", project.old, *CHOICE)
    assert f"The process of the agent at {project.old[:10]} ended in the middle of a session, with exit code -9" in finished.output
    assert f". Next: pytest evals/ -m live --ab {project.old}" in finished.output
    assert "Traceback" not in finished.output
    (file,) = finished.storage.glob("*/*.json")
    pair = load_pair(file)
    assert (pair.base.complete, len(pair.base.trials) + len(pair.head.trials)) == (False, len(server.bodies(CHAT)) - 9)
    journalled = [len(read_journal(journal).trials) for journal in sorted((tmp_path / "runs" / "journals").iterdir())]
    assert journalled == [len(pair.base.trials), len(pair.head.trials)]
    assert project.leftovers(tmp_path) == []


def _stopped(project: Project, folder: Path, how: signal.Signals) -> None:
    """Stop a session by a signal while its third trial runs, and wait until it is gone."""
    count = itertools.count()
    slow: Route = lambda body: Response(pause_before_headers=20.0) if next(count) >= 6 else valid(body)  # noqa: E731 - a route
    (folder / "tmp").mkdir()
    with scripted_server(routes(slow)) as server:
        where = ("--target", f"{server.url}/v1", f"--benchmark-storage=file://{folder / 'runs'}", "-p", "no:cacheprovider")
        command = [sys.executable, "-m", "pytest", "evals/", "-m", "live", *where, "--ab", project.old, *QUICK]
        silent = subprocess.DEVNULL
        environment = os.environ | project.environment(folder)
        # A test run in the background ignores Ctrl-C, and so would the session.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(command, cwd=project.repository.root, env=environment, stdout=silent, stderr=silent)
        signal.signal(signal.SIGINT, before)
        try:
            _wait_until(lambda: len(server.bodies(CHAT)) >= 7)
            process.send_signal(how)
            process.wait(30)
        finally:
            process.kill()
            process.wait()
        _wait_until(lambda: not project.repository.processes)


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_keeps_what_was_measured_and_leaves_nothing(project: Project, tmp_path: Path) -> None:
    """An interrupt in the middle of a call ends both processes; both runs are saved, incomplete."""
    _stopped(project, tmp_path, signal.SIGINT)
    (file,) = (tmp_path / "runs").glob("*/*.json")
    pair = load_pair(file)
    assert len(pair.base.trials) + len(pair.head.trials) == 2
    assert project.leftovers(tmp_path) == []


def test_no_process_outlives_a_killed_session(project: Project, tmp_path: Path) -> None:
    """When the session itself is killed in the middle of a call, both processes end, and its trials are in the journals."""
    _stopped(project, tmp_path, signal.SIGKILL)
    journals = [read_journal(file) for file in (tmp_path / "runs" / "journals").iterdir()]
    assert sum(len(journalled.trials) for journalled in journals) == 2
    for line in project.repository.worktrees[1:]:
        project.repository.forget(Path(line.split()[0]))


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        (
            "agent/sampling.py",
            ("def derive_seed", "def seed_of"),
            "lacks what this suite needs: ImportError: cannot import name 'derive_seed'",
        ),
        ("agent/stacks.py", ('Stack("naive"', 'Stack("plain"'), "There is no stack naive; there are: plain, optimized"),
        (
            "agent/loop.py",
            ("def run(", "def answer("),
            "lacks what this suite needs: AttributeError: 'Agent' object has no attribute",
        ),
    ],
)
def test_a_commit_without_what_the_suite_needs_is_refused(
    project: Project, tmp_path: Path, name: str, change: tuple[str, str], complaint: str
) -> None:
    """An agent that is too old, or has not the stack, is one error that says which commit and what is missing."""
    text = (project.repository.root / name).read_text(encoding="utf-8")
    lacking = project.repository.commit({name: text.replace(*change)}, "lacking")
    (project.repository.root / name).write_text(text, encoding="utf-8")
    with scripted_server(routes(valid)) as server:
        finished = project.run(tmp_path, server.url, "--ab", lacking, *QUICK)
    project.repository.commit({}, "as it is")
    assert f"the agent at {lacking[:10]}" in finished.output
    assert complaint in finished.output
    assert "Traceback" not in finished.output
    assert project.leftovers(tmp_path) == []


def test_a_fault_on_one_arm_makes_the_others_next_call_cold(project: Project, tmp_path: Path) -> None:
    """The arms share a server: after a trial that ended in a fault, the other arm's next call counts as cold."""
    count = itertools.count()

    def chat(body: dict[str, Any]) -> Response:
        return Response(status=500) if next(count) in (4, 5, 6) else valid(body)

    with scripted_server(routes(chat)) as server:
        project.run(tmp_path, server.url, "--ab", project.old, *QUICK)
    (file,) = (tmp_path / "runs").glob("*/*.json")
    pair = load_pair(file)
    first, second, *_ = sorted((*pair.base.trials, *pair.head.trials), key=lambda trial: trial.started)
    assert (first.fault is None, second.first.cache) == (False, "cold")


def two_models(chat: Route = valid) -> dict[str, Route]:
    """A server of two models."""
    return routes(chat) | {"GET /v1/models": lambda _: as_json({"data": [{"id": "large"}, {"id": "small"}]})}


def test_two_models_are_interleaved(tmp_path: Path) -> None:
    """--ab-model runs the working tree's agent on the model of --model as the base and on the other one as the head."""

    def chat(body: dict[str, Any]) -> Response:
        return chat_stream([body["model"]], prompt_tokens=prompt_length(body))

    with scripted_server(two_models(chat)) as server:
        finished = live_session(server.url, tmp_path, *QUICK, "--model", "small", "--ab-model", "large")
    (file,) = tmp_path.glob("*/*.json")
    pair = load_pair(file)
    answers = [{trial.last.completion.text for trial in run.trials} for run in (pair.base, pair.head)]
    assert answers == [{"small"}, {"large"}]
    assert (pair.base.header.target.model, pair.head.header.target.model) == ("small", "large")
    assert (pair.head.settings.model, pair.head.settings.ab_model, pair.head.settings.ab) == ("small", "large", None)
    models = [body["model"] for body in server.bodies(CHAT)[4:]]
    assert sorted(models) == ["large"] * 2 + ["small"] * 2
    assert models[1] == models[2]
    where = server.url.removeprefix("http://")
    assert f"target: base: small on {where} at {server.url}/v1; head: large on {where} at {server.url}/v1" in finished.output


def test_a_second_model_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    """A URL that does not serve the second model is refused with what it serves."""
    with scripted_server(two_models()) as server:
        refused = live_session(server.url, tmp_path, *QUICK, "--model", "small", "--ab-model", "huge")
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "does not serve huge; it serves large, small" in refused.output


@pytest.mark.parametrize(("stack", "needed"), [("naive", 2), ("optimized", 3)])
def test_an_ollama_that_swaps_models_is_refused(tmp_path: Path, stack: str, needed: int) -> None:
    """When loading the second model puts the first one out, times would be those of loading, and the setting to raise is named."""
    models = ("gemma3:4b", "qwen3:4b", "nomic-embed-text:latest")
    with ollama_double(models) as double:
        double.most_loaded = 1
        where = {"OLLAMA_HOST": double.server.url}
        choice = ("-m", "live", "--target", "ollama", "--stack", stack, "--ab-model", "qwen3:4b")
        refused = pytest_session(tmp_path, *choice, environment=where)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "does not keep gemma3:4b and qwen3:4b loaded together: gemma3:4b was put out" in refused.output
    assert f"set OLLAMA_MAX_LOADED_MODELS={needed}" in refused.output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--ab", "nope"], "--ab nope: no commit is called so"),
        (["--ab", "HEAD", "--ab-model", "m"], "--ab and --ab-model are two questions"),
        (["--ab", "HEAD", "--resume"], "--resume does not go with --ab or --ab-model"),
        (["--ab-model", "m", "--resume"], "--resume does not go with --ab or --ab-model"),
        (["--ab-model", ""], "--ab-model is the name of a model"),
    ],
)
def test_unfit_options_are_refused(tmp_path: Path, options: list[str], complaint: str) -> None:
    """A commit that is not there, and what would compare times of two sessions, ends the session before anything is opened."""
    refused = pytest_session(tmp_path, "-m", "live", *options)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert complaint in refused.output


def test_an_arm_is_not_resumed(tmp_path: Path) -> None:
    """An A/B session that was stopped does not go on: neither as the newest run nor by its name."""
    with scripted_server(two_models()) as server:
        stopped = live_session(server.url, tmp_path, *QUICK, "--model", "small", "--ab-model", "large", "-x", "-k", "dark-theme")
        names = sorted(file.stem for file in (tmp_path / "journals").iterdir())
        newest = live_session(server.url, tmp_path, "--resume")
        named = [live_session(server.url, tmp_path, f"--resume={name}") for name in names]
    assert "Next: pytest evals/ -m live --ab-model large" in stopped.output
    assert "There is no run in" in newest.output
    assert all("is one arm of an A/B session" in refused.output for refused in named)


def test_a_run_alone_is_no_session(tmp_path: Path) -> None:
    """A saved file of one run has no base, and says so."""
    with scripted_server(routes(valid)) as server:
        finished = live_session(server.url, tmp_path, *QUICK)
    (file,) = tmp_path.glob("*/*.json")
    assert (finished.run.settings.ab, finished.run.settings.ab_model) == (None, None)
    with pytest.raises(RunFileError, match="it is no A/B session"):
        load_run(file, part="base")
