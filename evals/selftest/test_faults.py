"""Infrastructure faults, one by one: what a run records of them, how long they take, and that later trials are unharmed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.errors import MemoryStoreError
from agent.memory import Context
from evals.journal import read_journal
from evals.live import LiveRun
from evals.selftest.live_session import ANSWER, CHAT, live_session, prompt_length, routes, valid
from evals.selftest.scripted_run import HASTY, planned_trials, scripted_run
from evals.selftest.scripted_server import (
    Response,
    as_json,
    chat_chunk,
    chat_stream,
    event,
    refusing_port,
    scripted_server,
    usage_chunk,
)
from evals.trials import Trial

FOREVER = 30.0
HELLO = event(chat_chunk({"content": "Hello"}))
STOP = event(chat_chunk({}, "stop"))
USAGE = event(usage_chunk(10, 2))


def stream(*steps: bytes | float | None) -> Response:
    """A streamed answer of these steps."""
    return Response(steps, content_type="text/event-stream")


def endless() -> Response:
    """Tokens that never end, slowly enough to be silent at no moment."""

    def steps() -> Iterator[bytes | float]:
        for _ in itertools.count():
            yield HELLO
            yield 0.02

    return Response(steps(), content_type="text/event-stream")


def error(status: int, message: str) -> Response:
    """An HTTP error."""
    return as_json({"error": {"message": message}}, status)


FAULTS: dict[str, tuple[Callable[[], Response], str, str, str]] = {
    "hangs before headers": (lambda: Response(pause_before_headers=FOREVER), "ModelTimeoutError", "silent for too long", ""),
    "hangs mid-stream": (lambda: stream(HELLO, FOREVER), "ModelTimeoutError", "silent for too long", "Hello"),
    "drops mid-stream": (lambda: stream(HELLO, None), "ModelStreamError", "dropped the stream", "Hello"),
    "ends without a finish reason": (
        lambda: chat_stream(["Hello"], finish_reason=None),
        "ModelStreamError",
        "ended without a finish reason",
        "Hello",
    ),
    "no usage": (lambda: chat_stream(["Hello"], usage=False), "ModelStreamError", "ended without token usage", "Hello"),
    "malformed event": (lambda: stream(HELLO, b"data: {oops}\n\n"), "ModelStreamError", "malformed stream", "Hello"),
    "empty choices": (
        lambda: stream(event({**chat_chunk({}), "choices": []}), USAGE),
        "ModelStreamError",
        "ended without a finish reason",
        "",
    ),
    "404 model": (lambda: error(404, "model 'x' not found"), "ModelStatusError", "answered HTTP 404", ""),
    "500": (lambda: error(500, "out of memory"), "ModelStatusError", "answered HTTP 500", ""),
    "503": (lambda: error(503, "loading"), "ModelStatusError", "answered HTTP 503", ""),
    "200 with an error event": (
        lambda: stream(HELLO, event({"error": {"message": "lost the GPU"}})),
        "ModelStreamError",
        "lost the GPU",
        "Hello",
    ),
    "endless tokens": (endless, "ModelTimeoutError", "had not finished after 1 s", "HelloHello"),
}


def faulty_tries(response: Callable[[], Response], tries: int) -> Callable[[dict[str, Any]], Response]:
    """Answer the first ``tries`` requests with the fault, and all others well."""
    count = itertools.count()
    return lambda body: response() if next(count) < tries else valid(body)


def measured(run: LiveRun) -> list[Trial]:
    """All trials of the plan, measured."""
    return [run.measure(planned) for planned in run.planned]


@pytest.mark.parametrize(("response", "kind", "message", "text"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_recorded_and_harms_no_later_trial(
    tmp_path: Path, response: Callable[[], Response], kind: str, message: str, text: str
) -> None:
    """A trial whose three tries all met a fault has no answer; each try's record says what happened, what had arrived, and how
    long it took, never longer than the deadline and a second; the trials after it are answered at once.
    """
    with (
        scripted_server({CHAT: faulty_tries(response, tries=3)}) as server,
        scripted_run(server.url, tmp_path, planned_trials()) as run,
    ):
        first, *later = measured(run)
    assert (first.attempts, len(first.faults), str(first.fault)) == ((), 3, str(first.faults[2]))
    for fault in first.faults:
        assert (fault.kind, message in fault.message) == (kind, True), fault
        assert fault.text.startswith(text)
        assert 0 < fault.seconds < HASTY.deadline + 1
        assert fault.messages == later[0].first.messages[:-1] + fault.messages[-1:]
    assert [(trial.faults, trial.last.valid) for trial in later] == [((), True)] * 2
    assert list(read_journal(run.journal.file).trials.values()) == [first, *later]


def test_a_refused_connection_is_a_fault(tmp_path: Path) -> None:
    """Where nobody listens, every try is recorded as refused."""
    with refusing_port() as port, scripted_run(f"http://127.0.0.1:{port}", tmp_path, planned_trials(1)) as run:
        (trial,) = measured(run)
    assert [fault.kind for fault in trial.faults] == ["ModelConnectionError"] * 3
    assert "cannot be reached" in trial.faults[0].message


def test_split_utf8_is_no_fault(tmp_path: Path) -> None:
    """A character whose bytes come in two network chunks is in the recorded answer, whole."""
    answer = ANSWER.replace("One.", "Größe 🚀")
    raw = b"data: " + json.dumps(chat_chunk({"content": answer}), ensure_ascii=False).encode() + b"\n\n"
    cut = raw.index("🚀".encode()) + 2
    with (
        scripted_server({CHAT: lambda _: stream(raw[:cut], 0.01, raw[cut:], STOP, USAGE)}) as server,
        scripted_run(server.url, tmp_path, planned_trials(1)) as run,
    ):
        (trial,) = measured(run)
    assert (trial.faults, trial.last.completion.text, trial.last.valid) == ((), answer, True)


def test_half_a_character_in_an_error_harms_nothing(tmp_path: Path) -> None:
    """A server's error that no file of text could hold is recorded with a replacement, and the journal can be read."""
    response = Response([b'{"error": {"message": "bad \\ud800 character"}}'], status=500)
    with (
        scripted_server({CHAT: faulty_tries(lambda: response, 1)}) as server,
        scripted_run(server.url, tmp_path, planned_trials(1)) as run,
    ):
        (trial,) = measured(run)
    assert "bad \ufffd character" in trial.faults[0].message
    assert list(read_journal(run.journal.file).trials.values()) == [trial]


