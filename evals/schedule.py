"""The schedule: which trials a run consists of, and in which order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from agent.stacks import Stack
from fixtures.data import Task


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
