"""The schedule: which trials a run consists of, and in which order."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from agent.errors import SettingsError
from agent.stacks import STACKS, Stack
from fixtures.data import Task, load_tasks

Regime = Literal["warm", "cold"]
"""How a prompt meets the server's prefix cache: ``warm`` takes the cache as it comes; in ``cold`` a nonce is the very first text of
every prompt, so that nothing but the template's opening can be reused."""

REGIMES: tuple[Regime, ...] = get_args(Regime)

Arm = Literal["head", "base"]
"""A side of an A/B session: ``base`` is what is compared with. Every run without a comparison is ``head``."""

BOTH_ARMS: tuple[Arm, ...] = ("base", "head")

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
    """One stack on one task in one epoch (counted from 1) and one regime, on one arm of the session."""

    epoch: int
    task: Task
    stack: Stack
    regime: Regime = "warm"
    arm: Arm = "head"

    @property
    def key(self) -> TrialKey:
        """What tells it from every other trial of the run; each arm has a run of its own."""
        return self.epoch, self.task.id, self.stack.name, self.regime

    def __str__(self) -> str:
        arm = "-base" if self.arm == "base" else ""
        return f"e{self.epoch}-{self.task.id}-{self.stack.name}-{self.regime}{arm}"


def plan(
    tasks: Sequence[Task],
    stacks: Sequence[Stack],
    epochs: int,
    seed: int,
    regimes: Sequence[Regime] = ("warm",),
    *,
    arms: Sequence[Arm] = ("head",),
) -> tuple[PlannedTrial, ...]:
    """Every epoch of every task with every stack in every regime on every arm, in the order to run them.

    The stacks of one (epoch, task) follow each other at once, so that drift of the machine meets them alike. Which of them goes
    first is shuffled by ``seed`` and balanced: over the run every stack stands in every place equally often, up to one. The
    regimes of an epoch are two blocks, since a cold prompt between two warm ones would empty the cache that the second one is to
    meet; which block goes first alternates from epoch to epoch, and both have the same order of stacks.

    With two arms the stacks take two turns, each stack on one arm and then on the other, so that no prompt meets a cache that the
    other arm has just filled with it. A single stack takes its turns over two tasks for the same reason. Which arm goes first is
    shuffled and balanced, too: for every stack each arm does equally often, up to one.
    """
    groups = [(epoch, task) for epoch in range(1, epochs + 1) for task in tasks]
    rotations = [index % len(stacks) for index in range(len(groups))]
    random.Random(f"order {seed}").shuffle(rotations)  # noqa: S311 - an order, not a secret
    ordered = [
        [PlannedTrial(epoch, task, stack) for stack in (*stacks[rotation:], *stacks[:rotation])]
        for (epoch, task), rotation in zip(groups, rotations, strict=True)
    ]
    epochs_of_tasks = [ordered[start : start + len(tasks)] for start in range(0, len(ordered), len(tasks) or 1)]
    blocks = [_blocks(in_epoch) for in_epoch in epochs_of_tasks]
    flips = iter(_flips([(len(block), block[0][0].stack.name) for in_epoch in blocks for block in in_epoch], seed))
    turns = [[_in_turns(block, stacks, arms, next(flips)) for block in in_epoch] for in_epoch in blocks]
    return tuple(
        replace(trial, regime=regime)
        for index, in_epoch in enumerate(turns)
        for regime in (regimes if index % 2 == 0 else tuple(reversed(regimes)))
        for block in in_epoch
        for trial in block
    )


_Group = list[PlannedTrial]
"""The stacks of one (epoch, task), in their order."""


def _blocks(groups: Sequence[_Group]) -> list[Sequence[_Group]]:
    """What takes its turns together: one group of several stacks, or two of a single stack; an odd one joins the last two."""
    if len(groups) < 2 or len(groups[0]) > 1:
        return [[group] for group in groups]
    starts = range(0, len(groups) - 1, 2)
    return [groups[start : start + 2 if start + 3 < len(groups) else len(groups)] for start in starts]


def _flips(kinds: Sequence[tuple[int, str]], seed: int) -> list[int]:
    """0 or 1 for every block, shuffled, and balanced over all blocks and over those of every kind."""
    rng = random.Random(f"arms {seed}")  # noqa: S311 - an order, not a secret
    first, places = rng.randrange(2), rng.sample(range(len(kinds)), len(kinds))
    flips = {place: (first + index) % 2 for index, place in enumerate(sorted(places, key=kinds.__getitem__))}
    return [flips[place] for place in range(len(kinds))]


def _in_turns(block: Sequence[_Group], stacks: Sequence[Stack], arms: Sequence[Arm], flip: int) -> list[PlannedTrial]:
    return [
        replace(trial, arm=arms[(turn + place + stacks.index(trial.stack) + flip) % len(arms)])
        for turn in range(len(arms))
        for place, group in enumerate(block)
        for trial in group
    ]


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
