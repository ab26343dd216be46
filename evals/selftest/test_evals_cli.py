"""``python -m evals``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evals.__main__ import main
from evals.grid import markdown_text
from evals.selftest.factories import in_one_session, run_of, saved_file
from evals.selftest.live_session import ROOT

ARMS = (("base", 64), ("head", 20))
LIMITS = '[[limit]]\nmetric = "schema-valid"\ndirection = "fall"\nmargin = 5\nunit = "points"\nreason = "One in twenty."\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with limits and five saved runs: 1 and 2 sound, 3 bad, 4 with few tasks, 5 about the margin."""
    (tmp_path / "limits.toml").write_text(LIMITS, encoding="utf-8")
    outcomes = {1: (64, 64), 2: (64, 64), 3: (64, 20), 4: (3, 3), 5: (64, 62)}
    for number, (tasks, valid) in outcomes.items():
        one = run_of({f"t{task}": [task < valid] for task in range(tasks)}, f"run-{number}")
        file = tmp_path / "runs" / "Linux" / f"{number:04}_x.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(saved_file(one)), encoding="utf-8")
    return tmp_path


def command(folder: Path, *arguments: str) -> int:
    """The exit code of a command on the runs, limits and baselines of a folder."""
    where = ["--storage", str(folder / "runs"), "--baselines", str(folder / "baselines")]
    limits = ["--limits", str(folder / "limits.toml")] if arguments[0] in ("gate", "plan", "report") else []
    return main([*arguments, *where, *limits])


@pytest.mark.parametrize(
    ("pair", "code", "said"),
    [
        (("1", "2"), 0, "PASS: HEAD keeps its one limit against BASE, over 64 tasks x 1 epoch"),
        (("0001", "0003"), 1, "FAIL: schema-valid, naive-warm: 100%, then 31%"),
        (("1", "4"), 2, "INVALID: nothing can be judged: HEAD lacks the task(s)"),
        (("1", "5"), 3, "INCONCLUSIVE: 1 of 1 limit is not settled by 64 tasks x 1 epoch"),
        (("1", "77"), 2, "INVALID: nothing can be judged: There is no run '77'. Below"),
        (("baseline", "1"), 2, "INVALID: nothing can be judged: There is no baseline"),
    ],
)
def test_the_gate_says_its_verdict_first(
    folder: Path, capsys: pytest.CaptureFixture[str], pair: tuple[str, str], code: int, said: str
) -> None:
    """The first line is the verdict in a sentence, and the exit code is its own."""
    assert command(folder, "gate", *pair) == code
    assert capsys.readouterr().out.splitlines()[0].startswith(said)


@pytest.mark.parametrize(("policy", "code"), [("pass", 0), ("fail", 1)])
def test_a_team_decides_what_inconclusive_is(folder: Path, capsys: pytest.CaptureFixture[str], policy: str, code: int) -> None:
    """The policy changes the exit code of INCONCLUSIVE and of nothing else; the verdict stays what it is."""
    assert command(folder, "gate", "1", "5", "--inconclusive", policy) == code
    assert capsys.readouterr().out.startswith("INCONCLUSIVE: ")
    assert [command(folder, "gate", "1", head, "--inconclusive", policy) for head in "234"] == [0, 1, 2]


@pytest.mark.parametrize("head", ["2", "3", "4", "5", "77"])
def test_the_verdict_as_json(folder: Path, capsys: pytest.CaptureFixture[str], head: str) -> None:
    """JSON on standard output holds the verdict, its sentence and its findings or reasons, also when runs cannot be read."""
    code = command(folder, "gate", "1", head, "--format", "json")
    told = json.loads(capsys.readouterr().out)
    assert {"PASS": 0, "FAIL": 1, "INVALID": 2, "INCONCLUSIVE": 3}[told["verdict"]] == code
    assert bool(told["reasons"]) == (told["verdict"] == "INVALID")
    assert bool(told["findings"]) == (told["verdict"] != "INVALID")


def test_the_verdict_as_markdown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Markdown begins with the verdict in bold."""
    command(folder, "gate", "1", "3", "--format", "markdown")
    assert capsys.readouterr().out.startswith("**FAIL: schema-valid")


def test_a_blessed_run_becomes_the_baseline(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was blessed is BASE under the name ``baseline``, until another run is."""
    assert command(folder, "bless", "0001") == 0
    assert command(folder, "gate", "baseline", "2") == 0
    assert command(folder, "bless", "3") == 0
    assert "in place of run-1" in capsys.readouterr().out
    assert command(folder, "gate", "baseline", "3") == 2


