"""The fingerprint, and what servers tell of what they serve."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sampling import Sampling
from agent.stacks import DEFAULT_STACKS, STACKS
from agent.targets import embedded
from agent.targets.embedder import Embedder
from agent.targets.target import Target, open_target
from evals.fingerprint import Fingerprint, Inputs, fingerprint
from evals.selftest.ollama_double import ollama_double
from evals.selftest.scripted_server import as_json, scripted_server
from evals.served import Served, describe, hash_of, public_url, rendered_prompt, server_root
from fixtures.data import Preference, load_history, load_preferences, load_tasks

SECRET = "sk-very-secret"
TARGET = Target("url", f"http://me:{SECRET}@gpu.example/v1?key={SECRET}", "m", "gpu.example", api_key=SECRET)
EMBEDDER = Embedder(f"http://gpu.example/v1?key={SECRET}", "nomic", 768, api_key=SECRET)
SERVED = Served("llama.cpp", "b1", "d" * 64, "4.3B", "Q4_K_M", "t" * 64, 4096)
INPUTS = Inputs(
    tuple(STACKS[name] for name in DEFAULT_STACKS), load_tasks(), load_history(), load_preferences(), Sampling(), seed=5
)


def taken(target: Target = TARGET, served: Served = SERVED, embedder: Embedder | None = EMBEDDER, **changes: Any) -> Fingerprint:
    """A fingerprint."""
    return fingerprint(target, served, embedder, replace(INPUTS, **changes))


def test_nothing_secret_enters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither keys, nor the environment, nor a URL's credentials and query strings stand anywhere in a fingerprint."""
    monkeypatch.setenv("EVALS_API_KEY", SECRET)
    monkeypatch.setenv("MEM0_API_KEY", SECRET)
    found = taken()
    assert SECRET not in json.dumps(found.to_dict())
    assert found.provenance["url"] == "http://gpu.example/v1"


@given(user=st.text("abc123"), word=st.text("abc123"), query=st.text("abc=&123"))
def test_a_public_url_has_no_secret_part(user: str, word: str, query: str) -> None:
    """User, password, query and fragment are cut off, whatever they are; host, port and path stay."""
    assert public_url(f"https://{user}:{word}@gpu.example:8080/v1?{query}#{query}") == "https://gpu.example:8080/v1"


def test_it_says_what_was_measured_on_what() -> None:
    """Identity has model, server, sampling and hashes; timing the hardware; provenance commit and versions."""
    found = taken()
    assert found.identity["model"] == {
        "name": "m",
        "digest": "d" * 64,
        "parameter_size": "4.3B",
        "quantization": "Q4_K_M",
        "template_hash": "t" * 64,
        "context_length": 4096,
    }
    assert found.identity["server"] == {"kind": "llama.cpp", "version": "b1"}
    assert found.identity["sampling"] == {"temperature": 0.2, "top_p": 0.95, "max_tokens": 1024, "seed": 5}
    assert set(found.identity["prompts"]) == {"rules", "contract", "correction"}
    assert set(found.identity["tasks"]) == {task.id for task in load_tasks()}
    assert found.timing["cpu"]
    assert found.timing["cores"] >= 1
    assert not any("hz" in name or "clock" in name for name in found.timing)
    assert {"mem0ai", "openai", "qdrant-client"} <= set(found.provenance["versions"])
    assert set(found.provenance) == {"commit", "dirty", "python", "code", "versions", "url"}


