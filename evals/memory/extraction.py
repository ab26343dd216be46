"""Extraction: which of the six preferences Mem0 draws out of the 18 turns of history by itself (``infer=True``), and at what cost.

That takes one chat call with a system prompt of some 8,400 tokens, which is Mem0's own, and asks for a JSON object.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.errors import ContextTruncationError, ModelError
from agent.mem0_local import LocalBackend
from agent.prompts import Message
from agent.targets.target import Target
from evals.grid import Grid
from evals.measurer import USER_ID
from evals.memory.bench import Bench
from evals.memory.report import Told
from fixtures.data import Preference

NEEDED_TOKENS = 12_288
"""The context that a call needs: the system prompt, the turns, and the answer."""

_MOST_CHARACTERS_PER_TOKEN = 8


@dataclass(frozen=True, slots=True)
class ExtractionCall:
    """One call of the model: what it answered, and the tokens that it took (``None`` where the server does not say)."""

    answer: str
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True, slots=True)
class Match:
    """An extracted fact, the preference that is nearest to it, and how similar they are (the cosine of their embeddings)."""

    fact: str
    preference: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was extracted. ``threshold`` is the similarity above which a fact counts as the preference; ``problem`` says why Mem0
    could not use the answer, if it could not.
    """

    matches: tuple[Match, ...]
    threshold: float
    wanted: tuple[str, ...]
    calls: tuple[ExtractionCall, ...]
    problem: str = ""

    @property
    def recovered(self) -> frozenset[str]:
        """The preferences that a fact counts as."""
        return frozenset(match.preference for match in self.matches if match.similarity > self.threshold)

    @property
    def recall(self) -> float:
        """The share of the preferences that were recovered."""
        return len(self.recovered) / len(self.wanted)

    def figures(self) -> dict[str, object]:
        """What is saved beside the time."""
        return {
            "recall": self.recall,
            "recovered": sorted(self.recovered),
            "threshold": self.threshold,
            "facts": [asdict(match) for match in self.matches],
            "calls": [asdict(call) for call in self.calls],
            "problem": self.problem,
        }


def why_not(target: Target) -> str:
    """Why a target cannot be asked to extract; empty where it can."""
    if target.kind != "ollama":
        return f"extraction runs on Ollama alone: its prompt has over 8,000 tokens, and this target is {target.kind}"
    if target.context_length is not None and target.context_length < NEEDED_TOKENS:
        return (
            f"Ollama's context is {target.context_length} tokens, and extraction needs {NEEDED_TOKENS}."
            f" Next: OLLAMA_CONTEXT_LENGTH={NEEDED_TOKENS} ollama serve"
        )
    return ""


def extract(bench: Bench, turns: Sequence[Message], preferences: Sequence[Preference]) -> Extraction:
    """Have Mem0 extract facts from the turns, and match them with the preferences.

    Raises:
        ModelError: when the server did not answer; an answer that Mem0 cannot use is none of its faults.
        MemoryStoreError: when the store cannot be opened.
    """
    problem, texts = "", [preference.text for preference in preferences]
    with _extracting(bench) as (memory, calls):
        try:
            memory.add([asdict(turn) for turn in turns], user_id=USER_ID, infer=True)
        except Exception as error:
            # A bad answer raises whatever its shape makes Mem0 raise.
            if calls.fault is not None:
                raise ModelError(f"The model did not answer Mem0: {calls.fault}") from error
            problem = f"{type(error).__name__}: {error}"
        found = memory.get_all(filters={"user_id": USER_ID}, top_k=1_000)["results"]
        facts = [str(fact["memory"]) for fact in found]
        vectors = {text: memory.embedding_model.embed(text, "add") for text in dict.fromkeys([*texts, *facts])}
    return Extraction(
        tuple(nearest(fact, texts, vectors) for fact in facts),
        closest_pair(texts, vectors),
        tuple(texts),
        tuple(calls.made),
        problem,
    )


def nearest(fact: str, texts: Sequence[str], vectors: dict[str, list[float]]) -> Match:
    """The text that is most similar to the fact."""
    similarity, text = max((cosine(vectors[fact], vectors[text]), text) for text in texts)
    return Match(fact, text, similarity)


def closest_pair(texts: Sequence[str], vectors: dict[str, list[float]]) -> float:
    """How similar the two most similar of the texts are: what is nearer to one of them than that, says the same."""
    return max(cosine(vectors[one], vectors[other]) for one, other in itertools.combinations(texts, 2))


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors; 0 when one of them is zero."""
    length = math.hypot(*one) * math.hypot(*other)
    return sum(map(operator.mul, one, other)) / length if length else 0.0


def extraction_table(found: Extraction) -> Told:
    """Every extracted fact with its nearest preference, and what it took."""
    rows = tuple(
        (match.fact, match.preference, f"{match.similarity:.2f}", "yes" if match.similarity > found.threshold else "no")
        for match in found.matches
    )
    tokens = [
        f"{sum(count)} {name}" if None not in (count := [getattr(call, f"{name}_tokens") for call in found.calls]) else f"? {name}"
        for name in ("prompt", "completion")
    ]
    problem = f" Mem0 could not use the answer: {found.problem}." if found.problem else ""
    return Told(
        f"extraction, {len(found.matches)} facts",
        Grid(("extracted fact", "nearest preference", "cosine", "recovered"), rows, texts=(0, 1, 3)),
        f"{len(found.recovered)} of {len(found.wanted)} preferences recovered, by {len(found.calls)} call(s) with"
        f" {' and '.join(tokens)} tokens. A fact counts as its nearest preference when it is more similar to it than the two most"
        f" similar preferences are to each other ({found.threshold:.2f}).{problem}",
    )


@dataclass(slots=True)
class _Calls:
    """The calls that Mem0 made, counted where it makes them: it drops what the server says about tokens. ``fault`` is what kept
    one from being answered, or from being asked whole.
    """

    create: Any
    made: list[ExtractionCall] = field(default_factory=list)
    fault: Exception | None = None

    def __call__(self, **asked: Any) -> Any:
        try:
            response = self.create(**asked)
        except Exception as error:
            self.fault = error
            raise
        usage = response.usage
        prompt, completion = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
        sent = sum(len(message["content"]) for message in asked["messages"])
        if prompt is not None and prompt * _MOST_CHARACTERS_PER_TOKEN < sent:
            # Ollama drops what is too long for its context, and answers with HTTP 200.
            self.fault = ContextTruncationError(f"it took {prompt} tokens of a prompt of {sent} characters")
            raise self.fault
        self.made.append(ExtractionCall(response.choices[0].message.content or "", prompt, completion))
        return response


@contextlib.contextmanager
def _extracting(bench: Bench) -> Iterator[tuple[Any, _Calls]]:
    """A Mem0 in a folder of its own whose model is the target's, and the calls that it makes."""
    settings, target = bench.settings, bench.target
    with bench.folder() as folder:
        backend = LocalBackend(folder, bench.embedder, settings.deadline)
        with contextlib.closing(backend):
            memory = backend._memory
            memory.llm.config.model = target.model
            memory.llm.client = memory.llm.client.with_options(
                base_url=target.base_url, api_key=target.api_key or "none", timeout=settings.deadline, max_retries=0
            )
            completions = memory.llm.client.chat.completions
            calls = _Calls(completions.create)
            completions.create = calls
            yield memory, calls
