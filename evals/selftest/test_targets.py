"""Targets by URL, embedders by URL#MODEL, and what surrounds them: keys, proxies, files for the embedded engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import TargetError
from agent.model import OpenAIModel
from agent.prompts import Message
from agent.sampling import Sampling
from agent.targets import embedded
from agent.targets.embedder import Embedder
from agent.targets.http import fetch_json
from agent.targets.target import Target, open_embedder, open_target, shield_loopback_from_proxies
from evals.selftest.scripted_server import (
    Response,
    ScriptedServer,
    as_json,
    chat_stream,
    embeddings,
    raw_server,
    refusing_port,
    scripted_server,
)

MODELS = "GET /v1/models"
EMBEDDINGS = "POST /v1/embeddings"
KEY = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server with one model, which chats and embeds."""
    routes = {
        MODELS: lambda _: _models("coder"),
        EMBEDDINGS: embeddings,
        "POST /v1/chat/completions": lambda _: chat_stream(["hi"]),
    }
    with scripted_server(routes) as running:
        yield running


def _models(*names: str) -> Response:
    return as_json({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


def _opened(choice: str, model: str | None = None) -> Target:
    with open_target(choice, model) as target:
        return target


def _refusal(choice: str, model: str | None = None) -> str:
    with pytest.raises(TargetError) as raised:
        _opened(choice, model)
    return str(raised.value)


def _embedder(target: Target, spec: str | None = None) -> Embedder:
    with open_embedder(target, spec) as embedder:
        return embedder


def _at(server: ScriptedServer) -> Target:
    return _opened(f"{server.url}/v1")


@pytest.mark.parametrize("end", ["/v1", "/v1/"])
def test_a_url_is_a_target(server: ScriptedServer, end: str) -> None:
    """A URL with or without a slash at its end is a target with the server's address as its name, and no note."""
    target = _opened(server.url + end, "coder")
    assert (target.kind, target.base_url, target.model) == ("url", f"{server.url}/v1", "coder")
    assert (target.server, target.context_length, target.note) == (server.url.removeprefix("http://"), None, "")


def test_a_single_model_is_chosen(server: ScriptedServer) -> None:
    """Where a server has one model, it need not be named."""
    assert _at(server).model == "coder"


@pytest.mark.parametrize(
    ("served", "asked", "words"),
    [
        (("a", "b"), None, "does not serve a single model; it serves a, b."),
        (("a", "b"), "c", "does not serve c; it serves a, b."),
        (("coder",), "Coder", "does not serve Coder; it serves coder."),
        ((), None, "does not serve a single model; it serves none."),
        ((), "c", "does not serve c; it serves none."),
    ],
)
def test_a_model_that_is_not_served_is_an_error(
    server: ScriptedServer, served: tuple[str, ...], asked: str | None, words: str
) -> None:
    """A model that the server does not have is an error that lists those that it has and names the option."""
    server.routes[MODELS] = lambda _: _models(*served)
    message = _refusal(f"{server.url}/v1", asked)
    assert words in message
    assert message.endswith("Next: name one of them with --model (EVALS_MODEL)")


def test_a_refused_connection_is_an_error() -> None:
    """Where nothing listens, the error says what was tried and what to check."""
    with refusing_port() as port:
        message = _refusal(f"http://127.0.0.1:{port}/v1")
    assert f"http://127.0.0.1:{port}/v1/models cannot be reached" in message
    assert "Next: start it, or check --target (EVALS_TARGET), which usually ends in /v1" in message


def test_a_forgotten_v1_is_an_error(server: ScriptedServer) -> None:
    """A URL without /v1 is an error that shows the 404 and the usual ending."""
    message = _refusal(server.url)
    assert "answered HTTP 404: " in message
    assert "usually ends in /v1" in message


@pytest.mark.parametrize(
    "answer",
    [
        Response([b"<html>It works!</html>"], content_type="text/html"),
        Response([]),
        Response([b'{"data": [']),
        Response([b"\xff\xfe"]),
        Response([b"[" * 100_000]),
        Response([b'{"data"', None]),
        as_json([]),
        as_json(None),
        as_json("coder"),
        as_json({}),
        as_json({"data": None}),
        as_json({"data": 5}),
        as_json({"data": ["coder"]}),
        as_json({"data": [{"name": "coder"}]}),
        as_json({"data": {"id": "coder"}}),
        as_json({"error": "key"}, 401),
        as_json({"error": "fault"}, 500),
    ],
    ids=lambda answer: f"{answer.status} {bytes(next(iter(answer.steps), b'') or b'')[:30]!r}",
)
def test_a_wrong_answer_is_an_error(server: ScriptedServer, answer: Response) -> None:
    """Whatever else a server answers to /v1/models is a TargetError of one line that names the address."""
    server.routes[MODELS] = lambda _: answer
    message = _refusal(f"{server.url}/v1", "coder")
    assert f"{server.url}/v1/models" in message
    assert "Next: " in message
    assert "\n" not in message


def test_an_error_page_of_many_lines_is_one_line(server: ScriptedServer) -> None:
    """The body of an HTTP error is quoted on one line."""
    server.routes[MODELS] = lambda _: Response([b"<html>\n\n<h1>Bad gateway</h1>\r\n"], 502, "text/html")
    assert "answered HTTP 502: <html> <h1>Bad gateway</h1>" in _refusal(f"{server.url}/v1")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"])
def test_what_speaks_no_http_is_an_error(answer: bytes) -> None:
    """A server that hangs up, speaks another protocol or stops in its answer is a TargetError that names the address."""
    with raw_server(answer) as url:
        assert f"{url}/v1/models" in _refusal(f"{url}/v1")


@pytest.mark.parametrize(
    "choice", ["", "olama", "127.0.0.1:8080/v1", "ftp://127.0.0.1/v1", "http://", "http:///v1", "http://[::1/v1", "http://a:b/v1",
               "http://a:99999/v1", "http://a:0/v1", "file:///etc/passwd"]
)  # fmt: skip
def test_what_is_no_target_is_an_error(choice: str) -> None:
    """What is neither a known name nor a URL is an error that lists what is allowed and quotes what was given."""
    message = _refusal(choice)
    assert "auto, ollama, embedded or a URL that begins with http:// or https://" in message
    assert repr(choice) in message


@pytest.mark.parametrize("part", ["me:secret@{}/v1", "me@{}/v1", "{}/v1?key=secret", "{}/v1#secret"])
def test_a_secret_in_the_url_is_refused(server: ScriptedServer, part: str) -> None:
    """A URL with a user, a password, a query or a fragment is refused before anything is sent, and not quoted."""
    message = _refusal("http://" + part.format(server.url.removeprefix("http://")))
    assert "EVALS_API_KEY" in message
    assert "secret" not in message
    assert server.requests == []


@pytest.mark.parametrize("key", [KEY, f" {KEY}\n"])
def test_the_key_is_sent_as_bearer(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """EVALS_API_KEY is sent as a bearer token by the preflight, the model and the embedder, without space around it."""
    monkeypatch.setenv("EVALS_API_KEY", key)
    target = _at(server)
    assert _embedder(target, f"{server.url}/v1#words").api_key == KEY
    with OpenAIModel(target.base_url, target.model, api_key=target.api_key) as model:
        model.complete([Message("user", "hi")], Sampling())
    assert server.authorizations == [f"Bearer {KEY}"] * 3


def test_no_key_is_sent_to_where_none_was_meant_for(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for another service never reaches the server."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert _at(server).api_key == ""
    assert server.authorizations == [None]


def test_the_key_stays_out_of_texts(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the target nor the embedder shows the key as text."""
    monkeypatch.setenv("EVALS_API_KEY", KEY)
    target = _at(server)
    embedder = _embedder(target, f"{server.url}/v1#words")
    assert KEY not in f"{target} {target!r} {embedder} {embedder!r}"


@pytest.mark.parametrize("key", ["a\nb", "ключ", "a\x1bb"], ids=ascii)
def test_a_key_that_no_header_carries_is_refused(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A key with line breaks or letters beyond ASCII is refused, and not quoted."""
    monkeypatch.setenv("EVALS_API_KEY", key)
    message = _refusal(f"{server.url}/v1")
    assert "EVALS_API_KEY holds characters" in message
    assert key not in message


def test_an_embedder_is_measured(server: ScriptedServer) -> None:
    """``URL#MODEL`` is an embedder whose dimensions are those of a vector that the server returned."""
    server.routes[EMBEDDINGS] = lambda body: embeddings(body, 17)
    embedder = _embedder(_at(server), f"{server.url}/v1/#words#2")
    assert embedder == Embedder(f"{server.url}/v1", "words#2", 17)
    assert server.bodies(EMBEDDINGS)[0]["model"] == "words#2"


@pytest.mark.parametrize("spec", ["", "words", "#words", "http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1#", "ftp://a/v1#words"])
def test_an_embedder_needs_url_and_model(server: ScriptedServer, spec: str) -> None:
    """An embedder without its URL or its model is an error that says how it is written."""
    with pytest.raises(TargetError, match="--embedder is URL#MODEL"):
        _embedder(_at(server), spec)


@pytest.mark.parametrize(
    "answer",
    [
        as_json({"error": "no embeddings here"}, 501),
        as_json({}),
        as_json({"data": []}),
        as_json({"data": [{"embedding": None}]}),
        as_json({"data": [{"embedding": []}]}),
        as_json({"data": [{"embedding": "AAAA"}]}),
        as_json([]),
        Response([b"hello"]),
    ],
)
def test_an_embedder_that_does_not_embed_is_an_error(server: ScriptedServer, answer: Response) -> None:
    """A server that does not return a vector of numbers is an error that names the address and the option."""
    server.routes[EMBEDDINGS] = lambda _: answer
    with pytest.raises(TargetError, match=r"Next: .*check --embedder") as raised:
        _embedder(_at(server), f"{server.url}/v1#words")
    assert f"{server.url}/v1/embeddings" in str(raised.value)


def test_an_embedder_that_is_down_is_an_error(server: ScriptedServer) -> None:
    """An embedder where nothing listens is an error that says what was tried."""
    with refusing_port() as port, pytest.raises(TargetError, match=f"127.0.0.1:{port}/v1/embeddings cannot be reached"):
        _embedder(_at(server), f"http://127.0.0.1:{port}/v1#words")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_stands_before_loopback(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """With a proxy set for everything, preflight and model still reach loopback directly, by all of its names."""
    with refusing_port() as port:
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
        for variable in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(variable, "example.com")
        shield_loopback_from_proxies()
        target = _opened(f"http://{host}:{server.url.rpartition(':')[2]}/v1")
        with OpenAIModel(target.base_url, target.model) as model:
            assert model.complete([Message("user", "hi")], Sampling()).text == "hi"


def test_a_preflight_needs_no_shield(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a proxy set for everything and no exception, a preflight still reaches loopback directly."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    with refusing_port() as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert _at(server).model == "coder"


def test_a_proxy_stands_before_everything_else(monkeypatch: pytest.MonkeyPatch, server: ScriptedServer) -> None:
    """The proxy that was set is used for other hosts, also after shielding loopback."""
    server.routes["GET http://elsewhere.invalid/v1/models"] = lambda _: _models("coder")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("http_proxy", server.url)
    shield_loopback_from_proxies()
    assert _opened("http://elsewhere.invalid/v1").model == "coder"


def test_shielding_keeps_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that were in NO_PROXY stay there, and shielding twice is shielding once."""
    monkeypatch.setenv("NO_PROXY", "example.com,localhost")
    monkeypatch.setenv("no_proxy", "")
    for _ in range(2):
        shield_loopback_from_proxies()
    assert os.environ["NO_PROXY"] == "example.com,localhost,127.0.0.1,::1"
    assert os.environ["no_proxy"] == "127.0.0.1,localhost,::1"


def test_a_preflight_has_a_timeout(server: ScriptedServer) -> None:
    """A server that takes the request and says nothing is an error, not a wait."""
    server.routes[MODELS] = lambda _: Response(pause_before_headers=30.0)
    with pytest.raises(TargetError, match="timed out"):
        fetch_json(f"{server.url}/v1/models", timeout=0.2)


def test_the_engine_serves_a_gguf_file_by_its_path(tmp_path: Path) -> None:
    """A model that is the path of a GGUF file is served under its file name; without a model it is the shipped one."""
    file = tmp_path / "mine.gguf"
    file.touch()
    assert embedded.model_file(str(file)) == ("mine", file)
    assert embedded.model_file(None) == embedded.model_file("tiny-coder") == ("tiny-coder", embedded.MODEL_FILE)


@pytest.mark.parametrize("model", ["gemma3:4b", "missing.gguf", "."])
def test_the_engine_refuses_other_models(model: str) -> None:
    """A model that the embedded engine cannot serve is an error that says what it can, and never another model."""
    message = _refusal("embedded", model)
    assert repr(model) in message
    assert "tiny-coder or the path of a GGUF file" in message
    assert "Next: leave --model (EVALS_MODEL) out, or choose --target ollama" in message


def test_the_embedded_target_opens_and_closes() -> None:
    """The embedded target is the shipped model on a loopback port, with its disclaimer; closed, nobody listens there."""
    with open_target("embedded") as target:
        assert (target.kind, target.model, target.context_length) == ("embedded", "tiny-coder", 4096)
        assert "say nothing about Gemma 3 4B" in target.disclaimer
        assert str(target) == f"tiny-coder on {target.server}"
        assert [model["id"] for model in fetch_json(f"{target.base_url}/models")["data"]] == ["tiny-coder"]
    with pytest.raises(TargetError, match="cannot be reached"):
        fetch_json(f"{target.base_url}/models")


_OPENING_AND_CLOSING = """
from agent.targets.target import open_target
for _ in range(12):
    with open_target("embedded"):
        pass
"""


def test_an_engine_that_was_never_asked_stops() -> None:
    """An engine that is closed at once stops, every time, so that a fault right after opening ends the process."""
    subprocess.run([sys.executable, "-c", _OPENING_AND_CLOSING], cwd=Path(__file__).parents[2], check=True, timeout=60)
