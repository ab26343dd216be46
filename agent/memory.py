"""Memory as the agent sees it: facts of two kinds, and the few that matter to a request.

The backends stand in ``mem0_store.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent.prompts import context_block

MOST_FACTS = 5
"""How many facts a prompt holds at most."""

PREFERENCE = "preference"
TRACE = "trace"


@dataclass(frozen=True, slots=True)
class Context:
    """What memory gives for one request: facts, sorted, of which retrieval finds at most :data:`MOST_FACTS`, and the seconds the
    look-up took.
    """

    facts: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        """The ``[Persistent Context]`` block, as it stands in the prompt; empty without facts."""
        return context_block(self.facts)


class Memory(Protocol):
    """A store of facts about users. Not safe for use by several threads."""

    def retrieve_context(self, query: str, user_id: str) -> Context:
        """The facts of kind preference of exactly this user that fit the query best."""
        ...

    def remember(self, fact: str, user_id: str) -> None:
        """Store a preference, unless this user already has one of the same words."""
        ...

    def preferences(self, user_id: str) -> tuple[str, ...]:
        """All of the user's preferences, sorted."""
        ...

    def write_back(self, task: str, reply: str, user_id: str) -> None:
        """Store the trace of a solved task: another kind, so that it never displaces a preference."""
        ...

    def close(self) -> None:
        """Release the store's lock and its connections."""
        ...
