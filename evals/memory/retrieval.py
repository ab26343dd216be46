"""Retrieval: which of the preferences that apply to a task its context holds, and how long the look-up takes."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.memory import MOST_FACTS, Memory
from evals.distribution import percentile
from evals.grid import Grid
from evals.measurer import USER_ID
from evals.memory.recall import (
    best_fixed_recall,
    best_precision,
    chance_of_recall,
    precision,
    precision_by_chance,
    recall,
    recall_by_chance,
)
from evals.memory.report import Told, milliseconds
from fixtures import distractors
from fixtures.data import Preference, Task

SIZES = (0, 100, 1_000, 10_000)
"""How many distractors there are: task traces of the same user and preferences of others, half and half."""

SEED = 1


@dataclass(frozen=True, slots=True)
class Lookup:
    """One look-up: the task, the preferences that apply to it, the facts that were found, and how long it took."""

    task: str
    relevant: frozenset[str]
    facts: tuple[str, ...]
    seconds: float

    @property
    def recall(self) -> float:
        """See :func:`recall`."""
        return recall(self.facts, self.relevant)

    @property
    def precision(self) -> float:
        """See :func:`precision`."""
        return precision(self.facts, self.relevant)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The look-ups of all tasks in a store that holds ``distractors`` beside the ``stored`` preferences."""

    distractors: int
    stored: frozenset[str]
    lookups: tuple[Lookup, ...]

    @property
    def seconds(self) -> list[float]:
        """How long each look-up took."""
        return [lookup.seconds for lookup in self.lookups]

    @property
    def contexts(self) -> dict[str, tuple[str, ...]]:
        """The facts that every task got."""
        return {lookup.task: lookup.facts for lookup in self.lookups}

    @property
    def recall(self) -> float:
        """The mean over the tasks."""
        return statistics.fmean(lookup.recall for lookup in self.lookups)

    @property
    def precision(self) -> float:
        """The mean over the tasks."""
        return statistics.fmean(lookup.precision for lookup in self.lookups)

    @property
    def recall_interval(self) -> tuple[float, float]:
        """An interval for the mean recall at 95 %, with the task as the unit; it holds whatever recall's distribution is."""
        from evals.stats import hoeffding

        return hoeffding(min(1.0, self.recall), len(self.lookups))

    def figures(self) -> dict[str, object]:
        """What is saved beside the times."""
        low, high = self.recall_interval
        return {
            "distractors": self.distractors,
            "tasks": len(self.lookups),
            "recall_at_5": self.recall,
            "recall_at_5_interval": [low, high],
            "precision_at_5": self.precision,
            "contexts": self.contexts,
        }


@dataclass(slots=True)
class GrowingStore:
    """A store that is filled up with distractors, and what was retrieved at every size."""

    memory: Memory
    preferences: Sequence[Preference]
    tasks: Sequence[Task]
    distractors: int = 0
    seconds: float = 0.0
    measured: dict[int, Retrieval] = field(default_factory=dict)

    def expected(self, size: int) -> float:
        """How many seconds it may take to fill the store up to ``size``, as fast as it went so far."""
        return (size - self.distractors) * (self.seconds / self.distractors if self.distractors else 0.02)

    def at(self, size: int) -> Retrieval:
        """What all tasks retrieve beside ``size`` distractors; the store only grows, so sizes come in order."""
        if size not in self.measured:
            self._fill_up(size)
            stored = frozenset(preference.text for preference in self.preferences)
            self.measured[size] = Retrieval(size, stored, look_up(self.memory, self.preferences, self.tasks))
        return self.measured[size]

    def _fill_up(self, size: int) -> None:
        started, (before, after) = time.monotonic(), (self.distractors // 2, size // 2)
        for trace in distractors.traces(after, SEED)[before:]:
            self.memory.write_back(trace.request, trace.reply, USER_ID)
        facts = distractors.users(size - after, SEED)[self.distractors - before :]
        for owner, held in itertools.groupby(facts, key=lambda fact: fact.user_id):
            self.memory.remember_all([fact.text for fact in held], owner)
        self.seconds += time.monotonic() - started
        self.distractors = size


def look_up(memory: Memory, preferences: Sequence[Preference], tasks: Sequence[Task]) -> tuple[Lookup, ...]:
    """The look-ups of all tasks, labelled with the preferences that apply to them."""
    texts = {preference.id: preference.text for preference in preferences}
    found = [(task, memory.retrieve_context(task.request, USER_ID)) for task in tasks]
    return tuple(
        Lookup(task.id, frozenset(texts[name] for name in task.preferences), context.facts, context.seconds)
        for task, context in found
    )


def changed_contexts(before: Retrieval, after: Retrieval) -> list[str]:
    """What differs between the contexts, one sentence for every task whose context is another one."""
    return [
        f"{task}: lost {', '.join(map(repr, set(facts) - set(after.contexts[task]))) or 'nothing'},"
        f" got {', '.join(map(repr, set(after.contexts[task]) - set(facts))) or 'nothing'}"
        for task, facts in before.contexts.items()
        if facts != after.contexts[task]
    ]


def retrieval_table(measured: Sequence[Retrieval]) -> Told:
    """The sizes below each other, and what chance would get."""
    columns = ("distractors", "recall@5", "95 % interval", "precision@5", "look-up p50", "p95")
    grid = Grid(columns, tuple(map(_row, measured)), texts=())
    return Told(f"retrieval, {len(measured[0].lookups)} tasks", grid, _sentence(measured[0]))


def _sentence(first: Retrieval) -> str:
    relevant = [lookup.relevant for lookup in first.lookups]
    counts, stored = [len(facts) for facts in relevant], len(first.stored)
    by_chance = statistics.fmean(precision_by_chance(stored, count) for count in counts)
    best = statistics.fmean(best_precision(count) for count in counts)
    return (
        f"{stored} preferences for {MOST_FACTS} places, so any choice finds most: drawn at random, recall is expected to be"
        f" {float(recall_by_chance(stored)):.3f} and reaches {first.recall:.3f} with probability"
        f" {chance_of_recall(counts, stored, first.recall):.2g}; the same {MOST_FACTS} for every task, chosen with hindsight, have"
        f" {best_fixed_recall(relevant, first.stored):.3f}. Precision: {by_chance:.3f} at random, at most {best:.3f}. Distractors"
        " are task traces and other users' facts, which are filtered out: contexts must stay the same, and only the time may grow."
    )


def _row(one: Retrieval) -> tuple[str, ...]:
    low, high = one.recall_interval
    middle, slow = milliseconds(percentile(one.seconds, 0.5)), milliseconds(percentile(one.seconds, 0.95))
    return f"{one.distractors:,}", f"{one.recall:.3f}", f"{low:.3f} to {high:.3f}", f"{one.precision:.3f}", middle, slow
