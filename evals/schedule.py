"""The schedule: which trials a run consists of, and in which order."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from agent.errors import SettingsError
from agent.stacks import DEFAULT_STACKS, STACKS, Stack
from fixtures.data import FULL, Task, load_suites, load_tasks

ARTICLE, DEFAULT_SUITE = "article", "smoke"
_SHOWN = 12

Regime = Literal["warm", "cold"]
"""How a prompt meets the server's prefix cache: ``warm`` takes the cache as it comes; in ``cold`` a nonce is the very first text of
every prompt, so that nothing but the template's opening can be reused."""

REGIMES: tuple[Regime, ...] = get_args(Regime)

Order = Literal["alternating", "blocked"]
"""How stacks follow each other: all of them on one task after the other, or each on all tasks of an epoch in a row, so that what
the server cached of its last prompt is its own, as in use."""

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
    order: Order = "alternating",
) -> tuple[PlannedTrial, ...]:
    """Every epoch of every task with every stack in every regime on every arm, in the order to run them.

    The stacks of one (epoch, task) follow each other at once, so that drift of the machine meets them alike. Their orders are those
    of :func:`_sequences`, shuffled by ``seed``, and balanced: over the run every stack stands in every place equally often, up to
    one. In ``blocked`` order it is the stacks of one epoch that follow each other, each with all tasks in a row. The regimes of an
    epoch are two blocks, since a cold prompt between two warm ones would empty the cache that the second one is to meet; which
    block goes first alternates from epoch to epoch, and both have the same order of stacks.

    With two arms the stacks take two turns, each stack on one arm and then on the other; see :func:`_in_turns`.
    """
    if len(arms) > 1:
        orders = _in_turns(tasks, stacks, epochs, seed, arms)
    else:
        orders = (_blocked if order == "blocked" else _alternating)(tasks, stacks, epochs, seed)
    return tuple(
        replace(trial, regime=regime)
        for index, in_epoch in enumerate(orders)
        for regime in (regimes if index % 2 == 0 else tuple(reversed(regimes)))
        for trial in in_epoch
    )


_Epochs = list[list[PlannedTrial]]
"""The trials of every epoch, in their order."""


def _alternating(tasks: Sequence[Task], stacks: Sequence[Stack], epochs: int, seed: int) -> _Epochs:
    sequences = iter(_shuffled_sequences(len(stacks), epochs * len(tasks), seed))
    return [
        [PlannedTrial(epoch, task, stacks[place]) for task in tasks for place in next(sequences)] for epoch in range(1, epochs + 1)
    ]


def _blocked(tasks: Sequence[Task], stacks: Sequence[Stack], epochs: int, seed: int) -> _Epochs:
    """The task that opens a block meets what another stack left in the cache, so it is another one in every epoch."""
    sequences = _shuffled_sequences(len(stacks), epochs, seed)
    return [
        [PlannedTrial(epoch, task, stacks[place]) for place in sequence for task in _rotated(tasks, epoch - 1)]
        for epoch, sequence in enumerate(sequences, 1)
    ]


def _rotated(tasks: Sequence[Task], places: int) -> Sequence[Task]:
    start = places % len(tasks) if tasks else 0
    return (*tasks[start:], *tasks[:start])


def _shuffled_sequences(size: int, number: int, seed: int) -> list[tuple[int, ...]]:
    """So many orders, each of :func:`_sequences` equally often, up to one."""
    sequences = _sequences(size)
    drawn = [sequences[index % len(sequences)] for index in range(number)]
    random.Random(f"order {seed}").shuffle(drawn)  # noqa: S311 - an order, not a secret
    return drawn


def balances(rounds: int, stacks: int) -> bool:
    """Whether so many (epoch, task) in ``alternating`` order are enough for every order of so many stacks, so that each stack
    stands in every place and follows every other one equally often, up to one.
    """
    return rounds >= len(_sequences(stacks))


def _sequences(size: int) -> list[tuple[int, ...]]:
    """Orders of so many things in which each stands in every place, and follows every other one, equally often.

    Williams, Australian Journal of Scientific Research A 2 (1949): 0, 1, n-1, 2, n-2, ... and its rotations; for an odd number also
    their mirror images, without which it holds for the places alone. What was cached before a prompt is the prompt before it.
    """
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(size)]
    rotated = [tuple((start + step) % size for step in zigzag) for start in range(size)]
    return rotated if size % 2 == 0 else [*rotated, *(sequence[::-1] for sequence in rotated)]


def _in_turns(tasks: Sequence[Task], stacks: Sequence[Stack], epochs: int, seed: int, arms: Sequence[Arm]) -> _Epochs:
    """Both arms, so that neither profits from what the server cached before.

    The order of stacks, drawn by ``seed``, is the same throughout: no stack follows itself, where its prompts have the most in
    common. Which arm goes first changes in the middle of every epoch and nowhere else: between those places both trials of a pair
    follow the same stack, and both on their own arm or both on the other one. For every stack each arm goes first equally often,
    up to one.
    """
    rng = random.Random(f"arms {seed}")  # noqa: S311 - an order, not a secret
    rotation, first = rng.randrange(len(stacks)), rng.randrange(len(arms))
    rotated, blocks = (*stacks[rotation:], *stacks[:rotation]), _blocks(tasks, len(stacks))
    half = (len(blocks) + 1) // 2
    return [
        [
            PlannedTrial(epoch, task, stack, arm=arms[(first + epoch + (index >= half) + turn + place + number) % len(arms)])
            for index, block in enumerate(blocks)
            for turn in range(len(arms))
            for place, task in enumerate(block)
            for number, stack in enumerate(rotated)
        ]
        for epoch in range(1, epochs + 1)
    ]


def _blocks(tasks: Sequence[Task], stacks: int) -> list[Sequence[Task]]:
    """The tasks that take their turns together: one alone, or two of a single stack, since a prompt that followed itself would be
    cached as a whole. An odd one joins the last two.
    """
    if stacks > 1 or len(tasks) < 2:
        return [[task] for task in tasks]
    starts = range(0, len(tasks) - 1, 2)
    return [tasks[start : start + 2 if start + 3 < len(tasks) else len(tasks)] for start in starts]


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
            shown = ", ".join(task.id for task in tasks[:_SHOWN])
            more = f" and {len(tasks) - _SHOWN} more in fixtures/tasks.toml" if len(tasks) > _SHOWN else ""
            raise SettingsError(f"--task {glob} matches no task of {name}; there are: {shown}{more}")
    return tuple(task for task in tasks if not globs or any(fnmatch.fnmatchcase(task.id, glob) for glob in globs))


def choose_stacks(names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the stacks that were asked for, in the order of :data:`agent.stacks.STACKS`; without names the default ones.

    Raises:
        SettingsError: when a name is unknown.
    """
    for name in names or ():
        if name not in STACKS:
            raise SettingsError(f"--stack {name} is unknown; there are: {', '.join(STACKS)}")
    return tuple(name for name in STACKS if name in (names or DEFAULT_STACKS))
