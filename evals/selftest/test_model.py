"""The model client against a scripted server: what is sent, what is read, and every fault as the right exception."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import ModelConnectionError, ModelError, ModelStatusError, ModelStreamError, ModelTimeoutError
from agent.model import Completion, OpenAIModel, Timeouts
from agent.prompts import Message
from agent.sampling import Sampling, derive_seed
from evals.selftest.scripted_server import (
    Response,
    ScriptedServer,
    as_json,
    chat_chunk,
    chat_stream,
    event,
    raw_server,
    refusing_port,
    scripted_server,
    usage_chunk,
)

CHAT = "POST /v1/chat/completions"
MESSAGES = (Message("system", "Rules."), Message("user", "Write."))
PATIENT = Timeouts(connect=5, read=20, deadline=20)
HASTY = Timeouts(connect=5, read=0.5, deadline=20)
DEADLINE = Timeouts(connect=5, read=20, deadline=0.5)
FOREVER = 30.0
"""Seconds that a script pauses for; no client here waits as long."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server that streams ``Hello``."""
    with scripted_server({CHAT: lambda _: chat_stream(["Hel", "lo"])}) as running:
        yield running


@pytest.fixture
def model(server: ScriptedServer) -> Iterator[OpenAIModel]:
    """A client of the scripted server."""
    with OpenAIModel(f"{server.url}/v1", "scripted", timeouts=PATIENT) as client:
        yield client


def _stream(*steps: bytes | float | None) -> Response:
    return Response(steps, content_type="text/event-stream")


def _usage(**counts: object) -> bytes:
    return event({**usage_chunk(10, 2), "usage": counts})


ROLE = event(chat_chunk({"role": "assistant", "content": ""}))
HELLO = event(chat_chunk({"content": "Hello"}))
STOP = event(chat_chunk({}, "stop"))
USAGE = event(usage_chunk(10, 2))
DONE = b"data: [DONE]\n\n"


def _complete(server: ScriptedServer, response: Response, timeouts: Timeouts = PATIENT) -> Completion:
    server.routes[CHAT] = lambda _: response
    with OpenAIModel(f"{server.url}/v1", "scripted", timeouts=timeouts) as model:
        return model.complete(MESSAGES, Sampling())


