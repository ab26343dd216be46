"""Flips: the tasks that more or fewer epochs of HEAD got right than of BASE, and why the others went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from agent.errors import Rung
from agent.printable import one_line
from evals.schedule import Series
from evals.stats import Goal
from evals.trials import Trial, by_task

FLIP_RUNGS: tuple[Rung, ...] = ("schema-valid", "code parses")
"""What a task may flip in, each after the retry."""

_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Tally:
    """How many ``epochs`` of a task have an answer, and how many of these are ``valid``."""

    valid: int
    epochs: int

    @property
    def rate(self) -> Fraction:
        """The share of valid epochs."""
        return Fraction(self.valid, self.epochs)

    def __str__(self) -> str:
        return f"{self.valid}/{self.epochs}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why so many ``epochs`` went wrong: a cause (see :data:`agent.errors.CAUSES`), and the failure of the first one, shortened."""

    cause: str
    epochs: int
    failure: str


@dataclass(frozen=True, slots=True)
class Flip:
    """A task that flipped. ``reasons`` are those of ``worse``, the side on which more epochs went wrong."""

    task: str
    series: Series
    rung: Rung
    base: Tally
    head: Tally
    worse: Literal["BASE", "HEAD"]
    reasons: tuple[Reason, ...]

    @property
    def gain(self) -> Fraction:
        """The share of epochs that HEAD gained; below zero where the task was lost."""
        return self.head.rate - self.base.rate


def find_flips(series: Series, base: Sequence[Trial], head: Sequence[Trial]) -> list[Flip]:
    """The flips of the tasks with an answer on both sides, from one series' trials without a fault; those of each rung lost before
    gained, the largest first.
    """
    before, now = by_task(base), by_task(head)
    tasks = [task for task in before if task in now]
    return [
        flip
        for rung in FLIP_RUNGS
        for flip in sorted(_flips_of_rung(series, rung, [(task, before[task], now[task]) for task in tasks]), key=_order)
    ]


def tally(trials: Sequence[Trial], rung: Rung) -> Tally:
    """How many of a task's trials reached a rung after the retry."""
    return Tally(sum(map(Goal(rung).reached, trials)), len(trials))


def _flips_of_rung(series: Series, rung: Rung, tasks: Iterable[tuple[str, list[Trial], list[Trial]]]) -> Iterable[Flip]:
    for task, base, head in tasks:
        before, now = tally(base, rung), tally(head, rung)
        if now.rate < before.rate:
            yield Flip(task, series, rung, before, now, "HEAD", _reasons(head, rung))
        elif now.rate > before.rate:
            yield Flip(task, series, rung, before, now, "BASE", _reasons(base, rung))


def _order(flip: Flip) -> tuple[bool, Fraction, str]:
    return flip.gain > 0, -abs(flip.gain), flip.task


def _reasons(trials: Iterable[Trial], rung: Rung) -> tuple[Reason, ...]:
    """Why some of a task's trials did not reach a rung, by cause; the most frequent first."""
    failures: dict[str, list[str]] = {}
    for trial in trials:
        outcome = trial.last.outcome
        if not outcome.reached(rung):
            failures.setdefault(outcome.cause or "unknown", []).append(outcome.failure or "")
    reasons = [Reason(cause, len(told), _shortened(told[0])) for cause, told in failures.items()]
    return tuple(sorted(reasons, key=lambda reason: (-reason.epochs, reason.cause)))


def _shortened(failure: str) -> str:
    text = one_line(failure)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3].rstrip()}..."