@pytest.mark.parametrize("tries", [1, 2])
def test_a_trial_is_tried_again_and_its_call_counts_as_cold(tmp_path: Path, tries: int) -> None:
    """A trial that is answered at its second or third try keeps the faults, its first call counts as cold, and so its times are in
    no warm distribution; the trial after it is warm again.
    """
    with (
        scripted_server({CHAT: faulty_tries(FAULTS["500"][0], tries)}) as server,
        scripted_run(server.url, tmp_path, planned_trials(2)) as run,
    ):
        first, second = measured(run)
    assert (len(first.faults), first.fault, first.last.valid) == (tries, None, True)
    assert (first.first.cache, first.timed) == ("cold", False)
    assert (second.first.cache, second.timed) == ("warm", True)


def test_the_first_call_after_an_unanswered_trial_counts_as_cold(tmp_path: Path) -> None:
    """Nobody knows what the server still held after three faults, so the next call counts as cold, and only that one."""
    with (
        scripted_server({CHAT: faulty_tries(FAULTS["500"][0], 3)}) as server,
        scripted_run(server.url, tmp_path, planned_trials(3)) as run,
    ):
        _, second, third = measured(run)
    assert (second.first.cache, third.first.cache) == ("cold", "warm")


def test_what_was_measured_before_a_fault_is_kept(tmp_path: Path) -> None:
    """When the corrective retry meets a fault, the attempt before it is in the fault's record, with its outcome."""

    def chat(body: dict[str, Any]) -> Response:
        corrected = "rejected" in body["messages"][-1]["content"]
        return FAULTS["500"][0]() if corrected else chat_stream(["Sure!"], prompt_tokens=prompt_length(body))

    with (
        scripted_server({CHAT: chat}) as server,
        scripted_run(server.url, tmp_path, planned_trials(1, stack="optimized"), memory=OneFact()) as run,
    ):
        (trial,) = measured(run)
    assert trial.attempts == ()
    for fault in trial.faults:
        assert (fault.facts, fault.retrieval_seconds) == (("User prefers tabs",), 0.01)
        assert [attempt.completion.text for attempt in fault.attempts] == ["Sure!"]
        assert (fault.attempts[0].outcome.cause, len(fault.messages)) == ("other", 4)