def test_the_other_arm_of_a_session_is_base(folder: Path) -> None:
    """``ab`` takes BASE from HEAD's own file."""
    runs = (run_of({f"t{task}": [task < valid] for task in range(64)}, name) for name, valid in ARMS)
    base, head = in_one_session(*runs)
    both = saved_file(head) | {"evals_base": saved_file(base)["evals"]}
    (folder / "ab.json").write_text(json.dumps(both), encoding="utf-8")
    assert command(folder, "gate", "ab", str(folder / "ab.json")) == 1


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the runs, in which the command is given."""
    monkeypatch.chdir(folder)
    return folder


def made(folder: Path) -> set[str]:
    """The reports in a folder, and what else is new in it."""
    return {file.name for file in folder.iterdir()} - {"limits.toml", "runs", "ab.json"}


def test_a_report_is_a_page_right_here(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name it is report.html, and one line says so, how large it is, and of which run it is."""
    assert command(here, "report", "1") == 0
    assert made(here) == {"report.html"}
    assert (here / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>\n")
    assert re.fullmatch(r"report: report\.html \(0\.\d MiB\), of run run-1\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "name", "begins"),
    [
        (("-o", "page.html"), "page.html", "<!doctype html>"),
        (("--output", "runs/page"), "runs/page", "<!doctype html>"),
        (("-o", "page.md"), "page.md", "### FINDING: "),
        (("-o", "page.md", "--format", "html"), "page.md", "<!doctype html>"),
        (("-o", "page.html", "--format", "markdown"), "page.html", "### FINDING: "),
    ],
)
def test_a_report_goes_where_it_is_wanted(here: Path, arguments: tuple[str, ...], name: str, begins: str) -> None:
    """It is written to the file that was named, in the format of its name unless another was asked for, and nowhere else."""
    assert command(here, "report", "latest", *arguments) == 0
    assert (here / name).read_text(encoding="utf-8").startswith(begins)
    assert made(here) <= {name}


def test_markdown_is_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file Markdown goes to standard output, nothing else does, and no file is written."""
    assert command(here, "report", "1", "--format", "markdown") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("### FINDING: naive, warm: 100% ")
    assert printed.endswith("are in the report in HTML.\n")
    assert made(here) == set()


@pytest.mark.parametrize(("head", "verdict"), [("2", "PASS"), ("3", "FAIL"), ("4", "INVALID"), ("5", "INCONCLUSIVE")])
def test_a_report_of_two_runs_has_their_verdict(here: Path, capsys: pytest.CaptureFixture[str], head: str, verdict: str) -> None:
    """RUN is judged against BASE as the gate does it; the report is made whatever the verdict is, and ends with 0."""
    assert command(here, "report", head, "1", "--format", "markdown") == 0
    report = capsys.readouterr().out
    command(here, "gate", "1", head, "--format", "json")
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == verdict
    assert report.startswith(f"### {markdown_text(told['verdict'] + ': ' + told['sentence'])}\n")
    assert f"- run: run-1, then run-{head}\n" in report


def test_a_report_against_the_baseline_or_the_other_arm(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """BASE may be the blessed run, or the other arm of the run's session."""
    command(here, "bless", "1")
    base, head = in_one_session(*(run_of({f"t{task}": [task < valid] for task in range(64)}, name) for name, valid in ARMS))
    both = saved_file(head) | {"evals_base": saved_file(base)["evals"]}
    (here / "ab.json").write_text(json.dumps(both), encoding="utf-8")
    capsys.readouterr()
    assert command(here, "report", "2", "baseline", "--format", "markdown") == 0
    assert capsys.readouterr().out.startswith("### PASS: ")
    assert command(here, "report", "ab.json", "ab", "--format", "markdown") == 0
    assert capsys.readouterr().out.startswith("### FAIL: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("77",), "There is no run '77'"),
        (("1", "77"), "There is no run '77'"),
        (("1", "baseline"), "There is no baseline in "),
        (("1", "ab"), "ab"),
        (("77", "-o", "nowhere/report.html"), "there is no folder nowhere. Next: make it, or name another"),
        (("1", "-o", "runs"), "runs, which is a folder. Next: name a file in it, runs/report.html"),
        (("1", "-o", "x" * 5000), "File name too long"),
        (("1", "--changed", "model"), "name the run to compare with"),
    ],
)
def test_what_there_can_be_no_report_of(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """A mistake is one line and exit code 2, that of the place before any run is read, and no file is written."""
    assert command(here, "report", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert made(here) == set()


def test_unsound_limits_make_no_report(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without sound limits nothing is judged, so nothing is told."""
    (here / "limits.toml").write_text("[[limit]]", encoding="utf-8")
    assert command(here, "report", "1") == 2
    assert "limits.toml" in capsys.readouterr().err
    assert made(here) == set()


def test_a_crash_is_no_fail(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the suite's own is INVALID and not exit 1, which says that HEAD is worse."""

    def crash(*_: object) -> None:
        raise ZeroDivisionError("by accident")

    monkeypatch.setattr("evals.gate.judge", crash)
    assert command(folder, "gate", "1", "2") == 2
    assert "a fault of its own, ZeroDivisionError: by accident" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["x" * 5000, "..", "", "-", "0", "\x00"])
def test_odd_names_are_unknown(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A name that can be no file is unknown like any other."""
    assert command(folder, "gate", "1", f"./{name}" if name == "-" else name) == 2
    assert "There is no run" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_runs_are_compared(folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """The comparison names both runs and judges nothing: it ends with 0, also for a bad run."""
    assert command(folder, "compare", "1", "3", "--format", form) == 0
    shown = capsys.readouterr().out
    assert "run-1" in shown
    assert "run-3" in shown


def test_unlike_runs_can_be_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs that the gate refuses can be looked at, and are said to be unlike."""
    assert command(folder, "compare", "1", "4") == 0
    assert "HEAD lacks the task(s)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "arguments", [("compare", "1", "9"), ("bless", "9"), ("plan", "--suite", "none"), ("plan", "--epochs", "0")]
)
def test_mistakes_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """A mistake is one line on standard error and exit code 2."""
    assert command(folder, *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1


def test_unreadable_limits_are_invalid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without sound limits nothing is judged."""
    (folder / "limits.toml").write_text("[[limit]]", encoding="utf-8")
    assert command(folder, "gate", "1", "2") == 2
    assert capsys.readouterr().out.startswith("INVALID: ")


def test_the_plan_of_the_smoke_suite(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what 12 tasks can exclude, how many it takes for the margin, and how many calls they are."""
    assert command(folder, "plan") == 0
    shown = capsys.readouterr().out
    assert "with 12 tasks x 3 epochs the smallest loss that can be excluded is 22 points" in shown
    assert "PASS: cannot be shown, to exclude 5 points you need 59 tasks without a loss" in shown
    assert "72 to 108 model calls" in shown


def test_the_plan_of_the_full_suite_can_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """64 tasks can exclude the margin, when none is lost."""
    assert command(folder, "plan", "--suite", "full", "--stack", "naive") == 0
    shown = capsys.readouterr().out
    assert "PASS: at most 0 more tasks lost than gained" in shown
    assert "192 model calls" in shown
    assert "at the pace of run run-5" in shown


def test_the_plan_without_a_run_does_not_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing was measured yet, no duration is given."""
    assert main(["plan", "--storage", str(tmp_path)]) == 0
    assert "how long they take is not known: no run is saved yet" in capsys.readouterr().out


def test_a_stopped_session_names_its_tasks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was stopped early cannot be blessed, and the error says what can."""
    whole = run_of({f"t{task}": [True] for task in range(3)}, sequential=True)
    first = whole.measured_tasks[0]
    trials = tuple(one for one in whole.trials if one.task == first)
    missing = tuple(one.key for one in whole.trials if one.task != first)
    cut = replace(whole, trials=trials, missing=missing, stopped=1)
    (folder / "stopped.json").write_text(json.dumps(saved_file(cut)), encoding="utf-8")
    assert command(folder, "bless", str(folder / "stopped.json")) == 2
    assert "it was stopped after 1 of 3 tasks" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["gate", "--help"], ["report", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help is there before mem0, openai, the engine, scipy, numpy or what makes reports are imported."""
    heavy = {"mem0", "openai", "xllamacpp", "scipy", "numpy", "rich", "pytest", "jinja2", "markupsafe", "vl_convert", "jsonschema"}
    script = (
        "import sys\nfrom evals.__main__ import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"found = {heavy} & set(sys.modules)\nassert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


def test_help_tells_the_exit_codes_and_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit codes of the gate stand in its help, and where a report goes stands in the report's."""
    told = {}
    for name in ("gate", "report"):
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        told[name] = " ".join(capsys.readouterr().out.split())
    assert "exit 0 PASS, 1 FAIL, 2 INVALID, 3 INCONCLUSIVE" in told["gate"]
    assert "default: report.html; Markdown is printed" in told["report"]
    assert "markdown where FILE ends with .md" in told["report"]


def test_the_command_is_a_module(folder: Path) -> None:
    """``python -m evals`` runs in a process of its own, and its exit code arrives."""
    files = [str(folder / "runs" / "Linux" / f"{number:04}_x.json") for number in (1, 3)]
    arguments = [sys.executable, "-m", "evals", "gate", *files, "--limits", str(folder / "limits.toml")]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL: ")
    assert done.stderr == ""
