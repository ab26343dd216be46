"""Servers that silently drop the oldest turns: caught before the run and within it, naming the setting to raise."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ContextTruncationError
from agent.model import Completion
from agent.prompts import Message
from agent.sampling import Sampling
from evals.selftest.live_session import ANSWER, CHAT, Finished, live_session, prompt_length, pytest_session, routes, valid
from evals.selftest.ollama_double import ollama_double
from evals.selftest.scripted_run import planned_trials, scripted_run
from evals.selftest.scripted_server import Response, Route, as_json, chat_stream, scripted_server
from evals.truncation import TruncationWatch, with_oldest_shortened

SYSTEM, FIRST, SECOND, LAST = (
    Message("system", "Rules."),
    Message("user", "One."),
    Message("assistant", "Two."),
    Message("user", "Three."),
)


def truncating(kept: int) -> Route:
    """A server that keeps the system message and the last ``kept`` turns, and answers 200."""

    def chat(body: dict[str, Any]) -> Response:
        system, *turns = body["messages"]
        return valid({"messages": [system, *turns[-kept:]]})

    return chat


def refused(finished: Finished, *words: str) -> None:
    """Check that the session ended at once with one error that has these words."""
    assert finished.code == pytest.ExitCode.USAGE_ERROR, finished.output
    assert all(word in finished.output for word in words), finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize("kept", [1, 5, 17, 18])
def test_a_server_that_drops_turns_is_refused(tmp_path: Path, kept: int) -> None:
    """A server that drops even one of the 18 turns is caught by its own token counts before the first trial."""
    with scripted_server(routes(truncating(kept))) as server:
        finished = live_session(server.url, tmp_path, "--stack", "naive")
        assert len(server.bodies(CHAT)) == 2
    refused(finished, "drops the oldest turns", "naive stack", "OLLAMA_CONTEXT_LENGTH", "--ctx-size")


def test_a_server_that_keeps_all_turns_is_taken(tmp_path: Path) -> None:
    """A server that keeps the 18 turns and the request is not refused."""
    with scripted_server(routes(truncating(19))) as server:
        assert live_session(server.url, tmp_path, "--stack", "naive", "--epochs", "1").code == 0


def test_ollama_that_drops_turns_is_refused(tmp_path: Path) -> None:
    """On Ollama the setting to raise is named by its name."""
    with ollama_double(context_length=100_000, answer=ANSWER) as double:
        double.kept_turns = 9
        environment = {"OLLAMA_HOST": double.server.url}
        finished = pytest_session(tmp_path, "-m", "live", "--target", "ollama", "--stack", "naive", environment=environment)
    refused(finished, "set OLLAMA_CONTEXT_LENGTH higher and restart Ollama")


@pytest.mark.parametrize("renders", [True, False])
def test_a_rendered_prompt_shows_what_counts_hide(tmp_path: Path, *, renders: bool) -> None:
    """When the counts look right and the rendered prompt lacks the first turn, the server is refused; one that cannot render is
    judged by its counts alone.
    """
    with ollama_double(context_length=100_000, answer=ANSWER) as double:
        double.renders = renders
        double.server.routes[CHAT] = valid
        double.kept_turns = 9
        environment = {"OLLAMA_HOST": double.server.url}
        choice = ("--target", "ollama", "--stack", "naive", "--epochs", "1")
        finished = pytest_session(tmp_path, "-m", "live", *choice, environment=environment)
    if renders:
        refused(finished, "renders a prompt without its first turn", "OLLAMA_CONTEXT_LENGTH")
    else:
        assert finished.code == 0, finished.output


def test_a_prompt_beyond_the_context_is_refused(tmp_path: Path) -> None:
    """When prompt and answer do not fit into the context length that the server reports, nothing is run."""
    answers = routes(valid) | {
        "GET /version": lambda _: as_json({"version": "0.9"}),
        "GET /v1/models": lambda _: as_json({"data": [{"id": "scripted", "max_model_len": 2_000}]}),
    }
    with scripted_server(answers) as server:
        finished = live_session(server.url, tmp_path, "--stack", "naive")
    refused(finished, "has a context of 2000 tokens, and the naive stack needs", "--max-model-len", "would fit")


@pytest.mark.parametrize(
    ("tokens", "seen"),
    [
        (lambda count, body: prompt_length(body) if count < 2 else 40, "the same prompt counted"),
        (lambda count, body: 99_000 if count == 2 else prompt_length(body), "99000 prompt tokens and 1024 for the answer exceed"),
    ],
)
def test_a_trial_that_lost_turns_is_a_fault(tmp_path: Path, tokens: Callable[[int, dict[str, Any]], int], seen: str) -> None:
    """A server that begins to drop turns within a run makes the trial an infrastructure fault with the setting to change, and its
    answer is no data point.
    """
    count = itertools.count()
    planned = (*planned_trials(2), *planned_trials(2))

    def chat(body: dict[str, Any]) -> Response:
        return chat_stream([ANSWER], prompt_tokens=tokens(next(count), body))

    with (
        scripted_server({CHAT: chat}) as server,
        scripted_run(server.url, tmp_path, planned, context_length=100_000) as run,
    ):
        for trial in planned[:2]:
            run.measure(trial)
        run.by_key.clear()
        again = run.measure(planned[2])
    assert again.faults[0].kind == "ContextTruncationError"
    assert seen in again.faults[0].message
    assert "Next: serve it with a longer context" in again.faults[0].message
    assert again.faults[0].text == ANSWER


def completion(prompt_tokens: int) -> Completion:
    """A completion that counted so many prompt tokens."""
    return Completion(prompt_tokens, 5, None, 0.1, 0.2, "stop", "x")


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("x" * 800, 150),  # half of the tokens that the server counted
        ("x" * 80, 110),  # an eighth of the characters, where the server also counts what was only thought
        ("<think>" + "hm " * 500 + "</think>" + "x" * 80, 110),
        ("{" + " " * 1000, 101),
        ("", 101),
    ],
)
def test_a_prompt_that_grew_counts_more_tokens(text: str, least: int) -> None:
    """A corrective retry repeats its prompt and the failed answer: when its tokens do not grow by those that the answer surely has,
    something was dropped. White space and what a model only thought need not be repeated.
    """
    first = replace(completion(100), completion_tokens=100, text=text)
    for tokens in (least, least - 1):
        watch = TruncationWatch(None, "Next: more")
        watch.check([SYSTEM, LAST], "warm", first, Sampling())
        seen = contextlib.nullcontext() if tokens == least else pytest.raises(ContextTruncationError, match=f"to at least {least}")
        with seen:
            watch.check([SYSTEM, LAST, SECOND, FIRST], "warm", completion(tokens), Sampling())


def test_the_limit_that_would_fit_fits(tmp_path: Path) -> None:
    """The --max-tokens that the refusal names is taken, and one more is not."""
    answers = routes(valid) | {
        "GET /version": lambda _: as_json({"version": "0.9"}),
        "GET /v1/models": lambda _: as_json({"data": [{"id": "scripted", "max_model_len": 3_000}]}),
    }
    choice = ("--epochs", "1", "--task", "dark-theme", "--stack", "optimized", "-k", "trial")
    with scripted_server(answers) as server:
        refused_first = live_session(server.url, tmp_path, *choice)
        limit = int(refused_first.output.partition("--max-tokens ")[2].split()[0])
        assert live_session(server.url, tmp_path, *choice, "--max-tokens", str(limit)).code == 0
        refused(live_session(server.url, tmp_path, *choice, "--max-tokens", str(limit + 1)), "would fit")


def test_another_prompt_may_count_fewer_tokens() -> None:
    """A prompt that is not a longer version of the one before may be shorter, and a cold one may differ by its nonce."""
    watch = TruncationWatch(None, "Next: more")
    watch.check([SYSTEM, FIRST, SECOND, LAST], "warm", completion(50), Sampling())
    watch.check([SYSTEM, LAST], "warm", completion(20), Sampling())
    watch.check([SYSTEM, LAST], "cold", completion(33), Sampling())
    watch.check([SYSTEM, LAST], "cold", completion(34), Sampling())


def test_the_oldest_message_that_may_be_dropped_is_shortened() -> None:
    """It is the first turn after the system message, and the system message itself where there is only the request."""
    assert with_oldest_shortened([SYSTEM, FIRST, SECOND, LAST]) == (SYSTEM, Message("user", "x"), SECOND, LAST)
    assert with_oldest_shortened([SYSTEM, LAST]) == (Message("system", "x"), LAST)