class OneFact:
    """A memory that holds one fact, or that fails."""

    def __init__(self, fault: MemoryStoreError | None = None) -> None:
        self.fault = fault

    def retrieve_context(self, query: str, user_id: str) -> Context:
        """The fact."""
        if self.fault:
            raise self.fault
        return Context(("User prefers tabs",), 0.01)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a run with read-only memory called {name}")


def test_a_fault_of_memory_is_a_fault(tmp_path: Path) -> None:
    """A look-up that fails is recorded like a fault of the server, without a call."""
    locked = OneFact(MemoryStoreError("locked"))
    with (
        scripted_server({CHAT: valid}) as server,
        scripted_run(server.url, tmp_path, planned_trials(1, stack="optimized"), memory=locked) as run,
    ):
        (trial,) = measured(run)
        assert server.bodies(CHAT) == []
    assert [(fault.kind, fault.message, fault.messages) for fault in trial.faults] == [("MemoryStoreError", "locked", ())] * 3


def test_above_the_budget_the_run_stops_with_what_it_has(tmp_path: Path) -> None:
    """The third trial without an answer ends the run: what was measured is saved, marked incomplete, and not judged, and the
    message says how to go on.
    """
    count = itertools.count()

    def chat(body: dict[str, Any]) -> Response:
        return valid(body) if next(count) < 6 else FAULTS["500"][0]()

    with scripted_server(routes(chat)) as server:
        finished = live_session(server.url, tmp_path, "--stack", "naive", "--epochs", "1")
    run = finished.run
    assert finished.code == pytest.ExitCode.INTERRUPTED
    assert (len(run.trials), len(run.faulted), len(run.missing), run.complete) == (7, 3, 5, False)
    assert "infrastructure fault, not an answer, in 3 tries: ModelStatusError" in finished.output
    assert f"pytest evals/ -m live --benchmark-storage=file://{tmp_path} --resume={run.header.run}" in finished.output
    assert "INCOMPLETE: of 12 planned trials 5 were not run and 3 met an infrastructure fault" in finished.output
    assert finished.saved["evals"]["judgements"]["naive-warm"]["verdict"] == "INCONCLUSIVE"
    assert len(finished.saved["benchmarks"][0]["stats"]["data"]) == 4


def test_faults_within_the_budget_leave_the_run_incomplete(tmp_path: Path) -> None:
    """A single trial without an answer does not stop the run, is in no figure, and keeps the run from being judged; one that was
    answered later is said to be so.
    """
    count = itertools.count()

    def chat(body: dict[str, Any]) -> Response:
        return FAULTS["500"][0]() if next(count) in (4, 5, 6, 8) else valid(body)

    with scripted_server(routes(chat)) as server:
        finished = live_session(server.url, tmp_path, "--stack", "naive", "--epochs", "1")
    assert (len(finished.run.trials), len(finished.run.faulted), finished.run.complete) == (12, 1, False)
    assert "INCONCLUSIVE: 1 trial(s) met an infrastructure fault" in finished.output
    assert "1 trial(s) have an answer only after an infrastructure fault." in finished.output
    assert "2 trial(s) are in no time above: their first call came after a fault" in finished.output
