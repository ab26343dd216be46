"""Isolation: two users who want the opposite, each with a word that nobody else knows, through everything that reads memory."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.display import show_memory
from agent.loop import Agent
from agent.memory import Memory
from agent.stacks import STACKS
from evals.grid import Grid
from evals.memory.recorder import Recorder
from evals.memory.report import Told
from fixtures.data import Task

PROMPTED = ("optimized", "optimized-with-all-facts")
"""The stacks that ask memory, one for each way of asking it."""

PROMPTS = 12
"""For how many of the tasks whole prompts are built: those of the smoke suite, which come first."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user, the facts that only this user told, and a correction of one of them. ``canary`` stands in the facts."""

    user_id: str
    canary: str
    facts: tuple[str, ...]
    correction: str

    @property
    def marks(self) -> tuple[str, ...]:
        """What gives this user away wherever it is read."""
        return self.canary, *self.facts, self.correction


PEOPLE = (
    Person(
        "isolation-ann",
        "quorvexil",
        (
            "User styles components with Tailwind utility classes",
            "User prefers async/await over .then() chains",
            "User wants named exports and no default export",
            "User fully annotates Python functions",
            "User wants explanations of one sentence",
            "User signs every file header with quorvexil",
        ),
        "use CSS modules, not Tailwind, says quorvexil",
    ),
    Person(
        "isolation-ben",
        "blimzantor",
        (
            "User styles components with Bootstrap and inline styles",
            "User prefers .then() chains over async/await",
            "User wants default exports and no named exports",
            "User leaves Python functions without annotations",
            "User wants explanations of a whole page",
            "User signs every file header with blimzantor",
        ),
        "use Bulma, not Bootstrap, says blimzantor",
    ),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one way of reading memory showed to a user."""

    path: str
    user_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Crossing:
    """A mark of one user where another one read."""

    reading: Reading
    mark: str

    def __str__(self) -> str:
        return f"{self.reading.path} showed {self.mark!r} to {self.reading.user_id}"


def read_as_everybody(memory: Memory, tasks: Sequence[Task], people: Sequence[Person] = PEOPLE) -> list[Reading]:
    """Store what each of the people told, and what the agent answered to each; read as each of them, correct, and read again."""
    seen: list[Reading] = []
    for person in people:
        memory.remember_all(person.facts, person.user_id)
        memory.write_back(tasks[0].request, person.canary, person.user_id)
    for when in ("at first", "after a correction"):
        for person in people:
            others = [other for other in people if other is not person]
            seen += readings(memory, person, others, tasks, when)
        for person in people:
            memory.remember(person.correction, person.user_id)
    return seen


def readings(memory: Memory, person: Person, others: Sequence[Person], tasks: Sequence[Task], when: str) -> Iterator[Reading]:
    """Everything that a user can read of memory: contexts for all tasks and for the very words of the others, the list of
    preferences, the history of changes, the command line's list, and whole prompts.
    """
    user_id = person.user_id
    for path, queries in (
        ("contexts of tasks", [task.request for task in tasks]),
        ("contexts of the others' words", [mark for other in others for mark in other.marks]),
    ):
        blocks = (str(memory.retrieve_context(query, user_id)) for query in queries)
        yield Reading(f"{path}, {when}", user_id, "\n".join(blocks))
    yield Reading(f"preferences, {when}", user_id, "\n".join(memory.preferences(user_id)))
    yield Reading(f"changes, {when}", user_id, "\n".join(map(repr, memory.changes(user_id))))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        show_memory(memory, user_id, as_json=False)
    yield Reading(f"python -m agent --memories, {when}", user_id, printed.getvalue())
    for stack in PROMPTED:
        recorder = Recorder()
        for task in tasks[:PROMPTS]:
            Agent(recorder, memory, read_only=True).run(STACKS[stack], task.request, user_id)
        yield Reading(f"prompts of {stack}, {when}", user_id, recorder.text)


def crossings(seen: Iterable[Reading], people: Sequence[Person] = PEOPLE) -> list[Crossing]:
    """Every mark that stands where another user read. What two users have in common gives nobody away."""
    return [
        Crossing(reading, mark)
        for reading in seen
        for person in people
        if person.user_id != reading.user_id
        for mark in person.marks
        if mark in reading.text and not any(mark in other for one in people if one is not person for other in one.marks)
    ]


def blind(seen: Iterable[Reading], people: Sequence[Person] = PEOPLE) -> list[Reading]:
    """The readings in which users do not even see their own canary or facts: they could not show a crossing either."""
    own = {person.user_id: person.marks for person in people}
    return [
        reading
        for reading in seen
        if not reading.path.startswith("changes, at first") and not any(mark in reading.text for mark in own[reading.user_id])
    ]


def isolation_table(seen: Sequence[Reading], crossed: Sequence[Crossing]) -> Told:
    """Every way of reading, with the users that read by it and how many marks of others it showed."""
    paths = dict.fromkeys(reading.path for reading in seen)
    rows = tuple(
        (
            path,
            str(sum(reading.path == path for reading in seen)),
            str(sum(one.reading.path == path for one in crossed)),
        )
        for path in paths
    )
    return Told(
        f"isolation, {len(PEOPLE)} users",
        Grid(("read by", "users", "marks of others"), rows),
        "Both users hold the opposite of each other's facts and a word that nobody else knows. A mark is that word or one of the"
        " facts; none may be shown to the other user.",
    )
