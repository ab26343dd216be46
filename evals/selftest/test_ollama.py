"""The Ollama target against a double of Ollama, found through OLLAMA_HOST."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import TargetError
from agent.loop import Agent
from agent.mem0_store import MemorySettings, open_memory
from agent.model import OpenAIModel
from agent.stacks import STACKS
from agent.targets import ollama
from agent.targets.target import Target, open_embedder, open_target
from evals.selftest.ollama_double import OllamaDouble, ollama_double
from evals.selftest.scripted_server import Response, as_json, refusing_port, scripted_server

ANSWER = '{"code": "x = 1", "language": "py", "file_path": "x.py", "explanation": "One."}'


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    """A double that has both models, named by OLLAMA_HOST."""
    with ollama_double(answer=ANSWER) as running:
        monkeypatch.setenv("OLLAMA_HOST", running.server.url)
        yield running


def _opened(choice: str = "ollama", model: str | None = None, embedder: str | None = None) -> Target:
    with open_target(choice, model, embedder=embedder) as target:
        return target


def _refusal(choice: str = "ollama", model: str | None = None, embedder: str | None = None) -> str:
    with pytest.raises(TargetError) as raised:
        _opened(choice, model, embedder)
    return str(raised.value)


def test_ollama_is_taken_when_it_has_both_models(double: OllamaDouble) -> None:
    """The target names Ollama's version, its /v1 URL and gemma3:4b, and no note or disclaimer."""
    target = _opened()
    assert (target.kind, target.base_url, target.model) == ("ollama", f"{double.server.url}/v1", "gemma3:4b")
    assert (target.server, target.note, target.disclaimer) == ("Ollama 0.33.0", "", "")
    assert str(target) == f"gemma3:4b on Ollama 0.33.0 at {double.server.url}/v1"


def test_auto_takes_ollama_when_it_has_both_models(double: OllamaDouble) -> None:
    """``auto`` is Ollama where it answers and has both models."""
    assert _opened("auto") == _opened("ollama")


@pytest.mark.parametrize("model", ["nomic-embed-text", "nomic-embed-text:latest"])
def test_a_name_without_tag_is_the_latest(double: OllamaDouble, model: str) -> None:
    """A model without a tag is found under ``:latest``, and one with it too."""
    assert _opened(model=model).model == model


@pytest.mark.parametrize(
    ("present", "asked", "commands"),
    [
        (["nomic-embed-text:latest"], None, "ollama pull gemma3:4b"),
        (["gemma3:4b"], None, "ollama pull nomic-embed-text"),
        ([], None, "ollama pull gemma3:4b && ollama pull nomic-embed-text"),
        (["gemma3:1b", "nomic-embed-text:latest"], None, "ollama pull gemma3:4b"),
        (["gemma3:4b", "nomic-embed-text:v1.5"], None, "ollama pull nomic-embed-text"),
        (["gemma3:4b", "nomic-embed-text:latest"], "gemma3", "ollama pull gemma3"),
        (["gemma3:4b", "nomic-embed-text:latest"], "host:5000/org/coder", "ollama pull host:5000/org/coder"),
    ],
)
def test_a_missing_model_is_an_error(double: OllamaDouble, present: list[str], asked: str | None, commands: str) -> None:
    """What Ollama lacks is an error that names it and ends in the commands that get exactly that."""
    double.models = present
    message = _refusal(model=asked)
    assert message.endswith(f"Next: {commands}")
    assert double.server.url in message


def test_a_registry_port_is_no_tag(double: OllamaDouble) -> None:
    """A model from a registry with a port, without a tag, is found under ``:latest``."""
    double.models = ["host:5000/org/coder:latest", "nomic-embed-text:latest"]
    assert _opened(model="host:5000/org/coder").model == "host:5000/org/coder"


def test_an_embedder_of_ones_own_needs_no_embedding_model(double: OllamaDouble) -> None:
    """With another embedder named, Ollama needs the chat model alone."""
    double.models = ["gemma3:4b"]
    assert _opened(embedder="http://127.0.0.1:1/v1#words").model == "gemma3:4b"


@pytest.mark.parametrize("version", ["0.4.9", "0.1.48", "0.4.99-rc1"])
def test_an_old_version_is_an_error(double: OllamaDouble, version: str) -> None:
    """A version from before constrained decoding is an error that names it and the oldest that will do."""
    double.server.routes["GET /api/version"] = lambda _: as_json({"version": version})
    assert f"Ollama {version}" in _refusal()
    assert "older than 0.5.0. Next: update Ollama" in _refusal()


@pytest.mark.parametrize("version", ["0.5.0", "0.5.13", "0.33.0-rc2", "1.0.0"])
def test_a_new_version_is_taken(double: OllamaDouble, version: str) -> None:
    """Versions compare by their numbers, not as text."""
    double.server.routes["GET /api/version"] = lambda _: as_json({"version": version})
    assert _opened().server == f"Ollama {version}"


