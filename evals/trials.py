"""Trials: what a stack made of a task, as it is measured, journalled and saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

from agent.model import Completion
from evals.ladder import Outcome
from evals.schedule import Regime, Series, TrialKey

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One model call as it is saved.

    ``cache`` says how the call met the server's prefix cache: ``cold`` with a nonce, and also for the first call after a fault,
    since nobody knows what the server still held then. ``messages`` are the hashes of exactly what was sent, in order.
    """

    completion: Completion
    outcome: Outcome
    cache: Regime
    messages: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether the answer is a schema-valid artifact."""
        return self.outcome.reached("schema-valid")

    @property
    def parses(self) -> bool:
        """Whether the answer is on the top rung: schema-valid, in the language asked for, and its code parses."""
        return self.outcome.reached("code parses")

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """The record that :func:`dataclasses.asdict` was made of."""
        completion, outcome = Completion(**saved["completion"]), Outcome(**saved["outcome"])
        return cls(completion, outcome, saved["cache"], tuple(saved["messages"]))


@dataclass(frozen=True, slots=True)
class Fault:
    """An infrastructure fault that ended one try of a trial: the exception's name, its message, and how long the call took.

    ``seconds`` is the duration of the call that met the fault, ``messages`` what it had sent, and ``text`` what of its answer had
    arrived. ``facts``, ``retrieval_seconds`` and ``attempts`` are what the try had measured before.
    """

    kind: str
    message: str
    seconds: float
    messages: tuple[str, ...] = ()
    text: str = ""
    facts: tuple[str, ...] | None = None
    retrieval_seconds: float | None = None
    attempts: tuple[AttemptRecord, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """The fault that :func:`dataclasses.asdict` was made of."""
        return cls(**saved | {
            "messages": tuple(saved["messages"]),
            "facts": _tuple_or_none(saved["facts"]),
            "attempts": tuple(map(AttemptRecord.from_dict, saved["attempts"])),
        })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """One stack on one task in one epoch and regime, with everything that was measured.

    ``started`` is the moment it began, in UTC as ISO 8601. ``facts`` and ``retrieval_seconds`` are ``None`` when the stack asks no
    memory. ``faults`` are those of tries that an infrastructure fault ended. Without ``attempts`` the last try was one of them:
    such a trial says nothing about the stack.
    """

    epoch: int
    task: str
    stack: str
    regime: Regime
    seed: int
    started: str
    facts: tuple[str, ...] | None = None
    retrieval_seconds: float | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def key(self) -> TrialKey:
        """What tells it from every other trial of the run."""
        return self.epoch, self.task, self.stack, self.regime

    @property
    def series(self) -> Series:
        """The trials that it may be put together with."""
        return Series(self.stack, self.regime)

    @property
    def fault(self) -> Fault | None:
        """The fault that ended the trial; ``None`` when it has an answer."""
        return None if self.attempts else self.faults[-1]

    @property
    def timed(self) -> bool:
        """Whether its times belong to its regime: the first attempt met the cache as the regime says."""
        return bool(self.attempts) and self.attempts[0].cache == self.regime

    @property
    def first(self) -> AttemptRecord:
        """The first attempt."""
        return self.attempts[0]

    @property
    def last(self) -> AttemptRecord:
        """The last attempt, which decides."""
        return self.attempts[-1]

    @property
    def cut_off(self) -> bool:
        """Whether the last answer was cut off at its limit of tokens, so that nobody knows what it would have been."""
        return bool(self.attempts) and self.last.outcome.cause == "truncated"

    @property
    def decoding_ignored(self) -> bool:
        """Whether the server did not hold an answer, one that was corrected too, to the decoding that it was asked for."""
        return any(attempt.outcome.cause == "decoding ignored" for attempt in self.attempts)

    @property
    def latency(self) -> float:
        """Seconds that all attempts took together, without the look-up in memory."""
        return sum(attempt.completion.latency for attempt in self.attempts)

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens of all attempts."""
        return sum(attempt.completion.prompt_tokens + attempt.completion.completion_tokens for attempt in self.attempts)

    def to_dict(self) -> dict[str, Any]:
        """The trial as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """The trial that :meth:`to_dict` made."""
        return cls(**saved | {
            "facts": _tuple_or_none(saved["facts"]),
            "attempts": tuple(map(AttemptRecord.from_dict, saved["attempts"])),
            "faults": tuple(map(Fault.from_dict, saved["faults"])),
        })  # fmt: skip


def by_task(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """The trials of every task."""
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial.task, []).append(trial)
    return found


def values_by_task(trials: Iterable[Trial], read: Callable[[Trial], Value | None]) -> dict[str, list[Value]]:
    """What is read off the trials of every task, of those trials that have a value; a task without any is not there."""
    found = {task: [value for trial in tried if (value := read(trial)) is not None] for task, tried in by_task(trials).items()}
    return {task: values for task, values in found.items() if values}


def _tuple_or_none(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
