"""The README: every command in it can be run."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from agent.__main__ import parser
from agent.targets import engine, minilm
from evals.__main__ import main as evals_command
from evals.selftest.live_session import ROOT, live_session, pytest_session, routes, valid
from evals.selftest.report.pictures import NAMES
from evals.selftest.scripted_server import scripted_server

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```shell\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line and line[0] != "#"
]


def commands(start: str) -> list[str]:
    """The README's commands that begin so, without their comments."""
    return [line.partition("  #")[0].strip() for line in COMMANDS if line.startswith(start)]


def test_nothing_is_left_open() -> None:
    """No place holder is left in the README."""
    assert "@@" not in README


def test_every_picture_is_in_the_repository() -> None:
    """What the README shows is there, and every picture says in words what it shows."""
    shown = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README) + re.findall(r'()(?:srcset|src)="([^"]+)"', README)
    assert {Path(file).name for _, file in shown} == set(NAMES)
    assert all((ROOT / file).is_file() for _, file in shown)
    assert all(len(words) > 40 for words in [words for words, _ in shown if words] + re.findall(r'alt="([^"]+)"', README))


def test_every_command_is_of_a_kind_that_is_checked() -> None:
    """The README shows no command that the tests of this file or CI do not know."""
    known = (
        "pytest evals/ -m live",
        "python -m agent ",
        "python -m pip install tox && tox run",
        "pytest-benchmark compare 0001 0002",
        "tox run -e bench",
        "python -m evals ",
    )
    assert COMMANDS
    assert [line for line in COMMANDS if not line.startswith(known)] == [
        engine.INSTALL_COMMAND,
        minilm.INSTALL_COMMAND,
        "ollama pull gemma3:4b && ollama pull nomic-embed-text",
    ]


def test_the_extra_exists() -> None:
    """The extra that the README installs is one of the project's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "embedded" in project["optional-dependencies"]


RESUME = "pytest evals/ -m live --resume"


def test_the_resume_command_goes_on(tmp_path: Path) -> None:
    """The README's command goes on with a run that was stopped, without any other option."""
    assert RESUME in commands("pytest evals/")
    with scripted_server(routes(valid)) as server:
        live_session(server.url, tmp_path, "--stack", "naive", "--epochs", "1", "-k", "dark-theme")
        finished = pytest_session(tmp_path, *shlex.split(RESUME)[2:])
    assert "1 of 12 trials are there" in finished.output
    assert finished.code == 0


@pytest.mark.parametrize("command", [command for command in commands("pytest evals/") if command != RESUME])
def test_pytest_commands_collect(tmp_path: Path, command: str) -> None:
    """Every pytest command takes its options and finds its trials, or the evals of memory."""
    finished = pytest_session(tmp_path, *shlex.split(command)[2:], "--collect-only", "-q")
    assert finished.code == 0, finished.output
    assert ("test_memory_" if "-k memory" in command else "test_trial[") in finished.output


def test_the_gates_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of ``python -m evals`` runs as it stands, in an order in which each finds what it needs."""
    monkeypatch.chdir(tmp_path)
    folders = ["--storage", str(tmp_path), "--baselines", str(tmp_path / "baselines")]
    shown = commands("python -m evals")
    with scripted_server(routes(valid)) as server:
        for _ in range(2):
            assert live_session(server.url, tmp_path, "--stack", "naive", "--epochs", "1").code == 0
    expected = {"plan": 0, "bless": 0, "compare": 0, "gate": 0, "report": 0, "show": 0}
    assert {command.split()[3] for command in shown} == set(expected)
    for command in sorted(shown, key=lambda command: command.split()[3]):
        name = command.split()[3]
        code = 2 if "baseline" in command else expected[name]
        assert evals_command([*shlex.split(command)[3:], *folders]) == code, "latest is what was just blessed"


@pytest.mark.parametrize("command", commands("python -m agent"))
def test_agent_commands_parse(command: str) -> None:
    """Every command of the agent takes its options."""
    options = parser().parse_args(shlex.split(command)[3:])
    assert options.request or options.remember or options.memories


@pytest.mark.parametrize("command", [*commands("python -m pip install tox"), *commands("tox run")])
def test_tox_commands_name_environments(command: str) -> None:
    """Every tox environment that is named exists."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "tox.ini", encoding="utf-8")
    for name in re.findall(r" -e (\w+)", command):
        assert f"testenv:{name}" in settings


def test_the_two_commands_stand_once() -> None:
    """CI takes its two commands from the README, so they stand there exactly once."""
    assert commands("python -m pip install tox") == [
        "python -m pip install tox && tox run -e live",
        "python -m pip install tox && tox run",
    ]


OPTIONS = (
    "--target",
    "--model",
    "--embedder",
    "--epochs",
    "--stack",
    "--task",
    "--regime",
    "--seed",
    "--max-tokens",
    "--deadline",
    "--fault-budget",
    "--resume",
    "--report",
    "--ab",
    "--ab-model",
    "--suite",
    "--ablation",
    "--growth",
    "--prefix-cache",
    "--baseline",
    "--sequential",
    "--changed",
    "--limits",
    "--baselines",
    "--inconclusive",
)


def test_every_option_of_live_runs_is_explained() -> None:
    """The help lists the options that the README names."""
    shown = subprocess.run([sys.executable, "-m", "pytest", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for option in OPTIONS:
        assert f"`{option}" in README
        assert re.search(rf"^  {option}[ =]", shown.stdout, re.MULTILINE)
