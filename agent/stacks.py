"""The stacks: named, frozen choices of what goes into a prompt, how the answer is decoded and how often it may be corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Context = Literal["none", "history", "pasted history", "memory", "all memory"]
"""What the model is told about the past: nothing; the raw history, as chat turns or pasted into the system message; the facts that
memory retrieved for the request, or all that it holds."""

Contract = Literal["none", "last", "static"]
"""Where the JSON contract stands in the system message: nowhere, at its end, or in its static prefix, before any fact."""

Decoding = Literal["free", "json", "schema"]
"""What the server is asked to hold the answer to, by ``response_format``: nothing, any JSON object, or the artifact's schema."""

HISTORY_TURNS = 18
MEMORY_CONTEXTS: tuple[Context, ...] = ("memory", "all memory")
HISTORY_CONTEXTS: tuple[Context, ...] = ("history", "pasted history")


@dataclass(frozen=True, slots=True)
class Stack:
    """One way to ask the model. ``retries`` is how many corrective retries an invalid answer gets, ``turns`` how many turns of a
    longer history are told, the latest ones, where the context is history. ``memories`` is how many facts of the user's the memory
    that it asks holds, ``None`` where they are the preferences of the evals alone.
    """

    name: str
    context: Context
    contract: Contract
    retries: int
    decoding: Decoding = "free"
    turns: int = HISTORY_TURNS
    memories: int | None = None

    @property
    def asks_memory(self) -> bool:
        """Whether its prompts hold what memory has."""
        return self.context in MEMORY_CONTEXTS


_ARTICLE = (
    Stack("naive", "history", "none", 0),
    Stack("optimized", "memory", "last", 1),
)
_ABLATION = (
    Stack("naive-with-contract", "history", "last", 0),
    Stack("naive-with-retry", "history", "none", 1),
    Stack("naive-with-memory", "memory", "none", 0),
    Stack("naive-with-all-facts", "all memory", "none", 0),
    Stack("naive-with-pasted-history", "pasted history", "none", 0),
    Stack("naive-without-history", "none", "none", 0),
    Stack("naive-with-json-mode", "history", "none", 0, "json"),
    Stack("naive-with-json-schema", "history", "none", 0, "schema"),
    Stack("optimized-without-contract", "memory", "none", 1),
    Stack("optimized-with-static-contract", "memory", "static", 1),
    Stack("optimized-without-retry", "memory", "last", 0),
    Stack("optimized-with-static-contract-without-retry", "memory", "static", 0),
    Stack("optimized-with-all-facts", "all memory", "last", 1),
    Stack("optimized-with-history", "history", "last", 1),
    Stack("optimized-with-pasted-history", "pasted history", "last", 1),
    Stack("optimized-without-memory", "none", "last", 1),
    Stack("optimized-with-json-mode", "memory", "last", 1, "json"),
    Stack("optimized-with-json-schema", "memory", "last", 1, "schema"),
)

GROWTH_TURNS = (0, 2, 6, 18, 50, 100)
GROWTH_MEMORIES = (6, 100, 1_000, 10_000)
_GROWTH = (
    *(Stack(f"naive-{turns}-turns", "history", "none", 0, turns=turns) for turns in GROWTH_TURNS),
    *(Stack(f"optimized-{turns}-turns", "memory", "last", 1, turns=turns) for turns in GROWTH_TURNS),
    *(Stack(f"optimized-{memories}-memories", "memory", "last", 1, memories=memories) for memories in GROWTH_MEMORIES),
)

STACKS = {stack.name: stack for stack in (*_ARTICLE, *_ABLATION, *_GROWTH)}
"""Every stack by its name. A new stack is one entry above."""

DEFAULT_STACKS = tuple(stack.name for stack in _ARTICLE)
"""The two stacks of the published comparison, which run where none is named."""

ABLATION_STACKS = tuple(stack.name for stack in (*_ARTICLE, *_ABLATION))
"""The stacks of the ablation: every factor is changed alone, from the naive end and from the optimized one."""

GROWTH_STACKS = tuple(stack.name for stack in _GROWTH)
"""Naive and optimized at growing lengths of history, and optimized at growing numbers of stored memories."""

PREFIX_STACKS = (*DEFAULT_STACKS, "optimized-with-static-contract")
"""What the prefix cache is looked at with: the contract last, and in the static prefix."""
