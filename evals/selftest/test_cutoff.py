"""Where the context ends: stacks of the growth study that do not fit are left out, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from agent.errors import ModelStatusError, TargetError
from agent.model import Completion, OnText
from agent.prompts import Message
from agent.sampling import Sampling
from agent.stacks import GROWTH_STACKS, STACKS, Decoding
from agent.targets.target import Target
from evals.cutoff import left_out
from evals.journal import read_journal
from evals.runs import load_run
from evals.selftest.live_session import Finished, live_session, routes, valid
from evals.selftest.scripted_run import TASKS
from evals.selftest.scripted_server import ScriptedServer, as_json, scripted_server
from evals.served import Served
from evals.subject import longest_messages
from evals.truncation import needed_tokens

TARGET = Target("url", "http://127.0.0.1:1/v1", "m", "s")
SAMPLING = Sampling(max_tokens=100)
LONGEST = longest_messages([STACKS[name] for name in GROWTH_STACKS], TASKS)


@dataclass
class CountingModel:
    """Counts characters as tokens; beyond its context it counts them all the same, refuses, or drops all but the last message."""

    context: int
    beyond: Literal["counts", "refuses", "drops"] = "counts"
    broken: str = ""

    def complete(
        self, messages: Sequence[Message], sampling: Sampling, on_text: OnText | None = None, decoding: Decoding = "free"
    ) -> Completion:
        """One completion."""
        tokens = sum(len(message.content) for message in messages)
        if tokens > self.context and self.beyond == "drops":
            tokens = len(messages[-1].content)
        if self.broken or (tokens > self.context and self.beyond == "refuses"):
            raise ModelStatusError(self.broken or "HTTP 400: exceeds the available context size", status=400)
        return Completion(tokens, 1, None, 0.1, 0.1, "length", "x")


def characters(stack: str) -> int:
    """The ground truth for the longest prompt of a stack."""
    return sum(len(message.content) for message in LONGEST[STACKS[stack]])


@pytest.mark.parametrize("beyond", ["counts", "refuses", "drops"])
def test_what_does_not_fit_is_left_out(beyond: Literal["counts", "refuses", "drops"]) -> None:
    """Exactly the stacks whose prompt and answers exceed the context are left out, whether the server counts a prompt that is too
    long, refuses it, or drops a part of it in silence.
    """
    length = characters("naive-50-turns") + SAMPLING.max_tokens
    found = left_out(CountingModel(length, beyond), TARGET, Served("vllm", context_length=length), SAMPLING, LONGEST)
    assert list(found) == ["naive-100-turns"]
    reason = found["naive-100-turns"]
    assert f"the server's context has {length:,}" in reason
    assert "Next: serve it with a longer --max-model-len" in reason
    needed = characters("naive-100-turns") + SAMPLING.max_tokens
    assert f"need {needed:,} tokens" in reason if beyond == "counts" else "need about " in reason


def test_one_token_less_is_too_little() -> None:
    """A stack that needs exactly the context stays, and with one token less it is left out."""
    for missing, gone in ((0, False), (1, True)):
        length = needed_tokens(STACKS["naive-50-turns"], characters("naive-50-turns"), SAMPLING.max_tokens) - missing
        found = left_out(CountingModel(10**6), TARGET, Served(context_length=length), SAMPLING, LONGEST)
        assert ("naive-50-turns" in found) is gone


def test_a_fault_is_no_end_of_the_context() -> None:
    """A server that does not answer a prompt which should fit is an error, as in any run."""
    with pytest.raises(TargetError, match="HTTP 503"):
        left_out(CountingModel(10**6, broken="HTTP 503"), TARGET, Served(context_length=10**6), SAMPLING, LONGEST)


def test_an_unknown_context_leaves_nothing_out() -> None:
    """Where the server does not tell its context length, nothing is said not to fit."""
    assert left_out(CountingModel(10, "refuses"), TARGET, Served(), SAMPLING, LONGEST) == {}


SOME = ("--task", "dark-theme", "--epochs", "1", "--regime", "warm", "--max-tokens", "200")


def growth_session(server: ScriptedServer, storage: Path, *arguments: str) -> Finished:
    """A growth run of a few stacks."""
    stacks = ("naive-0-turns", "naive-100-turns", "optimized-6-memories", "optimized-100-memories")
    return live_session(server.url, storage, "--growth", *(f"--stack={stack}" for stack in stacks), *SOME, *arguments)


def serving(context_length: int) -> ScriptedServer:
    """The routes of a vLLM whose context is so long."""
    return ScriptedServer("", routes(valid) | {
        "GET /version": lambda _: as_json({"version": "0.9"}),
        "GET /v1/models": lambda _: as_json({"data": [{"id": "scripted", "max_model_len": context_length}]}),
    })  # fmt: skip


def test_a_growth_run_ends_where_the_context_does(tmp_path: Path) -> None:
    """Items of stacks that do not fit are skipped with the reason; the run goes on after it was stopped, each stack with its own
    store, is complete without them, and says where the curve ends.
    """
    with scripted_server(serving(4_000).routes) as server:
        stopped = growth_session(server, tmp_path, "-k", "trial and naive")
        finished = live_session(server.url, tmp_path, "--resume")
    assert stopped.code == 0, stopped.output
    assert "naive-100-turns is left out: its longest prompt and its answers of 200 need" in stopped.output
    assert finished.code == 0, finished.output
    (journal,) = (tmp_path / "journals").glob("*.jsonl")
    run = load_run(max(tmp_path.glob("*/*.json")))
    (reason,) = read_journal(journal).header.left_out.values()
    assert run.settings.stacks == ("naive-0-turns", "optimized-6-memories", "optimized-100-memories")
    assert (run.complete, len(run.trials)) == (True, 3)
    assert "the server's context has 4,000. Next: serve it with a longer --max-model-len" in reason
    assert "naive ends at 0 turns: naive-100-turns is left out, since " in finished.output
    first, second = ({trial.stack: trial.facts for trial in run.trials}[f"optimized-{size}-memories"] for size in (6, 100))
    assert first != second
    assert "memory: 100 facts stored in " in finished.output
    assert set(run.header.fingerprint.identity["stores"]) == {"100"}


def test_nothing_that_fits_is_an_error(tmp_path: Path) -> None:
    """When not one stack fits, there is no run, and the error says what to raise."""
    with scripted_server(serving(100).routes) as server:
        finished = live_session(server.url, tmp_path, "--growth", "--stack=naive-100-turns", *SOME)
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert "No stack of --growth fits into the context of" in finished.output
    assert "--max-model-len" in finished.output
