"""When the memory evals run, and what a session of theirs leaves behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.errors import RunFileError
from evals.memory.selection import FILE, asks_for_memory, names_memory
from evals.names import find_file
from evals.runs import load_run
from evals.selftest.live_session import live_session, pytest_session, routes, valid
from evals.selftest.scripted_server import refusing_port, scripted_server

PROMPTS = "memory and injection_prompts"


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("memory", True),
        ("MEMORY", True),
        ("memory and correction", True),
        ("correction or (memory)", True),
        ("not memory or memory", True),
        ("not memory", False),
        ("NOT  memory", False),
        ("live and not memory", False),
        ("", False),
        ("test_memory", False),
        ("optimized-without-memory", False),
        ("retrieval", False),
    ],
)
def test_an_expression_names_memory(expression: str, named: bool) -> None:
    """The bare word counts, in any case, unless not stands before it."""
    assert names_memory(expression) is named


def test_the_file_asks_for_memory(tmp_path: Path) -> None:
    """The file of the evals, or one of its tests, on the command line asks for them; its folder and other files do not."""
    folder = FILE.parents[1]
    for argument in ("evals/test_memory.py", "evals/test_memory.py::test_memory_isolation", str(FILE)):
        assert asks_for_memory(["", "live"], [argument], folder)
    for argument in ("evals/", "evals/test_stacks.py", "-m", "live", "test_memory.py", "\0"):
        assert not asks_for_memory(["", "live"], [argument], folder)
    assert not asks_for_memory(["", "live"], ["evals/test_memory.py"], tmp_path)


def test_a_live_run_leaves_them_out(tmp_path: Path) -> None:
    """A live run without the word deselects them, and counts them as deselected."""
    done = pytest_session(tmp_path, "-m", "live", "--collect-only", "-q")
    assert "test_memory" not in done.output
    assert re.search(r"[1-9]\d* deselected", done.output), done.output


def test_alone_they_leave_no_run(tmp_path: Path) -> None:
    """A session of memory evals alone opens no live run: no journal, no word of a run, and a file that is no run and no latest."""
    with scripted_server(routes(valid)) as server:
        done = live_session(server.url, tmp_path, "-k", PROMPTS)
    assert done.code == 0, done.output
    assert not (tmp_path / "journals").exists()
    assert not re.search(r"partial|incomplete|= evals =", done.output, re.IGNORECASE)
    assert "= memory =" in done.output
    (entry,) = done.saved["benchmarks"]
    assert entry["name"] == "test_memory_injection_prompts"
    assert not any(entry["extra_info"]["flaws"].values())
    (file,) = tmp_path.glob("*/*.json")
    with pytest.raises(RunFileError, match="holds no run"):
        load_run(file)
    with pytest.raises(RunFileError, match="no run 'latest'"):
        find_file("latest", tmp_path)


def test_beside_a_run_both_are_saved(tmp_path: Path) -> None:
    """A run with memory evals, which come after its trials, is complete, saved and loaded, with their entry beside its own."""
    chosen = f"({PROMPTS}) or trial or ttft"
    with scripted_server(routes(valid)) as server:
        done = live_session(server.url, tmp_path, "--task", "dashboard-card", "--epochs", "1", "-k", chosen)
    assert done.code == 0, done.output
    assert done.run.complete
    assert {"test_memory_injection_prompts", "test_ttft[naive-warm]"} <= {entry["name"] for entry in done.saved["benchmarks"]}
    assert done.output.index("test_stacks.py") < done.output.index("test_memory.py")
    (file,) = tmp_path.glob("*/*.json")
    assert find_file("latest", tmp_path) == file


def test_what_is_missing_is_one_line(tmp_path: Path) -> None:
    """Without a server the session ends with one line that says what to run next, and no traceback."""
    with refusing_port() as port:
        done = live_session(f"http://127.0.0.1:{port}", tmp_path, "-k", PROMPTS)
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert re.search(r"^ERROR: No OpenAI-compatible server answers.*Next: start it", done.output, re.MULTILINE), done.output
    assert "Traceback" not in done.output
