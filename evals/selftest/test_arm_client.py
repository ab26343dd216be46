"""An arm's process: it is asked, it is distrusted, and it never outlives what asked it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import ArmError
from agent.stacks import STACKS
from agent.targets.target import Target
from evals import arm_client
from evals.arm_client import AgentTree, ArmProcess, RemoteMeasurer, arm_process
from evals.fingerprint import AGENT_ROOT, ROOT
from evals.schedule import PlannedTrial
from evals.selftest.factories import settings
from evals.selftest.live_session import CHAT, routes, valid
from evals.selftest.scripted_server import Response, ScriptedServer, scripted_server
from evals.served import Served
from evals.subject import Place
from fixtures.data import load_tasks

TASK = load_tasks()[0]
PLANNED = PlannedTrial(1, TASK, STACKS["naive"])
SETTINGS = settings(TASK.id)
OURS = AgentTree("the agent", AGENT_ROOT)


def place(server: ScriptedServer) -> Place:
    """A scripted model, and no memory."""
    return Place(Target("url", f"{server.url}/v1", "scripted", "scripted", api_key="KEY"), Served(), None)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted model whose every answer is valid."""
    with scripted_server(routes(valid)) as running:
        yield running


def opened(process: ArmProcess, server: ScriptedServer) -> RemoteMeasurer:
    """A measurer whose process has its agent open."""
    measurer = RemoteMeasurer(process, SETTINGS)
    measurer.begin_opening(place(server))
    measurer.opened()
    return measurer


def test_a_trial_of_another_process_is_measured(tmp_path: Path, server: ScriptedServer) -> None:
    """The answer is the trial with its attempts and the messages that are new, and the process ends with the block."""
    with arm_process(OURS, tmp_path / "log") as process:
        measurer = opened(process, server)
        first, second = measurer.measure(PLANNED, ()), measurer.measure(PLANNED, ())
    assert (first.trial.key, first.trial.last.valid) == (PLANNED.key, True)
    assert set(first.trial.first.messages) == set(first.messages) == set(second.trial.first.messages)
    assert (second.messages, process._process.returncode) == ({}, 0)


def test_the_key_reaches_the_server_and_no_command_line(tmp_path: Path, server: ScriptedServer) -> None:
    """A key travels in the pipe: the server gets it, and it stands neither in the command nor in the log."""
    with arm_process(OURS, tmp_path / "log") as process:
        opened(process, server).measure(PLANNED, ())
        assert "KEY" not in str(process._process.args)
    assert server.authorizations == ["Bearer KEY"]
    assert "KEY" not in (tmp_path / "log").read_text(encoding="utf-8")


def test_after_a_fault_elsewhere_the_cache_is_doubted(tmp_path: Path, server: ScriptedServer) -> None:
    """When the other arm met a fault, the next call counts as cold, and the one after it as warm."""
    with arm_process(OURS, tmp_path / "log") as process:
        measurer = opened(process, server)
        measurer.doubt_cache()
        caches = [measurer.measure(PLANNED, ()).trial.first.cache for _ in range(2)]
    assert caches == ["cold", "warm"]


def _agent(folder: Path, text: str) -> AgentTree:
    (folder / "agent").mkdir()
    (folder / "agent" / "__init__.py").write_text(text, encoding="utf-8")
    return AgentTree("the agent at abc", folder)


def refusal(tree: AgentTree, log: Path, server: ScriptedServer) -> str:
    """What is said of an agent that cannot be opened."""
    with arm_process(tree, log) as process, pytest.raises(ArmError) as raised:
        opened(process, server)
    return str(raised.value)


def test_a_tree_without_an_agent_is_refused(tmp_path: Path, server: ScriptedServer) -> None:
    """An agent that is installed or found elsewhere is never taken for the one that was asked for."""
    said = refusal(AgentTree("the agent at abc", tmp_path), tmp_path / "log", server)
    assert said.startswith("the agent at abc lacks what this suite needs: ImportError: there is no package agent.")
    assert "too old for this suite" in said


def test_an_agent_that_lacks_something_is_too_old(tmp_path: Path, server: ScriptedServer) -> None:
    """What the suite needs and the agent has not is named."""
    said = refusal(_agent(tmp_path, ""), tmp_path / "log", server)
    assert "lacks what this suite needs: ModuleNotFoundError: No module named 'agent.targets'" in said


