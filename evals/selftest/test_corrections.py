"""Which fact a new one corrects: the rule, and how often it is right on hand-written sentences, measured with real MiniLM.

Half of the sentences of ``corrections.toml`` served to choose the rule, and the other half is held out.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.corrections import corrected
from agent.mem0_store import MemorySettings, open_memory
from agent.targets import embedded
from agent.targets.embedder import Embedder
from agent.targets.http import fetch_json
from fixtures.data import load_preferences

SENTENCES = tomllib.loads((Path(__file__).parent / "corrections.toml").read_text(encoding="utf-8"))
PREFERENCES = {preference.id: preference.text for preference in load_preferences()}
SIX = tuple(PREFERENCES.values())
CORRECTIONS = {text: PREFERENCES[name] for name, texts in SENTENCES["corrections"].items() for text in texts}
UNRELATED: list[str] = SENTENCES["unrelated"]["facts"]
TAILWIND = "User styles components with Tailwind utility classes and no inline styles"
CSS_MODULES = "use CSS modules, not Tailwind"


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    """MiniLM, in a cache folder of this module's own, emptied at the end, since the model is large."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LOCAL_AGENT_EVALS_CACHE", str(cache))
        with embedded.serve_embedder() as served:
            yield served
    shutil.rmtree(cache)


@pytest.fixture(scope="module")
def vectors(embedder: Embedder) -> dict[str, list[float]]:
    """The vectors of all sentences."""
    texts = [*SIX, *CORRECTIONS, *UNRELATED]
    answer = fetch_json(f"{embedder.base_url}/embeddings", {"model": embedder.model, "input": texts}, timeout=60.0)
    return dict(zip(texts, (entry["embedding"] for entry in answer["data"]), strict=True))


def _cosine(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True)) / math.hypot(*first) / math.hypot(*second)


def _outcome(text: str, wanted: str) -> str:
    # In any order of nearness, so the outcome does not hang on the embedder.
    found = {corrected(text, order) for order in (SIX, SIX[::-1])}
    return {frozenset({wanted}): "right", frozenset({None}): "missed"}.get(frozenset(found), "wrong")


@pytest.mark.parametrize(("half", "right"), [(0, 25), (1, 21)], ids=["chosen on", "held out"])
def test_how_often_corrections_are_found(half: int, right: int) -> None:
    """Of 36 corrections in users' words the rule finds 25 where it was chosen and 21 where it was not, and mistakes none."""
    texts = [text for texts in SENTENCES["corrections"].values() for text in texts[half::2]]
    assert Counter(_outcome(text, CORRECTIONS[text]) for text in texts) == {"right": right, "missed": 36 - right}


@pytest.mark.parametrize("half", [0, 1], ids=["chosen on", "held out"])
def test_other_facts_replace_none(half: int) -> None:
    """None of 32 facts that leave the six preferences standing replaces one, chosen on or held out, however alike they are."""
    texts = UNRELATED[half::2]
    assert len(texts) == 32
    assert [text for text in texts if corrected(text, SIX)] == []


def test_preferences_do_not_correct_each_other() -> None:
    """No preference corrects another, whichever is told first."""
    assert [pair for pair in itertools.permutations(SIX, 2) if corrected(pair[0], [pair[1]])] == []


def test_similarity_cannot_tell(vectors: dict[str, list[float]]) -> None:
    """With MiniLM, no threshold tells corrections from other facts: a third of the corrections is less similar than the closest of
    these.
    """

    def nearest(text: str) -> float:
        return max(_cosine(vectors[text], vectors[fact]) for fact in SIX)

    closest = max(map(nearest, UNRELATED))
    assert sum(nearest(text) < closest for text in CORRECTIONS) >= len(CORRECTIONS) / 3


def test_the_nearest_fact_is_the_corrected_one(vectors: dict[str, list[float]]) -> None:
    """With MiniLM, each of the 72 corrections is nearest to the fact that it corrects."""

    def nearest(text: str) -> str:
        return max(SIX, key=lambda fact: _cosine(vectors[text], vectors[fact]))

    assert {text: nearest(text) for text in CORRECTIONS} == CORRECTIONS


def test_a_correction_in_the_users_words(tmp_path: Path, embedder: Embedder) -> None:
    """With MiniLM, six preferences make six, and "use CSS modules, not Tailwind" takes the place of the one for Tailwind."""
    with contextlib.closing(open_memory(MemorySettings(tmp_path, embedder=embedder))) as store:
        assert [store.remember(fact, "me") for fact in SIX] == [None] * 6
        assert store.preferences("me") == tuple(sorted(SIX))
        change = store.remember(CSS_MODULES, "me")
        assert change is not None
        assert (change.old, change.new) == (TAILWIND, CSS_MODULES)
        assert store.preferences("me") == tuple(sorted({*SIX, CSS_MODULES} - {TAILWIND}))
        facts = store.retrieve_context("Style a button component with Tailwind", "me").facts
        assert CSS_MODULES in facts
        assert TAILWIND not in facts


@pytest.mark.parametrize(
    ("fact", "known"),
    [
        ("User prefers tabs over spaces", "User prefers spaces over tabs"),
        ("no Tailwind", "User styles with Tailwind in React components"),
        ("Tailwind is fine", "use CSS modules, not Tailwind"),
        ("User uses Vue instead of React", "User builds with React"),
        ("don\u2019t use Tailwind", "User styles with Tailwind"),
        ("use  CSS\nmodules, NOT  tailwind", "User styles with Tailwind"),
    ],
)
def test_corrections(fact: str, known: str) -> None:
    """A fact corrects one that affirms what it negates, or negates what it begins with."""
    assert corrected(fact, [known]) == known


@pytest.mark.parametrize(
    "fact",
    [
        "inline styles are forbidden",
        "inline styles break our CSP",
        "inline styles must be avoided",
        "inline styles are not allowed",
        "default exports confuse the bundler",
        "why not Tailwind?",
        "default exports?",
    ],
)
def test_what_is_no_approval_corrects_nothing(fact: str) -> None:
    """A fact that begins with what a preference is against and disapproves of it, or merely asks, replaces none."""
    assert corrected(fact, SIX) is None


@pytest.mark.parametrize(
    ("fact", "known"),
    [
        ("no Tailwind in emails", "User styles with Tailwind"),
        ("Tailwind is fine", "no Tailwind in emails"),
        ("lines over 100 characters are wrapped", "User wants lines of at most 100 characters"),
        ("no more than two sentences", "User wants two sentences"),
        ("User writes CSS, not Tailwind", "User writes SCSS, not Tailwind"),
        ("User prefers tabs", "User prefers tabs"),
        ("not", "User prefers tabs"),
        ("", "not"),
    ],
)
def test_no_corrections(fact: str, known: str) -> None:
    """A fact that is narrower, agrees or says nothing corrects nothing."""
    assert corrected(fact, [known]) is None


def test_of_several_the_nearest_is_corrected() -> None:
    """Where a fact contradicts several, it corrects the one that is nearest."""
    known = ["User is called Ann", "User styles with Tailwind", "User sorts Tailwind classes"]
    assert corrected(CSS_MODULES, known) == known[1]
