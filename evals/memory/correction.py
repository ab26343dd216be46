"""Correction: a preference that the user takes back is gone from the next context, and what replaced it is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from agent.memory import FactChange, Memory
from evals.grid import Grid
from evals.measurer import USER_ID
from evals.memory.report import Told
from fixtures.data import Task

CORRECTED = "tailwind"
"""The preference that is corrected, by its id."""

CORRECTION = "use CSS modules, not Tailwind"
LANGUAGES = ("tsx", "css")
"""The languages of the tasks that styles matter to."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """One task's context before and after the correction."""

    task: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """What a correction, which took ``seconds``, did: to the contexts that held ``old``, and to what memory holds and tells."""

    old: str
    new: str
    contexts: tuple[Corrected, ...]
    preferences: tuple[str, ...]
    changes: tuple[FactChange, ...]
    seconds: float

    @property
    def still_old(self) -> list[str]:
        """The tasks whose context still holds the old preference."""
        return [one.task for one in self.contexts if self.old in one.after]

    @property
    def without_new(self) -> list[str]:
        """The tasks whose context does not hold the new one."""
        return [one.task for one in self.contexts if self.new not in one.after]

    @property
    def flaws(self) -> list[str]:
        """What a correction must not leave behind, in sentences."""
        told = [(change.old, change.new) for change in self.changes]
        checks = {
            "no context held the preference before": not self.contexts,
            f"{len(self.still_old)} of {len(self.contexts)} contexts still hold {self.old!r}": bool(self.still_old),
            f"{len(self.without_new)} of {len(self.contexts)} contexts lack {self.new!r}": bool(self.without_new),
            f"the list of preferences still holds {self.old!r}": self.old in self.preferences,
            f"the list of preferences lacks {self.new!r}": self.new not in self.preferences,
            f"the history is {told}, not that one change": told != [(self.old, self.new)],
        }
        return [sentence for sentence, holds in checks.items() if holds]


def correct(memory: Memory, old: str, tasks: Sequence[Task]) -> Correction:
    """Correct ``old`` by :data:`CORRECTION` and look before and after it."""
    concerned = [task for task in tasks if task.language in LANGUAGES]
    before = {task.id: memory.retrieve_context(task.request, USER_ID).facts for task in concerned}
    started = time.perf_counter()
    memory.remember(CORRECTION, USER_ID)
    seconds = time.perf_counter() - started
    contexts = tuple(
        Corrected(task.id, before[task.id], memory.retrieve_context(task.request, USER_ID).facts)
        for task in concerned
        if old in before[task.id]
    )
    return Correction(old, CORRECTION, contexts, memory.preferences(USER_ID), memory.changes(USER_ID), seconds)


def correction_table(found: Correction) -> Told:
    """How many contexts hold the old and the new preference, before and after."""
    rows = tuple(
        (fact, str(sum(fact in one.before for one in found.contexts)), str(sum(fact in one.after for one in found.contexts)))
        for fact in (found.old, found.new)
    )
    told = "; ".join(f"{change.old!r} became {change.new!r}" for change in found.changes) or "nothing"
    return Told(
        f"correction, {len(found.contexts)} tasks in {' or '.join(LANGUAGES)} whose context held it",
        Grid(("preference", "contexts before", "after"), rows),
        f"The user said {found.new!r}. The history tells: {told}.",
    )
