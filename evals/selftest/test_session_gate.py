"""The verdict at the end of a live session, against a scripted server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from evals.__main__ import main
from evals.gate import GateVerdict, Verdict
from evals.limits import Limits
from evals.runs import load_run
from evals.selftest.live_session import CHAT, Finished, live_session, pytest_session, routes, valid
from evals.selftest.scripted_server import Response, chat_stream, scripted_server
from evals.session_gate import SessionGate

FULL = ("--suite", "full", "--epochs", "1", "--stack", "naive")
LIMITS = """\
[[limit]]
metric = "schema-valid"
direction = "fall"
margin = 5
unit = "points"
reason = "One in twenty."

[[limit]]
metric = "latency"
direction = "rise"
margin = 900
unit = "percent"
reason = "Even a scripted server varies."
"""


def invalid(body: dict[str, Any]) -> Response:
    """Never an artifact."""
    return chat_stream(["Sorry."], prompt_tokens=sum(len(message["content"]) for message in body["messages"]))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with limits and a saved run of the whole suite in which every answer is valid; its number is 1."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "limits.toml").write_text(LIMITS, encoding="utf-8")
    with scripted_server(routes(valid)) as server:
        assert live_session(server.url, folder, *FULL).code == 0
    return folder


@pytest.fixture
def storage(base: Path, tmp_path: Path) -> Path:
    """A storage of its own for each test, with that run in it."""
    (saved,) = base.glob("*/0001_*.json")
    copied = tmp_path / "runs" / saved.parent.name / saved.name
    copied.parent.mkdir(parents=True)
    copied.write_bytes(saved.read_bytes())
    (tmp_path / "runs" / "limits.toml").write_text(LIMITS, encoding="utf-8")
    return tmp_path / "runs"


def judged(chat: Any, storage: Path, *arguments: str) -> tuple[Finished, list[dict[str, Any]]]:
    """A session that is judged against run 1, and the chat requests that the server saw."""
    with scripted_server(routes(chat)) as server:
        asked = ("--baseline", "1", "--limits", str(storage / "limits.toml"), *arguments)
        finished = live_session(server.url, storage, *asked)
        return finished, server.bodies(CHAT)


def newest(storage: Path) -> Path:
    """The file of the run that was saved last."""
    return max(storage.glob("*/*.json"), key=lambda file: file.name)


def verdict(finished: Finished) -> str:
    """What stands below the heading of the verdict."""
    _, *lines = finished.output.partition("= verdict =")[2].splitlines()
    return next(line for line in lines if line)


def test_a_run_as_good_as_the_baseline_passes(storage: Path) -> None:
    """Exit 0, and the verdict stands at the end, with times that are shown and not judged."""
    finished, _ = judged(valid, storage, *FULL, "--junitxml", str(storage / "junit.xml"))
    assert finished.code == 0
    assert verdict(finished) == "PASS: HEAD keeps its one limit against BASE, over 64 tasks x 1 epoch"
    assert "latency, naive-warm: NOT JUDGED" in finished.output
    suite = ET.parse(storage / "junit.xml").getroot().find("testsuite")  # noqa: S314 - written by this test
    assert suite is not None
    told = {entry.get("name"): str(entry.get("value")) for entry in suite.iter("property")}
    assert told["evals.verdict"].startswith("PASS: ")
    assert told["evals.limit schema-valid, naive-warm"].startswith("PASS: ")


def test_a_run_that_lost_everything_fails(storage: Path) -> None:
    """Exit 1 naming validity; the run is saved all the same, and the command says the same of it."""
    finished, _ = judged(invalid, storage, *FULL)
    assert finished.code == 1
    assert verdict(finished).startswith("FAIL: schema-valid, naive-warm: 100%, then 0%: -100.0 points")
    files = [str(next(storage.glob("*/0001_*.json"))), str(newest(storage))]
    assert main(["gate", *files, "--limits", str(storage / "limits.toml")]) == 1


def test_few_tasks_are_inconclusive(storage: Path, base: Path) -> None:
    """Twelve tasks cannot exclude five points: exit 13, or what the team says it counts as."""
    few = ("--epochs", "1", "--stack", "naive")
    with scripted_server(routes(valid)) as server:
        assert live_session(server.url, storage, *few).code == 0
    asked = ("--baseline", "2", *few)
    finished, _ = judged(valid, storage, *asked)
    assert finished.code == 13
    assert verdict(finished).startswith("INCONCLUSIVE: 1 of 1 limit is not settled by 12 tasks x 1 epoch")
    assert judged(valid, storage, *asked, "--inconclusive", "pass")[0].code == 0


@pytest.mark.parametrize(
    ("verdict", "policy", "status", "code"),
    [
        ("PASS", None, 0, 0),
        ("PASS", None, 1, 1),
        ("FAIL", None, 0, 1),
        ("INVALID", None, 1, 12),
        ("INCONCLUSIVE", None, 1, 13),
        ("INCONCLUSIVE", "pass", 1, 1),
        ("INCONCLUSIVE", "pass", 0, 0),
        ("INCONCLUSIVE", "fail", 0, 1),
        ("FAIL", "pass", 0, 1),
        ("INVALID", "pass", 0, 12),
        ("FAIL", None, 2, 2),
        ("INCONCLUSIVE", "pass", 3, 3),
        ("PASS", None, 4, 4),
        ("INVALID", None, 5, 5),
    ],
)
def test_the_exit_code_of_a_session(verdict: GateVerdict, policy: Any, status: int, code: int) -> None:
    """Pytest's own 2 to 5 win, a failure beside a PASS stays one, and the policy is about INCONCLUSIVE alone."""
    gate = SessionGate(Limits(), ("prompt",), "1", Path(), Path(), policy, verdict=Verdict(verdict, ""))
    assert gate.exit_code(status) == code