def test_no_ollama_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing listens, the error names the address and the commands that start Ollama and get both models."""
    with refusing_port() as port:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{port}")
        message = _refusal()
    assert f"http://127.0.0.1:{port}/api/version cannot be reached" in message
    assert message.endswith("Next: ollama serve, then ollama pull gemma3:4b && ollama pull nomic-embed-text")


@pytest.mark.parametrize(
    ("route", "answer"),
    [
        ("GET /api/version", as_json({"error": "not here"}, 404)),
        ("GET /api/version", as_json({})),
        ("GET /api/version", as_json({"version": 5})),
        ("GET /api/version", as_json(["0.33.0"])),
        ("GET /api/version", as_json(None)),
        ("GET /api/version", Response([b"Ollama is running"])),
        ("GET /api/tags", as_json({})),
        ("GET /api/tags", as_json({"models": None})),
        ("GET /api/tags", as_json({"models": "gemma3:4b"})),
        ("GET /api/tags", as_json({"models": ["gemma3:4b"]})),
        ("GET /api/tags", as_json("models")),
    ],
)
def test_what_is_not_ollama_is_an_error(double: OllamaDouble, route: str, answer: Response) -> None:
    """A server that does not answer like Ollama is an error that names it and what to run or check next."""
    double.server.routes[route] = lambda _: answer
    message = _refusal()
    assert double.server.url in message
    assert "Next: " in message


@pytest.mark.parametrize(
    ("host", "url"),
    {
        "": "http://127.0.0.1:11434",
        "  ": "http://127.0.0.1:11434",
        "127.0.0.1": "http://127.0.0.1:11434",
        "127.0.0.1:8080": "http://127.0.0.1:8080",
        ":8080": "http://127.0.0.1:8080",
        "0.0.0.0": "http://127.0.0.1:11434",  # noqa: S104
        "0.0.0.0:8080": "http://127.0.0.1:8080",
        "localhost": "http://localhost:11434",
        "gpu.example": "http://gpu.example:11434",
        "gpu.example:": "http://gpu.example:11434",
        "gpu.example:8080/": "http://gpu.example:8080",
        "http://gpu.example": "http://gpu.example:80",
        "https://gpu.example": "https://gpu.example:443",
        "https://gpu.example:8443/": "https://gpu.example:8443",
        "https://gpu.example/ollama/": "https://gpu.example:443/ollama",
        "http://0.0.0.0:8080": "http://127.0.0.1:8080",
        "[::1]:8080": "http://[::1]:8080",
        "[::1]": "http://[::1]:11434",
        "::1": "http://[::1]:11434",
        "[::]:8080": "http://[::1]:8080",
        "::": "http://[::1]:11434",
        "http://[fe80::1]:8080": "http://[fe80::1]:8080",
        '"gpu.example:8080"': "http://gpu.example:8080",
        " 'gpu.example' ": "http://gpu.example:11434",
    }.items(),
)
def test_ollama_host_is_read_as_ollama_reads_it(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    """Every spelling of OLLAMA_HOST is the URL that Ollama's own client would call."""
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert ollama.base_url() == url


@pytest.mark.parametrize("host", ["me:secret@gpu.example", "gpu example", "gpu.example:port", "[::1", "gpu.example?x=1"])
def test_a_host_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """What is no host and port is an error that shows how to write one."""
    monkeypatch.setenv("OLLAMA_HOST", host)
    with pytest.raises(TargetError, match=r"OLLAMA_HOST.*127\.0\.0\.1:11434"):
        ollama.base_url()


@pytest.mark.parametrize(("asked", "kept"), [({}, -1), ({"keep_alive": None}, None)])
def test_preloading_loads(double: OllamaDouble, asked: dict[str, None], kept: int | None) -> None:
    """Preloading keeps the model loaded for good, or as long as the server keeps it by itself."""
    ollama.preload(double.server.url, "gemma3:4b", **asked)
    assert double.loaded == {"gemma3:4b": kept}


def test_a_model_is_described(double: OllamaDouble) -> None:
    """A loaded model is described by its digest, size, quantization, template and the context length that it was loaded with."""
    double.context_length = 8192
    ollama.preload(double.server.url, "gemma3:4b")
    assert ollama.describe(double.server.url, "gemma3:4b") == ollama.LoadedModel(
        digest="a2af6cc3",
        parameter_size="4.3B",
        quantization="Q4_K_M",
        template="{{ .Prompt }}",
        context_length=8192,
        gpu_share=0.0,
    )


def test_describing_finds_the_latest(double: OllamaDouble) -> None:
    """A model without a tag is found among the loaded ones under ``:latest``."""
    ollama.preload(double.server.url, "nomic-embed-text")
    assert ollama.describe(double.server.url, "nomic-embed-text").context_length == 4096


