"""Memory as the agent sees it: facts of two kinds, the few that matter to a request, and what replaced what.

The store stands in ``mem0_store.py``, and which fact corrects which in ``corrections.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class FactChange:
    """One fact in another's place, and when it took it.

    ``old`` is ``None`` where the change was made elsewhere: Mem0 keeps the history of a Qdrant server's facts not on that server
    but in the memory folder of whoever made the change.
    """

    old: str | None
    new: str
    when: datetime

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.old or '(a fact that another memory folder knows)'} -> {self.new}"


class Memory(Protocol):
    """A store of facts about users. Not safe for use by several threads."""

    def retrieve_context(self, query: str, user_id: str) -> Context:
        """The facts of kind preference of exactly this user that fit the query best."""
        ...

    def remember(self, fact: str, user_id: str) -> FactChange | None:
        """Store a preference, unless this user already has one of the same words.

        Where it contradicts one that the user has (see ``corrections.py``), it takes that one's place, and the change is returned.
        """
        ...

    def remember_all(self, facts: Sequence[str], user_id: str) -> int:
        """Store many preferences at once, each as it is and none in another's place; returns how many were new.

        After a fault, those before it are stored; the same call again stores the rest.
        """
        ...

    def preferences(self, user_id: str) -> tuple[str, ...]:
        """All of the user's preferences, sorted."""
        ...

    def changes(self, user_id: str) -> tuple[FactChange, ...]:
        """Every time that a fact of this user took another's place, oldest first."""
        ...

    def write_back(self, task: str, reply: str, user_id: str) -> None:
        """Store the trace of a solved task: another kind, so that it never displaces a preference."""
        ...

    def close(self) -> None:
        """Release the store's lock and its connections."""
        ...
