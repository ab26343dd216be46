"""The schedule: which trials a run consists of, and in which order."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from agent.errors import SettingsError
from agent.stacks import STACKS, Stack
from fixtures.data import FULL, Task, load_suites, load_tasks

ARTICLE, DEFAULT_SUITE = "article", "smoke"

Regime = Literal["warm", "cold"]
"""How a prompt meets the server's prefix cache: ``warm`` takes the cache as it comes; in ``cold`` a nonce is the very first text of
every prompt, so that nothing but the template's opening can be reused."""

REGIMES: tuple[Regime, ...] = get_args(Regime)

TrialKey = tuple[int, str, str, Regime]
"""What tells a trial from every other one of its run: epoch, task, stack and regime."""


@dataclass(frozen=True, slots=True)
class Series:
    """The trials of one stack in one regime. Nothing is ever averaged over two of them."""

    stack: str
    regime: Regime

    def __str__(self) -> str:
        return f"{self.stack}-{self.regime}"


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One stack on one task in one epoch (counted from 1) and one regime."""

    epoch: int
    task: Task
    stack: Stack
    regime: Regime = "warm"

    @property
    def key(self) -> TrialKey:
        """What tells it from every other trial of the run."""
        return self.epoch, self.task.id, self.stack.name, self.regime

    def __str__(self) -> str:
        return f"e{self.epoch}-{self.task.id}-{self.stack.name}-{self.regime}"


def plan(
    tasks: Sequence[Task], stacks: Sequence[Stack], epochs: int, seed: int, regimes: Sequence[Regime] = ("warm",)
) -> tuple[PlannedTrial, ...]:
    """Every epoch of every task with every stack in every regime, in the order to run them.

    The stacks of one (epoch, task) follow each other at once, so that drift of the machine meets them alike. Which of them goes
    first is shuffled by ``seed`` and balanced: over the run every stack stands in every place equally often, up to one. The
    regimes of an epoch are two blocks, since a cold prompt between two warm ones would empty the cache that the second one is to
    meet; which block goes first alternates from epoch to epoch, and both have the same order of stacks.
    """
    groups = [(epoch, task) for epoch in range(1, epochs + 1) for task in tasks]
    rotations = [index % len(stacks) for index in range(len(groups))]
    random.Random(f"order {seed}").shuffle(rotations)  # noqa: S311 - an order, not a secret
    ordered = [
        (epoch, task, (*stacks[rotation:], *stacks[:rotation])) for (epoch, task), rotation in zip(groups, rotations, strict=True)
    ]
    epochs_of_tasks = [ordered[start : start + len(tasks)] for start in range(0, len(ordered), len(tasks) or 1)]
    return tuple(
        PlannedTrial(epoch, task, stack, regime)
        for index, in_epoch in enumerate(epochs_of_tasks)
        for regime in (regimes if index % 2 == 0 else tuple(reversed(regimes)))
        for epoch, task, rotated in in_epoch
        for stack in rotated
    )


def task_order(tasks: Sequence[str], seed: int, *, sequential: bool) -> tuple[str, ...]:
    """The ids of the tasks in the order in which a run comes to them. A sequential run shuffles them by ``seed``, so that where it
    stops is a random sample of the tasks and not the top of a file.
    """
    ordered = list(tasks)
    if sequential:
        random.Random(f"tasks {seed}").shuffle(ordered)  # noqa: S311 - an order, not a secret
    return tuple(ordered)


def plan_sequential(
    tasks: Sequence[Task], stacks: Sequence[Stack], epochs: int, seed: int, regimes: Sequence[Regime] = ("warm",)
) -> tuple[PlannedTrial, ...]:
    """The same trials as :func:`plan`, but all epochs of a task before the next task, in :func:`task_order`."""
    place = {task: index for index, task in enumerate(task_order([task.id for task in tasks], seed, sequential=True))}
    return tuple(sorted(plan(tasks, stacks, epochs, seed, regimes), key=lambda planned: place[planned.task.id]))


def choose_tasks(globs: Sequence[str] | None, suite: str | None = None) -> tuple[Task, ...]:
    """The tasks of a suite whose id matches one of the globs. Without a suite, globs choose from all tasks; without globs too, it
    is :data:`DEFAULT_SUITE`.

    Raises:
        SettingsError: when there is no such suite, or a glob matches none of its tasks.
    """
    suites = load_suites()
    name = suite or (FULL if globs else DEFAULT_SUITE)
    if name not in suites:
        raise SettingsError(f"--suite {name} is unknown; there are: {', '.join(suites)}")
    tasks = [task for task in load_tasks() if task.id in suites[name]]
    for glob in globs or ():
        if not any(fnmatch.fnmatchcase(task.id, glob) for task in tasks):
            raise SettingsError(f"--task {glob} matches no task of {name}; there are: {', '.join(task.id for task in tasks)}")
    return tuple(task for task in tasks if not globs or any(fnmatch.fnmatchcase(task.id, glob) for glob in globs))


def choose_stacks(names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the stacks that were asked for, in the order of :data:`agent.stacks.STACKS`; all without names.

    Raises:
        SettingsError: when a name is unknown.
    """
    for name in names or ():
        if name not in STACKS:
            raise SettingsError(f"--stack {name} is unknown; there are: {', '.join(STACKS)}")
    return tuple(name for name in STACKS if names is None or name in names)
