"""A whole live run against a scripted server whose every delay, token and answer is known: each recorded figure equals it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.errors import CAUSES
from evals.ladder import Outcome
from evals.observer import NONCE_DIGITS
from evals.run import Run
from evals.schedule import REGIMES, Regime, Series
from evals.selftest.live_session import CHAT, Finished, live_session, prompt_length, routes
from evals.selftest.scripted_server import Response, Step, chat_chunk, event, scripted_server, usage_chunk
from evals.selftest.test_ladder import ANSWERS, VALID
from evals.trials import AttemptRecord

FIRST_PAUSE = 0.03
PAUSE = 0.004
PIECES = 6
NONCE = re.compile(rf"\d{{{NONCE_DIGITS}}}\n")
SCRIPT = [name for name in ANSWERS if name not in ("nested", "half a character", "blank", "empty")]


@dataclass
class Truth:
    """What the server did for one request, by its own clock: when the request was there, when the first and the last bytes left."""

    body: dict[str, Any]
    text: str
    finish_reason: str
    prompt_tokens: int
    cached_tokens: int | None
    received: float
    first_text: float = 0.0
    ended: float = 0.0


@dataclass
class KnownServer:
    """Answers from a script, and keeps the truth about every answer."""

    truths: list[Truth] = field(default_factory=list)

    def chat(self, body: dict[str, Any]) -> Response:
        """The next of the known answers; every eleventh one is cut off at its limit of tokens."""
        number = len(self.truths)
        whole = ANSWERS[SCRIPT[number % len(SCRIPT)]][0]
        text, finish_reason = (VALID[:40], "length") if number % 11 == 0 else (whole, "stop")
        cold = NONCE.match(body["messages"][0]["content"]) is not None
        cached = 4 if cold else number if number % 3 else None
        truth = Truth(body, text, finish_reason, prompt_length(body), cached, time.perf_counter())
        self.truths.append(truth)
        return Response(self._steps(truth), content_type="text/event-stream")

    def _steps(self, truth: Truth) -> Iterator[Step]:
        size = -(-len(truth.text) // PIECES)
        pieces = [truth.text[start : start + size] for start in range(0, len(truth.text), size)]
        yield event(chat_chunk({"role": "assistant", "content": ""}))
        yield FIRST_PAUSE
        truth.first_text = time.perf_counter()
        for piece in pieces:
            yield event(chat_chunk({"content": piece}))
            yield PAUSE
        yield event(chat_chunk({}, truth.finish_reason))
        yield event(usage_chunk(truth.prompt_tokens, len(pieces), truth.cached_tokens))
        truth.ended = time.perf_counter()
        yield b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, list[Truth]]:
    """A run of all tasks in both regimes, and the truths of its attempts: those after the four looks at the prompts."""
    server = KnownServer()
    with scripted_server(routes(server.chat)) as running:
        finished = live_session(running.url, tmp_path_factory.mktemp("known"), "--regime", "both", "--epochs", "2")
        assert len(running.bodies(CHAT)) == len(server.truths)
    return finished, server.truths[4:]


@pytest.fixture
def run(known: tuple[Finished, list[Truth]]) -> Run:
    """The run, as the loader reads it from its file."""
    return known[0].run


@pytest.fixture
def pairs(known: tuple[Finished, list[Truth]], run: Run) -> list[tuple[AttemptRecord, Truth]]:
    """Every recorded attempt with its truth."""
    attempts = [attempt for trial in run.trials for attempt in trial.attempts]
    return list(zip(attempts, known[1], strict=True))


def test_every_text_is_what_the_server_sent(pairs: list[tuple[AttemptRecord, Truth]]) -> None:
    """The recorded answers and finish reasons are those of the server, in order."""
    recorded = [(attempt.completion.text, attempt.completion.finish_reason) for attempt, _ in pairs]
    assert recorded == [(truth.text, truth.finish_reason) for _, truth in pairs]


def test_every_count_is_the_servers(pairs: list[tuple[AttemptRecord, Truth]]) -> None:
    """Prompt, completion and cached tokens are the server's own counts; what it did not report is None and not zero."""
    for attempt, truth in pairs:
        completion = attempt.completion
        assert (completion.prompt_tokens, completion.cached_tokens) == (truth.prompt_tokens, truth.cached_tokens)
        assert completion.completion_tokens == -(-len(truth.text) // -(-len(truth.text) // PIECES))
    assert {attempt.completion.cached_tokens is None for attempt, _ in pairs} == {True, False}


def test_no_time_is_shorter_than_the_truth(pairs: list[tuple[AttemptRecord, Truth]]) -> None:
    """TTFT and latency contain what the server took, from the request to the first text and to the end, and follow each other. How
    close they come to it is printed by the benchmark of truth.
    """
    for attempt, truth in pairs:
        completion = attempt.completion
        assert completion.ttft is not None
        assert FIRST_PAUSE <= truth.first_text - truth.received <= completion.ttft <= completion.latency
        assert truth.ended - truth.received <= completion.latency
        assert completion.prefill + completion.decode == pytest.approx(completion.latency)


def test_the_exact_messages_are_kept(run: Run, pairs: list[tuple[AttemptRecord, Truth]]) -> None:
    """The messages under an attempt's hashes are byte for byte those that the server got, nonce included."""
    for attempt, truth in pairs:
        assert [run.messages[name].to_dict() for name in attempt.messages] == truth.body["messages"]


def test_every_outcome_is_the_known_one(run: Run, pairs: list[tuple[AttemptRecord, Truth]]) -> None:
    """Rung and cause are those that the answer was made for, apart from the language, which differs from task to task."""
    by_text = {text: (rung, cause) for text, rung, cause in ANSWERS.values()}
    for attempt, truth in pairs:
        outcome = attempt.outcome
        if truth.finish_reason == "length":
            assert (outcome.rung, outcome.cause) == ("answered", "truncated")
        elif outcome.mismatch and by_text[truth.text][1] is None:
            assert (outcome.rung, outcome.cause, outcome.declared) == ("schema-valid", "other", "py")
        elif outcome.declared == "js":
            good = ("schema-valid", "other") if outcome.mismatch else ("code parses", None)
            assert (outcome.rung, outcome.cause) == (("schema-valid", "syntax") if "= ;" in truth.text else good)
        else:
            assert (outcome.rung, outcome.cause) == by_text[truth.text]


def test_every_cause_occurs_in_the_run(pairs: list[tuple[AttemptRecord, Truth]]) -> None:
    """The run has met every cause of the closed list but the one of constrained decoding, which its stacks do not ask for."""
    assert {attempt.outcome.cause for attempt, _ in pairs} - {None} == set(CAUSES) - {"decoding ignored"}


def test_cold_prompts_begin_with_a_nonce_of_their_own(run: Run, pairs: list[tuple[AttemptRecord, Truth]]) -> None:
    """In the cold regime every prompt, a retry's too, begins with another nonce of the same length; in the warm one none does."""
    nonces = Counter(NONCE.match(truth.body["messages"][0]["content"]) for attempt, truth in pairs if attempt.cache == "warm")
    assert set(nonces) == {None}
    cold = [NONCE.match(truth.body["messages"][0]["content"]) for attempt, truth in pairs if attempt.cache == "cold"]
    texts = [match.group() for match in cold if match]
    assert len(texts) == len(cold) == len(set(texts))
    assert all(attempt.cache == trial.regime for trial in run.trials for attempt in trial.attempts)


def test_regimes_are_never_mixed(known: tuple[Finished, list[Truth]], run: Run) -> None:
    """Every distribution holds the values of one stack in one regime, all of them, in order."""
    entries = {entry["name"]: entry for entry in known[0].saved["benchmarks"]}
    for series in run.header.settings.series:
        expected = [trial.first.completion.ttft for trial in run.trials if trial.series == series]
        assert len(expected) == 24
        assert entries[f"test_ttft[{series}]"]["stats"]["data"] == expected
        assert entries[f"test_ttft[{series}]"]["extra_info"]["regime"] == series.regime


def test_cold_and_warm_prompts_differ_by_the_nonce_alone(run: Run) -> None:
    """A task's first prompt is the same in both regimes but for the nonce, so tokens differ by the same number everywhere."""
    tokens = {trial.key: trial.first.completion.prompt_tokens for trial in run.trials}
    added = {
        count - tokens[epoch, task, stack, "warm"] for (epoch, task, stack, regime), count in tokens.items() if regime == "cold"
    }
    assert added == {NONCE_DIGITS + 1}


def test_the_look_up_is_recorded_apart(run: Run) -> None:
    """Facts and seconds of the look-up stand in the trials of the stack that asks memory, and in no latency."""
    for trial in run.trials:
        assert (trial.facts is not None, trial.retrieval_seconds is not None) == (trial.stack == "optimized",) * 2
        assert trial.latency == sum(attempt.completion.latency for attempt in trial.attempts)
    assert all(len(trial.facts or ()) == 5 for trial in run.trials if trial.stack == "optimized")


@pytest.mark.parametrize("regime", REGIMES)
def test_the_causes_shown_are_those_of_the_trials(known: tuple[Finished, list[Truth]], run: Run, regime: Regime) -> None:
    """The table of causes counts, for every stack in the regime, the first tries and the last ones."""
    _, _, below = known[0].output.partition(f"{regime} prefix cache")
    lines = below.partition("causes, first try > after retry")[2].partition("\n\n")[0].splitlines()[1:]
    shown = {line.partition("  ")[0]: re.findall(r"(\d+) > (\d+)", line) for line in lines}
    expected: dict[str, list[tuple[str, str]]] = {}
    for cause in (*CAUSES, MISMATCH):
        counts = [_counts(run, Series(stack, regime), cause) for stack in run.header.settings.stacks]
        expected |= {cause: counts} if any(count != ("0", "0") for count in counts) else {}
    assert shown == expected


MISMATCH = "other: not the language asked for"


def _counts(run: Run, series: Series, cause: str) -> tuple[str, str]:
    """How often a cause stands at the first tries of a series, and at its last ones."""
    attempts = [trial.attempts for trial in run.trials if trial.series == series]
    named = [[_named_cause(attempt.outcome) for attempt in tried] for tried in attempts]
    return str(sum(names[0] == cause for names in named)), str(sum(names[-1] == cause for names in named))


def _named_cause(outcome: Outcome) -> str | None:
    return MISMATCH if outcome.cause == "other" and outcome.mismatch else outcome.cause