def test_what_an_agent_prints_is_no_answer(tmp_path: Path, server: ScriptedServer) -> None:
    """Prints, of Python and of other processes, go to the log, and reading standard input gives an agent nothing."""
    noisy = "import os, sys\nprint('{}')\nos.system('echo {}')\nassert sys.stdin.read() == ''\n"
    assert "ModuleNotFoundError" in refusal(_agent(tmp_path, noisy), tmp_path / "log", server)
    assert (tmp_path / "log").read_text(encoding="utf-8").split() == ["{}", "{}"]


def test_a_process_that_dies_is_one_error(tmp_path: Path, server: ScriptedServer) -> None:
    """Its exit code and its last words are told, and so it is at every later question."""
    tree = _agent(tmp_path, "import os, sys\nprint('out of memory', file=sys.stderr, flush=True)\nos._exit(3)\n")
    with arm_process(tree, tmp_path / "log") as process:
        measurer = RemoteMeasurer(process, SETTINGS)
        measurer.begin_opening(place(server))
        for ask in (measurer.opened, measurer.check_context):
            with pytest.raises(
                ArmError, match=r"ended in the middle of a session, with exit code 3; its last line: out of memory$"
            ):
                ask()


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    """After the limit the process is killed, which is one error."""
    tree = _agent(tmp_path, "import time\ntime.sleep(60)\n")
    with (
        arm_process(tree, tmp_path / "log") as process,
        pytest.raises(ArmError, match=r"did not answer within 0\.5 s, so its process was ended"),
    ):
        process.ask("open", {}, 0.5)
    assert process._process.returncode != 0


NONSENSE = {
    "no JSON": ("hello", "Expecting value"),
    "half a character": (r'"\ud800"', "half a character"),
    "no trial": ('{"finished": true}', "holds no trial"),
    "a list": ("[]", "is not of type 'object'"),
    "another shape": ('{"trial": {}, "messages": {}}', "is a required property"),
    "a strange failure": ('{"failed": 7}', "it failed with '7'"),
}


@pytest.mark.parametrize(("answer", "reason"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, reason: str) -> None:
    """Whatever a process answers, it is a trial or one error."""
    monkeypatch.setattr(arm_client, "_BOOT", f"import sys; sys.stdin.readline(); print({answer!r}, flush=True); sys.stdin.read()")
    with arm_process(OURS, tmp_path / "log") as process, pytest.raises(ArmError, match="talks nonsense") as raised:
        RemoteMeasurer(process, SETTINGS).measure(PLANNED, ())
    assert reason in str(raised.value)


def test_another_trial_than_the_one_asked_for_is_refused(tmp_path: Path, server: ScriptedServer) -> None:
    """An answer that is another trial's, or has another seed, is not taken."""
    with arm_process(OURS, tmp_path / "log") as process:
        measurer = opened(process, server)
        measurer.settings = settings(TASK.id, seed=1)
        with pytest.raises(ArmError, match="is not the one that was asked for"):
            measurer.measure(PLANNED, ())


def test_a_process_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """When its standard input ends in the middle of a call, the process ends at once and takes its memory's folder along."""
    slow = routes(lambda _: Response(pause_before_headers=20.0))
    with scripted_server(slow) as server:
        process = ArmProcess(OURS, tmp_path / "log")
        measurer = opened(process, server)
        assert measurer is not None
        process.tell("measure", {"epoch": 1, "task": TASK.id, "stack": "naive", "regime": "warm", "doubt_cache": False})
        while not server.bodies(CHAT):
            time.sleep(0.01)
        process.close()
    assert process._process.returncode == 0


def test_the_suite_is_the_working_trees(tmp_path: Path) -> None:
    """Agent and suite come from two trees, whatever is installed."""
    tree = _agent(tmp_path, "")
    program = (
        f"import sys; sys.argv = ['', {str(ROOT)!r}, {str(tree.root)!r}]; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom evals.arm_process import _import_agent\n_import_agent(Path(sys.argv[-1]))\n"
        "import agent, evals, fixtures; print(agent.__file__, evals.__file__, fixtures.__file__, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert [Path(line).parents[1] for line in done.stdout.splitlines()] == [tmp_path, ROOT, ROOT]
