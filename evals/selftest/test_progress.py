"""The status line of a live run."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.stacks import STACKS
from evals.progress import Progress, clock_time, shown_below
from evals.schedule import PlannedTrial
from evals.selftest.factories import TIMEOUT, trial
from evals.selftest.live_session import ROOT, live_session, routes, valid
from evals.selftest.scripted_server import scripted_server
from fixtures.data import Task

PLANNED = PlannedTrial(1, Task("dark-theme", "css", (), "Write it"), STACKS["naive"])


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (61.4, "1:01"), (3599.6, "1:00:00"), (36_061, "10:01:01")])
def test_seconds_are_shown_as_on_a_clock(seconds: float, shown: str) -> None:
    """Seconds become minutes, and hours from an hour on."""
    assert clock_time(seconds) == shown


def test_the_line_says_what_is_done_left_and_valid() -> None:
    """Done of all, elapsed and expected time, and the share of valid answers of every stack so far; faults are in no share."""
    progress = Progress(total=12, started=100.0)
    assert progress.line(PLANNED, 100.0) == "trial 1 of 12 | 0:00 elapsed, time left unknown | e1-dark-theme-naive-warm"
    for one in (trial(True), trial(False), trial(True, stack="optimized"), trial(fault=TIMEOUT)):
        progress.add(one)
    assert progress.line(PLANNED, 140.0) == (
        "trial 5 of 12 | 0:40 elapsed, 1:20 left | valid so far: naive-warm 50%, optimized-warm 100% | e1-dark-theme-naive-warm"
    )


def test_a_resumed_run_expects_time_for_its_own_trials() -> None:
    """Trials of an earlier session count as done, and not as quick."""
    progress = Progress(total=12, done=8, started=0.0)
    progress.add(trial(True))
    assert "trial 10 of 12 | 0:10 elapsed, 0:30 left" in progress.line(PLANNED, 10.0)


def test_the_line_stands_below_the_dots_and_goes_away() -> None:
    """The cursor goes one line down, clears it, writes, and comes back to where the dots end; at the end the line is cleared."""
    terminal = io.StringIO()
    with shown_below(terminal, "status that is too long", column=7, width=11):
        shown = terminal.getvalue()
    assert shown == "\n\x1b[2Kstatus tha\x1b[1A\x1b[8G"
    assert terminal.getvalue()[len(shown) :] == "\n\x1b[2K\x1b[1A\x1b[8G"


def test_without_a_terminal_it_is_quiet(tmp_path: Path) -> None:
    """What is written into a pipe holds no status line and no control sequence."""
    with scripted_server(routes(valid)) as server:
        finished = live_session(server.url, tmp_path, "--stack", "naive", "--epochs", "1", "--task", "d*")
    assert "elapsed" not in finished.output
    assert "\x1b" not in finished.output


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal needs Unix")
def test_a_terminal_shows_it_beside_the_dots(tmp_path: Path) -> None:
    """On a terminal every trial has its status line, the dots are whole, and the last status line is cleared."""
    import pty

    with scripted_server(routes(valid)) as server:
        command = [sys.executable, "-m", "pytest", "evals/", "-m", "live", "-q", "-p", "no:cacheprovider"]
        command += [f"--benchmark-storage=file://{tmp_path}", "--target", f"{server.url}/v1", "--stack", "naive", "--epochs", "1"]
        ours, theirs = pty.openpty()
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs, stdin=theirs):
            os.close(theirs)
            output = _everything(ours)
    shown = re.findall(r"\n\x1b\[2K(trial \d+ of 12 [^\x1b]*)\x1b\[1A\x1b\[\d+G", output.replace("\r\n", "\n"))
    assert [line.split(" |")[0] for line in shown] == [f"trial {number} of 12" for number in range(1, 13)]
    assert "valid so far: naive-warm 100%" in shown[-1]
    visible = re.sub(r"\n\x1b\[2K[^\x1b]*\x1b\[1A\x1b\[\d+G", "", output.replace("\r\n", "\n"))
    assert "." * 16 in re.sub(r"\x1b\[[\d;]*m", "", visible)


def _everything(terminal: int) -> str:
    received = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            # Linux reports the other end's closing as an error.
            piece = b""
        if not piece:
            os.close(terminal)
            return received.decode()
        received += piece