def test_what_judges_the_code_is_in_the_identity() -> None:
    """The versions of Python and of every grammar decide whether code parses, so runs with other ones are not alike."""
    ladder = taken().identity["ladder"]
    assert ladder["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert all(ladder[f"tree-sitter{grammar}"] for grammar in ("", "-bash", "-css", "-javascript", "-typescript"))


def test_a_models_path_is_none_of_its_name() -> None:
    """A server that calls a model by the path of its file gives away no folder."""
    assert taken(target=replace(TARGET, model="/home/alice/gemma.gguf")).identity["model"]["name"] == "gemma.gguf"


def test_equal_runs_have_equal_fingerprints() -> None:
    """Taken twice, nothing differs: no clock, port or time of day is in it."""
    assert taken() == taken()
    assert taken().differences(taken()) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (taken(served=replace(SERVED, digest="e" * 64)), "identity.model.digest"),
        (taken(served=replace(SERVED, version="b2")), "identity.server.version"),
        (taken(embedder=replace(EMBEDDER, model="other")), "identity.embedder.model"),
        (taken(embedder=replace(EMBEDDER, digest="e" * 64)), "identity.embedder.digest"),
        (taken(sampling=Sampling(temperature=0.7)), "identity.sampling.temperature"),
        (taken(seed=6), "identity.sampling.seed"),
        (taken(stacks=(replace(STACKS["naive"], retries=1), STACKS["optimized"])), "identity.stacks.naive.retries"),
        (taken(history=load_history()[:-1]), "identity.history"),
        (taken(preferences=(Preference("x", "User likes tabs"),)), "identity.preferences"),
        (taken(stores={100: ("User likes tabs",)}), "identity.stores.100"),
        (taken(seeds={"history": 1}), "identity.seeds.history"),
        (taken(tasks=(replace(load_tasks()[0], request="Write"), *load_tasks()[1:])), "identity.tasks.dashboard-card"),
        (taken(served=replace(SERVED, gpu_share=1.0)), "timing.share_in_video_memory"),
        (taken(target=replace(TARGET, base_url="http://other/v1")), "provenance.url"),
    ],
)
def test_every_change_is_named(changed: Fingerprint, field: str) -> None:
    """A change of model, server, sampling, text or hardware is one difference, named by its field."""
    (difference,) = taken().differences(changed)
    assert difference.startswith(f"{field}: ")


def test_it_survives_json() -> None:
    """A fingerprint comes back from JSON as it was."""
    found = taken()
    assert Fingerprint.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_the_embedded_engine_describes_itself() -> None:
    """The engine tells quantization, size, template and context; the digest is that of the file that is served."""
    with open_target("embedded") as target:
        served = describe(target)
        assert load_history()[0].content in rendered_prompt(target, served, load_history()[:1])
    assert (served.kind, served.quantization, served.context_length) == ("llama.cpp", "Q8_0", embedded.CONTEXT_LENGTH)
    assert (served.version or "").startswith("xllamacpp 20")
    assert int(served.parameter_size or 0) > 1_000_000
    assert len(served.digest or "") == len(served.template_hash or "") == 64


def test_ollama_describes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ollama is asked by its native endpoints, and loads the model for good."""
    with ollama_double() as double:
        monkeypatch.setenv("OLLAMA_HOST", double.server.url)
        with open_target("ollama") as target:
            served = describe(target)
    assert served == Served("ollama", "0.33.0", "a2af6cc3", "4.3B", "Q4_K_M", hash_of("{{ .Prompt }}"), 4096, 0.0)
    assert double.loaded == {"gemma3:4b": -1}


def test_ollama_behind_a_url_is_recognised() -> None:
    """Ollama that was named by its URL is described like Ollama, and keeps the model no longer than by itself."""
    with ollama_double(context_length=8192) as double:
        target = Target("url", f"{double.server.url}/v1", "gemma3:4b", "x")
        served = describe(target)
    assert (served.kind, served.context_length, double.loaded) == ("ollama", 8192, {"gemma3:4b": None})


def test_vllm_is_recognised() -> None:
    """VLLM tells its version and the longest context of the model."""
    routes = {
        "GET /version": lambda _: as_json({"version": "0.9.1"}),
        "GET /v1/models": lambda _: as_json({"data": [{"id": "m", "max_model_len": 8192}]}),
    }
    with scripted_server(routes) as server:
        assert describe(Target("url", f"{server.url}/v1", "m", "x")) == Served("vllm", "0.9.1", context_length=8192)


@pytest.mark.parametrize(
    "answer", [[], {}, {"version": None}, {"version": "1"}, {"default_generation_settings": {"n_ctx": None}}, "x"]
)
def test_an_unknown_server_is_unknown(answer: Any) -> None:
    """Whatever a server answers where another would describe itself, nothing is guessed."""
    paths = ("/props", "/api/version", "/version", "/api/tags", "/api/ps", "/v1/models")
    with scripted_server({f"GET {path}": lambda _: as_json(answer) for path in paths}) as server:
        target = Target("url", f"{server.url}/v1", "m", "x")
        assert describe(target) == Served()
        assert rendered_prompt(target, Served(), load_history()[:1]) == ""


@pytest.mark.parametrize(
    ("url", "root"), [("http://a:1/v1", "http://a:1"), ("http://a/x/v1/", "http://a/x"), ("http://a/api", "http://a/api")]
)
def test_the_root_is_above_v1(url: str, root: str) -> None:
    """The server's own endpoints stand above the OpenAI-compatible part."""
    assert server_root(url) == root
