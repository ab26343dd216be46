"""The embedded engine, the tiny model and MiniLM: real inference, offline."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import TargetError
from agent.model import OpenAIModel
from agent.prompts import Message
from agent.sampling import Sampling
from agent.targets import embedded, engine
from agent.targets.http import fetch_json
from evals.selftest.live_session import ROOT, pytest_session
from fixtures.tiny_coder.corpus import documents
from fixtures.tiny_coder.request import MAX_LIKENESS, suite_likeness

HELLO = [Message("user", "Write a Python function that adds two numbers")]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of this module's own."""
    return tmp_path_factory.mktemp("cache")


def test_the_shipped_model_answers_with_usage() -> None:
    """The engine serves the shipped GGUF under its name, and streams text, token counts and a finish reason."""
    with engine.serve(embedded.MODEL_FILE, name="tiny-coder") as url, OpenAIModel(url, "tiny-coder") as model:
        assert [entry["id"] for entry in fetch_json(f"{url}/models")["data"]] == ["tiny-coder"]
        completion = model.complete(HELLO, Sampling(max_tokens=16))
    assert completion.text
    assert 0 < completion.completion_tokens <= 16
    assert completion.prompt_tokens > len(HELLO[0].content.split())
    assert completion.ttft is not None
    assert 0 < completion.ttft <= completion.latency


def test_a_cached_prefix_is_reported() -> None:
    """The second call with the same prompt reports cached tokens."""
    with engine.serve(embedded.MODEL_FILE, name="tiny-coder") as url, OpenAIModel(url, "tiny-coder") as model:
        calls = [model.complete(HELLO, Sampling(max_tokens=4)) for _ in range(2)]
    assert calls[0].cached_tokens == 0
    assert calls[1].cached_tokens is not None
    assert calls[1].cached_tokens > calls[1].prompt_tokens / 2


def test_many_calls_in_a_row_meet_no_fault() -> None:
    """A hundred calls, one after the other, all succeed: no call depends on the connection of the one before."""
    with engine.serve(embedded.MODEL_FILE, name="tiny-coder") as url, OpenAIModel(url, "tiny-coder") as model:
        for number in range(100):
            model.complete([Message("user", f"{number}")], Sampling(max_tokens=2))


def test_a_killed_process_leaves_no_server(tmp_path: Path) -> None:
    """When the process that holds the engine is killed, its port is closed and no process is left."""
    program = (
        "import time\nfrom agent.targets import embedded, engine\n"
        "with engine.serve(embedded.MODEL_FILE, name='m') as url:\n    print(url, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert fetch_json(f"{url}/models")
        process.kill()
        assert process.wait() in (-signal.SIGTERM, -9, 1)
        # The pipe ends only when nobody holds its other end any more, child processes included.
        assert process.stdout.read() == ""
    with pytest.raises(TargetError, match="cannot be reached"):
        fetch_json(f"{url}/models")


def test_a_damaged_model_file_is_one_error(tmp_path: Path) -> None:
    """A file that is no GGUF is an error that names it."""
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(TargetError, match=r"broken\.gguf"), engine.serve(file, name="broken"):
        pass


def test_the_shipped_model_is_small() -> None:
    """The GGUF file is at most 10 MB."""
    assert embedded.MODEL_FILE.stat().st_size <= 10_000_000


def test_the_sliding_window_covers_the_context() -> None:
    """The model's sliding window is at least the context the engine serves, or cached prefixes would corrupt answers."""
    import gguf

    fields = gguf.GGUFReader(str(embedded.MODEL_FILE)).fields
    assert fields["general.architecture"].contents() == "gemma3"
    assert fields["gemma3.attention.sliding_window"].contents() >= embedded.CONTEXT_LENGTH


def test_training_never_sees_a_task_of_the_suite() -> None:
    """No request in the training data shares 0.4 or more of its word trigrams with a task."""
    for document in itertools.islice(documents(1), 500):
        assert suite_likeness(document.request.text) < MAX_LIKENESS


def test_unknown_models_are_refused() -> None:
    """A name that is neither the shipped model nor a GGUF file is an error that says what is allowed."""
    with pytest.raises(TargetError, match="tiny-coder or the path of a GGUF file"):
        embedded.model_file("gemma3:4b")


def test_auto_falls_back_and_says_so(tmp_path: Path, cache: Path) -> None:
    """Without Ollama, auto runs on the embedded engine and names what was missing and the commands to get it."""
    environment = {"OLLAMA_HOST": "127.0.0.1:1", "LOCAL_AGENT_EVALS_CACHE": str(cache)}
    finished = pytest_session(
        tmp_path, "-m", "live", "--task", "dark-theme", "--epochs", "1", "-k", "trial", environment=environment
    )
    assert finished.code == 0, finished.output
    (note,) = [line for line in finished.output.splitlines() if line.startswith("auto:")]
    assert "Ollama does not answer" in note
    assert "ollama pull gemma3:4b && ollama pull nomic-embed-text" in note
    assert "target: tiny-coder on llama.cpp" in finished.output
    assert "say nothing about Gemma 3 4B" in finished.output
    assert [len(trial["facts"] or []) for trial in finished.saved["evals"]["trials"] if trial["stack"] == "optimized"] == [5]


def test_memory_survives_into_a_second_process(tmp_path: Path, cache: Path) -> None:
    """A fact that one process remembered stands in the context of the next one."""
    import json
    import os

    command = [sys.executable, "-m", "agent", "--target", "embedded", "--memory-dir", str(tmp_path)]
    environment = os.environ | {"LOCAL_AGENT_EVALS_CACHE": str(cache)}
    fact = "User wants named exports and no default export"
    subprocess.run([*command, "--remember", fact], cwd=ROOT, env=environment, check=True, capture_output=True)
    asked = [*command, "--json", "Write a TypeScript function that adds two numbers"]
    done = subprocess.run(asked, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["facts"] == [fact]