@pytest.mark.parametrize("entry", [[], [{"name": "gemma3:4b"}], [{"name": "other:1b", "context_length": 9}]])
def test_a_context_length_that_is_not_reported_is_none(double: OllamaDouble, entry: list[object]) -> None:
    """Older versions do not report the context length: it is unknown then, not zero and not another model's."""
    double.server.routes["GET /api/ps"] = lambda _: as_json({"models": entry})
    described = ollama.describe(double.server.url, "gemma3:4b")
    assert (described.context_length, described.gpu_share) == (None, None)


@pytest.mark.parametrize(("renders", "expected"), [(True, "<user>Hi\n"), (False, "")])
def test_a_prompt_is_rendered_where_ollama_can(double: OllamaDouble, *, renders: bool, expected: str) -> None:
    """The rendered prompt comes back, and nothing from a version that answers instead of rendering."""
    double.renders = renders
    assert ollama.render(double.server.url, "gemma3:4b", [{"role": "user", "content": "Hi"}]) == expected
    (asked,) = double.server.bodies("POST /api/chat")
    assert (asked["stream"], asked["options"]) == (False, {"num_predict": 1})


def test_a_model_that_cannot_be_loaded_is_an_error(double: OllamaDouble) -> None:
    """Preloading a model that is not there is an error with Ollama's own words."""
    with pytest.raises(TargetError, match="model 'gone' not found"):
        ollama.preload(double.server.url, "gone")


def test_memory_embeds_with_nomic(double: OllamaDouble) -> None:
    """On Ollama, memory's embeddings come from nomic-embed-text with 768 dimensions, from the same server."""
    with open_target("ollama") as target, open_embedder(target) as embedder:
        assert (embedder.base_url, embedder.model, embedder.dimensions) == (f"{double.server.url}/v1", "nomic-embed-text", 768)


def test_the_agent_answers_on_ollama(double: OllamaDouble, tmp_path: Path) -> None:
    """Target, memory, model and loop work together: the prompt that Ollama got holds the fact, and the artifact comes back."""
    with (
        open_target("ollama") as target,
        open_embedder(target) as embedder,
        contextlib.closing(open_memory(MemorySettings(tmp_path, embedder=embedder))) as memory,
        OpenAIModel(target.base_url, target.model) as model,
    ):
        memory.remember("User prefers tabs", "me")
        reply = Agent(model, memory).run(STACKS["optimized"], "Write one", "me")
    assert reply.artifact is not None
    (body,) = double.server.bodies("POST /v1/chat/completions")
    assert body["model"] == "gemma3:4b"
    assert "\n- User prefers tabs\n" in body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("present", "missing"),
    [(["gemma3:4b"], "ollama pull nomic-embed-text"), (["nomic-embed-text:latest"], "ollama pull gemma3:4b")],
)
def test_auto_falls_back_and_says_what_was_missing(double: OllamaDouble, present: list[str], missing: str) -> None:
    """Without one of its models, ``auto`` runs on the embedded engine and says in one line what was missing and how to get it."""
    double.models = present
    with open_target("auto", "gemma3:4b") as target:
        assert (target.kind, target.model) == ("embedded", "tiny-coder")
        assert "say nothing about Gemma 3 4B" in target.disclaimer
    assert missing in target.note
    assert "embedded engine" in target.note
    assert "\n" not in target.note


def test_auto_falls_back_where_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ollama, ``auto`` runs on the embedded engine and names both commands."""
    with refusing_port() as port:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{port}")
        with open_target("auto") as target:
            assert target.kind == "embedded"
    assert "ollama pull gemma3:4b && ollama pull nomic-embed-text" in target.note


def test_auto_names_the_model_that_was_asked_for(double: OllamaDouble) -> None:
    """When ``auto`` falls back, its note says how to get the model that the user named, and what runs instead of it."""
    with open_target("auto", "qwen3:4b") as target:
        assert target.model == "tiny-coder"
    assert "ollama pull qwen3:4b" in target.note
    assert "Running tiny-coder on the embedded engine instead" in target.note


def test_auto_serves_what_only_the_engine_can(double: OllamaDouble) -> None:
    """``auto`` takes the embedded engine, without a note, for the shipped model even where Ollama is there."""
    with open_target("auto", "tiny-coder") as target:
        assert (target.kind, target.note) == ("embedded", "")


def test_asked_for_by_name_never_falls_back(double: OllamaDouble) -> None:
    """Ollama asked for by name without its models is an error, never the embedded engine."""
    double.models = []
    assert "does not have gemma3:4b" in _refusal("ollama")


def test_another_server_on_ollamas_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without Ollama's endpoints is an error, though it answers HTTP."""
    with scripted_server({"GET /": lambda _: as_json({})}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        assert "answered HTTP 404" in _refusal()
