"""Extraction against a double of Ollama that answers in the shapes that Mem0 asks for, and in others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agent.errors import ModelError
from agent.targets.embedder import Embedder
from agent.targets.target import Target
from evals.grid import block_lines
from evals.memory.bench import Bench
from evals.memory.extraction import NEEDED_TOKENS, closest_pair, cosine, extract, extraction_table, nearest, why_not
from evals.memory.report import report_blocks
from evals.selftest.ollama_double import OllamaDouble, ollama_double
from evals.selftest.scripted_server import Response, as_json
from evals.settings import Settings
from fixtures.data import load_history, load_preferences

CHAT = "POST /v1/chat/completions"
PREFERENCES = load_preferences()
HISTORY = load_history()
TEXTS = [preference.text for preference in PREFERENCES]


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    """A running double."""
    with ollama_double(context_length=16_384) as running:
        yield running


@pytest.fixture
def bench(double: OllamaDouble) -> Bench:
    """A bench on the double."""
    url = f"{double.server.url}/v1"
    target = Target("ollama", url, "gemma3:4b", "Ollama", 16_384)
    return Bench(target, Embedder(url, "nomic-embed-text", 768), Settings(), print, print)


def _answers(double: OllamaDouble, content: str, prompt_tokens: int = 8_900) -> None:
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 120, "total_tokens": prompt_tokens + 120}
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "gemma3:4b", "usage": usage}
    answer |= {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    double.server.routes[CHAT] = lambda _: as_json(answer)


def _memories(*texts: str) -> str:
    return json.dumps({"memory": [{"id": str(i), "text": text, "attributed_to": "user"} for i, text in enumerate(texts)]})


def test_good_facts_are_recovered(double: OllamaDouble, bench: Bench) -> None:
    """Facts that say what preferences say are recovered, others are not, and calls and tokens are counted."""
    _answers(double, _memories(TEXTS[0], f"{TEXTS[2]} today", "The coffee is cold"))
    found = extract(bench, HISTORY, PREFERENCES)
    assert found.recovered == {TEXTS[0], TEXTS[2]}
    assert found.recall == pytest.approx(2 / 6)
    assert [(call.prompt_tokens, call.completion_tokens) for call in found.calls] == [(8_900, 120)]
    (asked,) = double.server.bodies(CHAT)
    assert asked["model"] == "gemma3:4b"
    assert asked["response_format"] == {"type": "json_object"}
    assert all(turn.content in asked["messages"][-1]["content"] for turn in HISTORY)
    lines = " ".join(" ".join(block_lines(report_blocks([extraction_table(found)]), 100)).split())
    assert "2 of 6 preferences recovered, by 1 call(s) with 8900 prompt and 120 completion tokens" in lines
    assert "The coffee is cold" in lines


@pytest.mark.parametrize(
    "content",
    [
        "",
        "I found nothing.",
        "[]",
        "{}",
        '{"memory": []}',
        '{"memory": ["User prefers tabs"]}',
        '{"memory": "User prefers tabs"}',
        '{"memory": [{"fact": "User prefers tabs"}]}',
        '{"memory": [{"text": 7}]}',
        '{"memory": [{"text": "cut off',
    ],
)
def test_a_bad_answer_recovers_nothing(double: OllamaDouble, bench: Bench, content: str) -> None:
    """An answer that Mem0 cannot use recovers nothing, whatever Mem0 raises, and the table says so."""
    _answers(double, content)
    found = extract(bench, HISTORY, PREFERENCES)
    assert (found.recall, found.matches, len(found.calls)) == (0.0, (), 1)
    assert "0 of 6 preferences recovered" in extraction_table(found).sentence


@pytest.mark.parametrize("response", [as_json({"error": {"message": "out of memory"}}, 500), Response([None])], ids=["500", "drop"])
def test_a_fault_is_no_answer(double: OllamaDouble, bench: Bench, response: Response) -> None:
    """An HTTP error and a dropped connection are faults of the server, not extractions without facts."""
    double.server.routes[CHAT] = lambda _: response
    with pytest.raises(ModelError, match="did not answer Mem0"):
        extract(bench, HISTORY, PREFERENCES)


def test_a_prompt_that_was_cut_is_a_fault(double: OllamaDouble, bench: Bench) -> None:
    """A server that took 4,096 tokens of the prompt, with HTTP 200, did not see it whole."""
    _answers(double, _memories(TEXTS[0]), prompt_tokens=4_096)
    with pytest.raises(ModelError, match="took 4096 tokens of a prompt of"):
        extract(bench, HISTORY, PREFERENCES)


@pytest.mark.parametrize(
    ("kind", "context_length", "reason"),
    [
        ("embedded", 4_096, "runs on Ollama alone"),
        ("url", None, "runs on Ollama alone"),
        ("ollama", 4_096, f"OLLAMA_CONTEXT_LENGTH={NEEDED_TOKENS}"),
        ("ollama", NEEDED_TOKENS, ""),
        ("ollama", None, ""),
    ],
)
def test_who_can_extract(kind: Any, context_length: int | None, reason: str) -> None:
    """Only Ollama with a context that is long enough, or unknown; the reason says what to do."""
    told = why_not(Target(kind, "http://127.0.0.1:1/v1", "m", "s", context_length))
    assert reason in told
    assert bool(told) is bool(reason)


def test_matching_by_hand() -> None:
    """A fact is matched with what points the same way; the threshold is the similarity of the closest pair."""
    vectors = {"east": [1.0, 0.0], "north": [0.0, 2.0], "west": [-1.0, 0.0], "fact": [3.0, 4.0]}
    assert nearest("fact", ["east", "north", "west"], vectors).preference == "north"
    assert nearest("fact", ["east", "north", "west"], vectors).similarity == pytest.approx(0.8)
    assert closest_pair(["east", "north", "west"], vectors) == 0.0
    assert cosine([0.0, 0.0], [1.0, 0.0]) == 0.0
