"""The report of a live session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.errors import RunFileError
from evals.gate import Verdict
from evals.limits import Limits
from evals.pair import Pair
from evals.report.session import write_session_report
from evals.run import Run
from evals.runs import load_run
from evals.selftest.live_session import CHAT, Finished, live_session, pytest_session, routes, valid
from evals.selftest.report.parsed_page import parsed, text_of
from evals.selftest.report.sample import sample_run
from evals.selftest.scripted_server import scripted_server

CHOICE = ("--task", "download-sizes", "--task", "dark-theme", "--stack", "naive", "--epochs", "1", "--seed", "5")
HEAD, BASE = (sample_run(tasks=2, epochs=1, seed=seed, name=f"run-{seed}") for seed in (1, 2))


@dataclass
class Session:
    """A finished session whose report was asked for."""

    finished: Finished
    file: Path
    calls: int
    saved: Path
    """The file of the run that was saved last."""

    @property
    def told(self) -> str:
        """The line that says what became of the report."""
        (line,) = (line for line in self.finished.output.splitlines() if line.startswith("report: "))
        return line

    @property
    def run(self) -> str:
        """The name of the run."""
        return load_run(self.saved).header.run


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Session]:
    """Makes sessions that save into one folder, so that a later one can name an earlier one's run."""
    storage = tmp_path_factory.mktemp("storage")

    def run(name: str, *arguments: str) -> Session:
        """A session that writes its report to a file of this name."""
        file = storage / name
        with scripted_server(routes(valid)) as server:
            finished = live_session(server.url, storage, *CHOICE, "--report", str(file), *arguments)
            saved = max(storage.glob("*/*.json"), key=lambda one: one.name, default=Path())
            return Session(finished, file, len(server.bodies(CHAT)), saved)

    return run


@pytest.fixture(scope="module")
def plain(session: Callable[..., Session]) -> Session:
    """A session of two tasks."""
    return session("page.html")


def headline(session: Session) -> str:
    """The heading of a page."""
    return text_of(next(parsed(session.file.read_text(encoding="utf-8")).iter("h1")))


def test_a_session_writes_its_page(plain: Session) -> None:
    """The page is of the run that was saved, stands where it was wanted, and the last lines say where."""
    assert plain.finished.code == 0
    assert plain.told == f"report: {plain.file}"
    assert headline(plain).startswith("FINDING naive, warm: 100%")
    assert plain.run in plain.file.read_text(encoding="utf-8")


def test_a_session_with_a_baseline_writes_its_verdict(plain: Session, session: Callable[..., Session]) -> None:
    """The heading of the page is the verdict that the session ended with, and both runs are in it."""
    judged = session("judged.html", "--baseline", str(plain.saved))
    _, _, said = judged.finished.output.partition("= verdict =")
    word = next(line.partition(":")[0] for line in said.splitlines()[1:] if line)
    assert (judged.finished.code, word) == (13, "INCONCLUSIVE")
    assert headline(judged).startswith("INCONCLUSIVE ")
    page = judged.file.read_text(encoding="utf-8")
    assert plain.run in page
    assert judged.run in page


def test_an_incomplete_run_is_said_to_be_incomplete(session: Callable[..., Session]) -> None:
    """Of a session that left trials out nothing is judged in its report either, which is Markdown where its name ends with .md."""
    partial = session("partial.md", "-k", "dark-theme")
    assert partial.told == f"report: {partial.file}"
    content = partial.file.read_text(encoding="utf-8")
    assert content.startswith("### INCOMPLETE: nothing is judged: an incomplete run, 1 of 2 planned trials were not run\n")


def test_a_session_that_measured_nothing_leaves_the_report_before(tmp_path: Path) -> None:
    """Where no trial was selected nothing is written, and an earlier report stays as it is."""
    file = tmp_path / "page.html"
    file.write_text("earlier", encoding="utf-8")
    finished = pytest_session(tmp_path, "-m", "live", "-k", "nothing_at_all", "--report", str(file))
    assert finished.code == 5
    assert "report: " not in finished.output
    assert file.read_text(encoding="utf-8") == "earlier"


def test_a_report_that_cannot_be_written_is_refused_before_the_first_call(session: Callable[..., Session]) -> None:
    """A folder that is not there ends the session with 4 before anything was asked of the model, saying what to do."""
    refused = session("nowhere/page.html")
    assert (refused.finished.code, refused.calls) == (4, 0)
    said = (
        f"The report cannot be written to {refused.file}: there is no folder {refused.file.parent}. Next: make it, or name another"
    )
    assert said in refused.finished.output
    assert "Traceback" not in refused.finished.output
    assert not refused.file.parent.exists()


def test_a_report_needs_a_live_run(tmp_path: Path) -> None:
    """Without -m live there is no run to report, which is a wrong command line, and the error names both ways to go on."""
    finished = pytest_session(tmp_path, "--report", str(tmp_path / "page.html"))
    assert finished.code == 4
    assert "--report is about live evals. Next: add -m live, or: python -m evals report latest" in finished.output
    assert list(tmp_path.iterdir()) == []


def arms_of(head: Run, base: Run | None = None) -> Any:
    """Arms whose runs are over."""
    return SimpleNamespace(head=SimpleNamespace(result=lambda: head), pair=None if base is None else Pair(base, head))


def gate_of(base: Run | None, verdict: Verdict) -> Any:
    """A gate that has judged."""
    return SimpleNamespace(base=base, changed=("prompt",), verdict=verdict)


@pytest.mark.parametrize("two_arms", [True, False])
def test_a_session_tells_its_own_verdict(tmp_path: Path, two_arms: bool) -> None:
    """What was found at the session's end is not judged anew, against the other arm as against a baseline."""
    gate = gate_of(None if two_arms else BASE, Verdict("FAIL", "as the session said"))
    file = tmp_path / "report.md"
    assert write_session_report(file, arms_of(HEAD, BASE if two_arms else None), gate, Limits()) == f"report: {file}"
    content = file.read_text(encoding="utf-8")
    assert content.startswith("### FAIL: as the session said\n")
    assert "- run: run-2, then run-1\n" in content


def test_a_report_that_fails_is_told_and_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that is gone, a run that cannot be told of and a fault of the suite's own are one line each, and no crash."""
    gone = write_session_report(tmp_path / "gone" / "report.md", arms_of(HEAD), None, Limits())
    assert gone.startswith("report: nothing: The report cannot be written to ")
    for error, said in (
        (RunFileError("it is damaged"), "report: nothing: it is damaged"),
        (
            ZeroDivisionError("by accident"),
            "report: nothing: the suite has a fault of its own, ZeroDivisionError: by accident. Next: ",
        ),
    ):

        def fails(*_: object, raised: Exception = error) -> None:
            raise raised

        monkeypatch.setattr("evals.report.report.judged_report", fails)
        assert write_session_report(tmp_path / "report.md", arms_of(HEAD), None, Limits()).startswith(said)
    assert list(tmp_path.iterdir()) == []
