"""The schedule: which trials a run consists of, and in which order."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Sequence
from dataclasses import dataclass

from agent.errors import SettingsError
from agent.stacks import STACKS, Stack
from fixtures.data import Task, load_tasks


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One stack on one task in one epoch (counted from 1)."""

    epoch: int
    task: Task
    stack: Stack

    @property
    def key(self) -> tuple[int, str, str]:
        """What tells it from every other trial of the run."""
        return self.epoch, self.task.id, self.stack.name

    def __str__(self) -> str:
        return f"e{self.epoch}-{self.task.id}-{self.stack.name}"


def plan(tasks: Sequence[Task], stacks: Sequence[Stack], epochs: int, seed: int) -> tuple[PlannedTrial, ...]:
    """Every epoch of every task with every stack, in the order to run them.

    The stacks of one (epoch, task) follow each other at once, so that drift of the machine meets them alike. Which of them goes
    first is shuffled by ``seed`` and balanced: over the run every stack stands in every place equally often, up to one.
    """
    groups = [(epoch, task) for epoch in range(1, epochs + 1) for task in tasks]
    rotations = [index % len(stacks) for index in range(len(groups))]
    random.Random(f"order {seed}").shuffle(rotations)  # noqa: S311 - an order, not a secret
    return tuple(
        PlannedTrial(epoch, task, stack)
        for (epoch, task), rotation in zip(groups, rotations, strict=True)
        for stack in (*stacks[rotation:], *stacks[:rotation])
    )


def choose_tasks(globs: Sequence[str] | None) -> tuple[Task, ...]:
    """The tasks whose id matches one of the globs; all without globs.

    Raises:
        SettingsError: when a glob matches none.
    """
    tasks = load_tasks()
    for glob in globs or ():
        if not any(fnmatch.fnmatchcase(task.id, glob) for task in tasks):
            raise SettingsError(f"--task {glob} matches no task; there are: {', '.join(task.id for task in tasks)}")
    return tuple(task for task in tasks if globs is None or any(fnmatch.fnmatchcase(task.id, glob) for glob in globs))


def choose_stacks(names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the stacks that were asked for, in the order of :data:`agent.stacks.STACKS`; all without names.

    Raises:
        SettingsError: when a name is unknown.
    """
    for name in names or ():
        if name not in STACKS:
            raise SettingsError(f"--stack {name} is unknown; there are: {', '.join(STACKS)}")
    return tuple(name for name in STACKS if names is None or name in names)