UNLIKE = {
    "other tasks": (("--epochs", "1", "--stack", "naive"), "HEAD lacks the task(s)"),
    "other epochs": (("--suite", "full", "--epochs", "2", "--stack", "naive"), "BASE has 1 epoch(s) and HEAD 2"),
    "no such run": ((*FULL, "--baseline", "77"), "There is no run '77'"),
    "nothing blessed": ((*FULL, "--baseline", "baseline", "--baselines", "nowhere"), "There is no baseline in nowhere"),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_an_unlike_run_is_refused_before_it_is_paid_for(storage: Path, case: str) -> None:
    """Exit 12 with the reason before the first trial; no journal is left of a run that never was."""
    arguments, reason = UNLIKE[case]
    finished, calls = judged(valid, storage, *arguments)
    assert finished.code == 12
    assert "INVALID: " in finished.output
    assert reason in finished.output
    assert "Traceback" not in finished.output
    assert len(calls) <= 2, "only the check of the context is made"
    assert not list((storage / "journals").glob("*.jsonl"))


def test_a_damaged_baseline_is_invalid(storage: Path) -> None:
    """A file that was cut off ends the session with 12 before the first trial."""
    (file,) = storage.glob("*/0001_*.json")
    file.write_bytes(file.read_bytes()[:-300])
    finished, calls = judged(valid, storage, *FULL)
    assert finished.code == 12
    assert "damaged or cut off" in finished.output
    assert len(calls) <= 2


@pytest.mark.parametrize(
    "arguments", [("-k", "not search-box"), ("--deselect", "evals/test_stacks.py::test_trial[e1-search-box-naive-warm]")]
)
def test_a_partial_run_is_invalid(storage: Path, arguments: tuple[str, ...]) -> None:
    """A run that lacks trials is saved and INVALID, and says how to finish it."""
    finished, _ = judged(valid, storage, *FULL, *arguments)
    assert finished.code == 12
    assert "HEAD: an incomplete run, 1 of 64 planned trials were not run. Next: pytest evals/ -m live --resume=" in finished.output


def test_nothing_measured_is_never_green(storage: Path) -> None:
    """A session that was to be judged and ran none of its trials is INVALID, whatever else it ran."""
    finished, _ = judged(valid, storage, *FULL, "-k", "test_retrieval")
    assert finished.code == 12
    assert verdict(finished).startswith("INVALID: nothing can be judged: nothing was measured")


def test_a_gate_needs_live_evals(tmp_path: Path) -> None:
    """Without ``-m live`` nothing would be judged, so the option is refused."""
    finished = pytest_session(tmp_path, "--baseline", "1", "-k", "test_paired")
    assert finished.code == 4
    assert "Next: add -m live" in finished.output


def test_pytests_own_exit_codes_win(storage: Path) -> None:
    """Nothing selected is 5 and a wrong option 4, with or without a baseline."""
    assert judged(valid, storage, *FULL, "-k", "nothing_at_all")[0].code == 5
    assert judged(valid, storage, *FULL, "--epochs", "0")[0].code == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sequential",), "name what to compare with: --baseline NAME"),
        (("--changed", "model"), "name what to compare with: --baseline NAME, or --ab REF"),
        (("--inconclusive", "pass"), "name what to compare with"),
        (("--ab", "HEAD", "--baseline", "1"), "leave --baseline and --sequential out"),
        (("--baseline", "1", "--limits", "nowhere.toml"), "nowhere.toml cannot be read"),
    ],
)
def test_options_that_make_no_verdict_are_refused(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """They are a wrong command line, and the error says what is missing."""
    finished = pytest_session(tmp_path, "-m", "live", *arguments)
    assert finished.code == 4
    assert said in finished.output


def test_a_bad_run_stops_early(storage: Path) -> None:
    """A sequential run whose answers are all invalid ends with FAIL after a few of the 64 tasks; the rest is never asked for."""
    finished, calls = judged(invalid, storage, *FULL, "--sequential")
    run = load_run(newest(storage))
    assert finished.code == 1
    assert verdict(finished).startswith("FAIL: schema-valid, naive-warm: 100%, then 0%")
    assert run.stopped is not None
    assert run.stopped < 20
    assert len(run.trials) == run.stopped
    assert len(calls) < 30
    assert f"the verdict was settled after {run.stopped} task(s)" in finished.output
    assert run.complete


def test_a_stopped_run_can_be_gated_and_not_blessed(storage: Path) -> None:
    """The command gives the same verdict on the file, and refuses it as a baseline."""
    judged(invalid, storage, *FULL, "--sequential")
    file, limits = str(newest(storage)), str(storage / "limits.toml")
    assert main(["gate", str(next(storage.glob("*/0001_*.json"))), file, "--limits", limits]) == 1
    assert main(["bless", file, "--baselines", str(storage / "baselines")]) == 2


def test_a_good_sequential_run_goes_to_its_end(storage: Path) -> None:
    """What cannot be settled early is measured whole, and passes by the bound at its end."""
    finished, _ = judged(valid, storage, *FULL, "--sequential")
    run = load_run(newest(storage))
    assert finished.code == 0
    assert (run.stopped, len(run.trials)) == (None, 64)
    assert [trial.task for trial in run.trials] == list(run.measured_tasks)
    assert json.loads(newest(storage).read_text(encoding="utf-8"))["evals"]["settings"]["sequential"] is True
