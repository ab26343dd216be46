"""What so many tasks and epochs can show: before a run is paid for, and after one that did not settle its question."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from evals.paired import MEAN_CONFIDENCE, PASS_CONFIDENCE, upper_share

MOST_TASKS = 1_000
MOST_EPOCHS = 50


@functools.cache
def excludable_loss(tasks: int) -> float:
    """The smallest share of tasks that can be said not to have been lost, when not one of so many was.

    Raises:
        ValueError: without a task.
    """
    return upper_share(0, tasks)


@functools.cache
def tasks_to_exclude(margin: Fraction) -> int | None:
    """How many tasks without a loss it takes to exclude a loss of more than ``margin``; ``None`` when no number does."""
    if margin <= 0:
        return None
    tasks = math.ceil(math.log(1 - PASS_CONFIDENCE) / math.log1p(-float(margin))) if margin < 1 else 1
    return tasks if excludable_loss(tasks) <= margin else tasks + 1


@functools.cache
def flips_to_fail(level: float) -> int:
    """How many tasks must be lost, with none gained, before a sign-flip test can reject at ``level``."""
    return math.ceil(-math.log2(level))


@dataclass(frozen=True, slots=True)
class Spread:
    """What was seen of a loss: its mean, the variance of the tasks' losses, the part of it that sampling within tasks explains, and
    the share of tasks that were lost, net of those that gained.
    """

    mean: float
    variance: float
    within: float
    net: float

    @classmethod
    def of(cls, base: Sequence[int], head: Sequence[int], epochs: int) -> Spread:
        """From the valid epochs of every task in both runs.

        Raises:
            ValueError: without a task.
        """
        losses = [(before - now) / epochs for before, now in zip(base, head, strict=True)]
        n, mean = len(losses), math.fsum(losses) / len(losses)
        variance = math.fsum((loss - mean) ** 2 for loss in losses) / max(1, n - 1)
        net = max(0, sum(loss > 0 for loss in losses) - sum(loss < 0 for loss in losses)) / n
        shares = [count / epochs for count in (*base, *head)]
        within = math.fsum(share * (1 - share) for share in shares) / (n * (epochs - 1)) if epochs > 1 else 0.0
        return cls(mean, variance, min(within, variance), net)


def what_settles(spread: Spread, margin: Fraction, size: tuple[int, int], level: float) -> str:
    """How many more tasks or epochs than ``size`` would about settle whether more than ``margin`` was lost, at ``level``, if what
    was seen stayed the same.
    """
    tasks, epochs = size
    found = []
    if (more := _first(range(tasks + 1, MOST_TASKS + 1), lambda n: _settles(spread, margin, (n, 1.0), level))) is not None:
        found.append(f"{more} tasks")
    if spread.within and (
        again := _first(range(epochs + 1, MOST_EPOCHS + 1), lambda n: _settles(spread, margin, (tasks, epochs / n), level))
    ):
        found.append(f"{again} epochs of these {tasks}")
    if not found:
        return f"the loss lies so close to the margin that {MOST_TASKS:,} tasks would not settle it"
    return f"if nothing else changed, about {' or '.join(found)} would settle it"


def _settles(spread: Spread, margin: Fraction, size: tuple[int, float], level: float) -> bool:
    """Whether so many tasks settle it, when sampling within tasks explains so much of what it does. That losses are skewed is left
    out, which asks for rather too many.
    """
    from scipy.special import stdtrit

    tasks, sampling = size
    if tasks < 2:
        return False
    error = math.sqrt((spread.variance - spread.within * (1 - sampling)) / tasks)
    passes = spread.mean + float(stdtrit(tasks - 1, MEAN_CONFIDENCE)) * error <= margin
    if passes and upper_share(math.ceil(spread.net * tasks - 1e-9), tasks) <= margin:
        return True
    return spread.mean - float(stdtrit(tasks - 1, 1 - level)) * error > margin


def _first(numbers: range, holds: Callable[[int], bool]) -> int | None:
    """The first number for which it holds, where it goes on holding; ``None`` when it does not hold for the last one."""
    if not numbers or not holds(numbers[-1]):
        return None
    return numbers[bisect.bisect_left(numbers, True, key=holds)]  # noqa: FBT003 - the value looked for