def test_what_is_sent(server: ScriptedServer, model: OpenAIModel) -> None:
    """A request holds the model, the messages, all sampling parameters, and asks for a stream with usage; nothing else."""
    model.complete(MESSAGES, Sampling(temperature=0.3, top_p=0.8, max_tokens=77, seed=5))
    assert server.bodies(CHAT) == [
        {
            "model": "scripted",
            "messages": [{"role": "system", "content": "Rules."}, {"role": "user", "content": "Write."}],
            "temperature": 0.3,
            "top_p": 0.8,
            "max_tokens": 77,
            "seed": 5,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_sampling_defaults_are_sent(server: ScriptedServer, model: OpenAIModel) -> None:
    """Temperature 0.2 and top_p 0.95 are sent by default, since servers have other defaults."""
    model.complete(MESSAGES, Sampling())
    body = server.bodies(CHAT)[0]
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == (0.2, 0.95, 1024, 0)


@pytest.mark.parametrize(("key", "sent"), [("secret", "Bearer secret"), ("", "Bearer none")])
def test_the_key_is_a_bearer_token(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, key: str, sent: str) -> None:
    """The key that was given is sent as a bearer token, and never the one that another service's variable holds."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    with OpenAIModel(f"{server.url}/v1", "scripted", api_key=key, timeouts=PATIENT) as model:
        model.complete(MESSAGES, Sampling())
    assert server.authorizations == [sent]


def test_what_is_read(server: ScriptedServer) -> None:
    """The completion holds the server's own token counts, its finish reason and the whole text."""
    completion = _complete(server, chat_stream(["Hel", "lo"], prompt_tokens=12))
    assert (completion.prompt_tokens, completion.completion_tokens) == (12, 2)
    assert (completion.finish_reason, completion.text) == ("stop", "Hello")


@pytest.mark.parametrize("cached", [None, 0, 7])
def test_cached_tokens_not_reported_are_not_zero(server: ScriptedServer, cached: int | None) -> None:
    """Cached tokens are what the server reports, and None when it reports none."""
    assert _complete(server, chat_stream(["x"], cached_tokens=cached)).cached_tokens == cached


@pytest.mark.parametrize("details", [{}, {"cached_tokens": None}, None])
def test_empty_token_details_are_not_zero(server: ScriptedServer, details: object) -> None:
    """Token details without cached tokens are none reported."""
    usage = _usage(prompt_tokens=10, completion_tokens=2, prompt_tokens_details=details)
    assert _complete(server, _stream(HELLO, STOP, usage, DONE)).cached_tokens is None


def test_a_truncated_answer_has_its_finish_reason(server: ScriptedServer) -> None:
    """An answer that hit max_tokens is a completion with the finish reason length, not a fault."""
    assert _complete(server, chat_stream(["cut"], finish_reason="length")).finish_reason == "length"


def test_ttft_skips_the_role_chunk(server: ScriptedServer) -> None:
    """TTFT ends at the first text, not at the chunk with the role and no text before it."""
    completion = _complete(server, chat_stream(["Hel", "lo"], first_pause=0.2, pause=0.1))
    assert completion.ttft is not None
    assert completion.ttft >= 0.2
    assert completion.latency >= 0.3


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thinking_ends_the_prefill_and_not_the_ttft(server: ScriptedServer, name: str) -> None:
    """A model that thinks first has its first token with its first thought, its TTFT with the answer; thoughts are kept apart."""
    thoughts = [event(chat_chunk({name: piece})) for piece in ("Let me ", "see.")]
    completion = _complete(server, _stream(ROLE, thoughts[0], 0.1, thoughts[1], HELLO, STOP, USAGE, DONE))
    assert (completion.reasoning, completion.text) == ("Let me see.", "Hello")
    assert completion.first_token is not None
    assert completion.ttft is not None
    assert completion.ttft > completion.first_token
    assert completion.prefill == completion.first_token
    assert completion.decode == completion.latency - completion.first_token


def test_without_thinking_the_first_token_is_the_ttft(server: ScriptedServer) -> None:
    """Where nothing is thought, first token and TTFT are the same moment."""
    completion = _complete(server, chat_stream(["Hel", "lo"]))
    assert (completion.first_token, completion.reasoning) == (completion.ttft, "")


TIMINGS: list[tuple[object, int | None, float | None]] = [
    ({"cache_n": 7, "prompt_ms": 12.5}, 7, 0.0125),
    ({"prompt_ms": 0}, None, 0.0),
    ({"prompt_ms": "x"}, None, None),
    ([], None, None),
]


@pytest.mark.parametrize(("timings", "cached", "prefill"), TIMINGS)
def test_timings_of_llama_cpp_are_read(server: ScriptedServer, timings: object, cached: int | None, prefill: float | None) -> None:
    """Cached tokens and the time for the prompt come from llama.cpp's timings where they are reported there alone."""
    completion = _complete(server, _stream(HELLO, STOP, event({**usage_chunk(10, 2), "timings": timings}), DONE))
    assert (completion.cached_tokens, completion.server_prefill) == (cached, prefill)


def test_a_redirect_is_part_of_the_time(server: ScriptedServer) -> None:
    """The clock starts when the request is first sent, and not again after a redirect."""
    answer = chat_stream(["Hello"])
    moved = Response(status=307, pause_before_headers=0.1, headers={"Location": f"{server.url}/elsewhere"})
    server.routes["POST /elsewhere"] = lambda _: answer
    completion = _complete(server, moved)
    assert completion.text == "Hello"
    assert completion.ttft is not None
    assert completion.ttft >= 0.1


def test_an_answer_without_end_is_cut(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that floods faster than the deadline is stopped by the length of the answer."""
    monkeypatch.setattr("agent.model.MOST_CHARACTERS", 1000)
    with pytest.raises(ModelStreamError, match="longer than 1,000 characters"):
        _complete(server, _stream(*[HELLO] * 300, STOP, USAGE, DONE))


def test_no_text_has_no_ttft(server: ScriptedServer) -> None:
    """An answer without any text has no TTFT, although chunks came."""
    completion = _complete(server, chat_stream([]))
    assert (completion.ttft, completion.text, completion.completion_tokens) == (None, "", 0)


def test_on_text_gets_each_piece(server: ScriptedServer, model: OpenAIModel) -> None:
    """The callback gets every piece of text as it was sent, and no empty one."""
    server.routes[CHAT] = lambda _: chat_stream(["one ", "two ", "", "three"])
    pieces: list[str] = []
    model.complete(MESSAGES, Sampling(), pieces.append)
    assert pieces == ["one ", "two ", "three"]


def test_utf8_split_between_chunks_is_whole(server: ScriptedServer) -> None:
    """A character whose bytes come in several HTTP chunks arrives whole."""
    raw = b"data: " + json.dumps(chat_chunk({"content": "Grüße 🚀"}), ensure_ascii=False).encode() + b"\n\n"
    single_bytes = [raw[place : place + 1] for place in range(len(raw))]
    assert _complete(server, _stream(*single_bytes, STOP, USAGE, DONE)).text == "Grüße 🚀"


def test_events_glued_together_are_read_apart(server: ScriptedServer) -> None:
    """Events that come in one HTTP chunk are the same as events that come alone."""
    assert _complete(server, _stream(ROLE + HELLO + STOP + USAGE + DONE)).text == "Hello"


def test_surrogate_halves_are_joined(server: ScriptedServer) -> None:
    """A character that the server escaped in two halves, in two chunks, arrives whole, and a half alone is replaced."""
    halves = [event(chat_chunk({"content": half})) for half in ("a\ud83d", "\ude80b", "\ud83d")]
    assert _complete(server, _stream(*halves, STOP, USAGE, DONE)).text == "a🚀b\ufffd"


@pytest.mark.parametrize("done", [True, False])
def test_a_missing_done_marker_is_no_fault(server: ScriptedServer, *, done: bool) -> None:
    """A stream with finish reason and usage is complete, whether or not ``[DONE]`` follows."""
    assert _complete(server, _stream(HELLO, STOP, USAGE, *([DONE] if done else []))).text == "Hello"


def test_usage_beside_the_finish_reason_is_read(server: ScriptedServer) -> None:
    """Usage may come in the chunk with the finish reason, as some servers send it."""
    last = event({**chat_chunk({}, "stop"), "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}})
    assert _complete(server, _stream(HELLO, last, DONE)).prompt_tokens == 3


def _with_choices(choices: object) -> bytes:
    return event({**chat_chunk({"content": "x"}), "choices": choices})


def _error(status: int) -> Response:
    return as_json({"error": {"message": f"scripted fault {status}"}}, status)


FAULTS: dict[str, tuple[Response, type[ModelError], str]] = {
    "hangs mid-stream": (_stream(ROLE, HELLO, FOREVER), ModelTimeoutError, "silent"),
    "hangs after the finish reason": (_stream(ROLE, HELLO, STOP, FOREVER), ModelTimeoutError, "silent"),
    "hangs before headers": (Response(pause_before_headers=FOREVER), ModelTimeoutError, "silent"),
    "drops before any event": (_stream(None), ModelStreamError, "dropped"),
    "drops mid-stream": (_stream(ROLE, HELLO, None), ModelStreamError, "dropped"),
    "drops inside an event": (_stream(ROLE, HELLO[:20], None), ModelStreamError, "dropped"),
    "ends inside an event": (_stream(ROLE, HELLO, STOP[:-30]), ModelStreamError, "stream"),
    "no finish reason": (chat_stream(["x"], finish_reason=None), ModelStreamError, "without a finish reason"),
    "nothing at all": (_stream(), ModelStreamError, "without a finish reason"),
    "only [DONE]": (_stream(DONE), ModelStreamError, "without a finish reason"),
    "finish reason of a wrong type": (_stream(HELLO, event(chat_chunk({}, 5)), USAGE, DONE), ModelStreamError, "finish reason"),
    "no usage": (chat_stream(["x"], usage=False), ModelStreamError, "without token usage"),
    "usage null": (
        _stream(HELLO, STOP, event({**usage_chunk(1, 1), "usage": None}), DONE),
        ModelStreamError,
        "without token usage",
    ),
    "only empty choices": (_stream(_with_choices([]), USAGE, DONE), ModelStreamError, "without a finish reason"),
    "malformed event": (_stream(ROLE, b"data: {nonsense}\n\n", STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "event of bad UTF-8": (_stream(ROLE, b'data: {"id": "\xff"}\n\n', STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "event that is a list": (_stream(b"data: []\n\n", STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "event that is a string": (_stream(b'data: "x"\n\n', STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "choices null": (_stream(_with_choices(None), STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "choices a string": (_stream(_with_choices("x"), STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "choices of numbers": (_stream(_with_choices([1]), STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "choice without delta": (_stream(_with_choices([{"index": 0}]), STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "delta null": (_stream(_with_choices([{"index": 0, "delta": None}]), STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "content a number": (_stream(event(chat_chunk({"content": 5})), STOP, USAGE, DONE), ModelStreamError, "malformed"),
    "200 with an error event": (_stream(event({"error": {"message": "out of memory"}})), ModelStreamError, "out of memory"),
    "error event mid-stream": (_stream(HELLO, event({"error": {"message": "lost"}}), STOP, USAGE, DONE), ModelStreamError, "lost"),
    "200 with JSON": (as_json({"choices": [{"message": {"content": "x"}}]}), ModelStreamError, ""),
    "200 with a web page": (Response([b"<html>hello</html>"], content_type="text/html"), ModelStreamError, ""),
    "400": (_error(400), ModelStatusError, "HTTP 400"),
    "401": (_error(401), ModelStatusError, "HTTP 401"),
    "404": (_error(404), ModelStatusError, "HTTP 404"),
    "429": (_error(429), ModelStatusError, "HTTP 429"),
    "500": (_error(500), ModelStatusError, "scripted fault 500"),
    "503": (_error(503), ModelStatusError, "HTTP 503"),
    "500 with a web page": (Response([b"<html>oops</html>"], 500, "text/html"), ModelStatusError, "HTTP 500"),
}


@pytest.mark.parametrize(("response", "kind", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_its_own_exception(server: ScriptedServer, response: Response, kind: type[ModelError], words: str) -> None:
    """Every fault is the right exception, costs exactly one request, and leaves the model usable."""
    good = server.routes[CHAT]
    server.routes[CHAT] = lambda _: response
    with OpenAIModel(f"{server.url}/v1", "scripted", timeouts=HASTY) as model:
        with pytest.raises(ModelError) as raised:
            model.complete(MESSAGES, Sampling())
        assert (type(raised.value), words in str(raised.value)) == (kind, True), str(raised.value)
        assert server.url in str(raised.value) or "stream ended" in str(raised.value) or "usage" in str(raised.value)
        assert len(server.requests) == 1
        server.routes[CHAT] = good
        assert model.complete(MESSAGES, Sampling()).text == "Hello"


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_http_error_keeps_its_status(server: ScriptedServer, status: int) -> None:
    """The exception for an HTTP error carries the status code."""
    with pytest.raises(ModelStatusError) as raised:
        _complete(server, _error(status))
    assert raised.value.status == status


def test_a_refused_connection_is_a_connection_error() -> None:
    """A port where nobody listens is a connection error that names the URL."""
    with (
        refusing_port() as port,
        OpenAIModel(f"http://127.0.0.1:{port}/v1", "scripted", timeouts=PATIENT) as model,
        pytest.raises(ModelConnectionError, match=f"http://127.0.0.1:{port}/v1 cannot be reached"),
    ):
        model.complete(MESSAGES, Sampling())


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n"])
def test_what_speaks_no_http_is_a_connection_error(answer: bytes) -> None:
    """A server that hangs up or speaks another protocol before any headers is a connection error."""
    with (
        raw_server(answer) as url,
        OpenAIModel(f"{url}/v1", "scripted", timeouts=PATIENT) as model,
        pytest.raises(ModelConnectionError),
    ):
        model.complete(MESSAGES, Sampling())


NONSENSE = {
    "none": {},
    "null": {"prompt_tokens": None, "completion_tokens": 1},
    "no completion tokens": {"prompt_tokens": 1},
    "negative": {"prompt_tokens": -1, "completion_tokens": 1},
    "fraction": {"prompt_tokens": 1, "completion_tokens": 1.5},
    "text": {"prompt_tokens": "many", "completion_tokens": 1},
    "boolean": {"prompt_tokens": True, "completion_tokens": 1},
    "list": {"prompt_tokens": [1], "completion_tokens": 1},
    "cached text": {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": "some"}},
    "cached negative": {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": -1}},
}


@pytest.mark.parametrize("counts", NONSENSE.values(), ids=NONSENSE)
def test_usage_that_counts_nothing_is_a_fault(server: ScriptedServer, counts: dict[str, object]) -> None:
    """Usage without whole, non-negative counts is a fault of the server; no made-up number is recorded."""
    with pytest.raises(ModelStreamError, match=r"not a count|without token usage"):
        _complete(server, _stream(HELLO, STOP, _usage(**counts), DONE))


def _keep_alive() -> Iterator[bytes | float]:
    for _ in itertools.count():
        yield b": ping\n\n"
        yield 0.05


def _endless(pause: float) -> Iterator[bytes | float]:
    for _ in itertools.count():
        yield HELLO
        yield pause


ENDLESS: dict[str, Callable[[], Response]] = {
    "silence before headers": lambda: Response(pause_before_headers=FOREVER),
    "silence mid-stream": lambda: _stream(HELLO, FOREVER),
    "keep-alive comments": lambda: Response(_keep_alive(), content_type="text/event-stream"),
    "slow tokens": lambda: Response(_endless(0.05), content_type="text/event-stream"),
    "a flood of tokens": lambda: Response(_endless(0.0), content_type="text/event-stream"),
}


@pytest.mark.parametrize("endless", ENDLESS.values(), ids=ENDLESS)
def test_the_deadline_ends_a_call(server: ScriptedServer, endless: Callable[[], Response]) -> None:
    """A call ends at its overall deadline, whatever the server keeps sending, and leaves the model usable."""
    good = server.routes[CHAT]
    with OpenAIModel(f"{server.url}/v1", "scripted", timeouts=DEADLINE) as model:
        model.complete(MESSAGES, Sampling())
        server.routes[CHAT] = lambda _: endless()
        started = time.monotonic()
        with pytest.raises(ModelTimeoutError, match=r"0.5 s"):
            model.complete(MESSAGES, Sampling())
        assert time.monotonic() - started < DEADLINE.deadline + 1
        assert len(server.requests) == 2
        server.routes[CHAT] = good
        assert model.complete(MESSAGES, Sampling()).text == "Hello"


def test_each_call_has_its_own_connection(server: ScriptedServer, model: OpenAIModel) -> None:
    """Every call opens a connection, so none is quicker, or fails, because of the one before."""
    for _ in range(3):
        model.complete(MESSAGES, Sampling())
    assert server.connections == 3


@settings(max_examples=200, deadline=None)
@given(st.integers(), st.text(), st.integers())
def test_a_seed_depends_on_run_task_and_epoch_alone(run_seed: int, task: str, epoch: int) -> None:
    """The seed is the same for the same run seed, task and epoch, differs with each, and fits 31 bits."""
    seed = derive_seed(run_seed, task, epoch)
    assert seed == derive_seed(run_seed, task, epoch)
    assert 0 <= seed < 2**31
    assert seed not in (derive_seed(run_seed + 1, task, epoch), derive_seed(run_seed, task + "x", epoch))
    assert seed != derive_seed(run_seed, task, epoch + 1)
