"""A run: all trials of one session, or of several that went on with it, plus what they were measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from agent.prompts import Message
from agent.targets.target import Kind, Target
from evals.fingerprint import Fingerprint
from evals.schedule import Series, TrialKey, task_order
from evals.settings import Settings
from evals.trials import Trial

FORMAT = 4
"""The version of the format in which runs are saved and journalled; ``run.schema.json`` describes it."""


@dataclass(frozen=True, slots=True)
class ServedTarget:
    """The target of a run, as people are told of it; nothing secret is in it. See :class:`agent.targets.target.Target`."""

    kind: Kind
    model: str
    server: str
    context_length: int | None
    disclaimer: str

    @classmethod
    def of(cls, target: Target) -> Self:
        """What may be told of a target."""
        return cls(target.kind, target.model, target.server, target.context_length, target.disclaimer)

    def __str__(self) -> str:
        return f"{self.model} on {self.server}"


@dataclass(frozen=True, slots=True)
class Header:
    """What a run is: its name, what it was asked for, what served it, and its fingerprint.

    ``left_out`` are the stacks of a study that did not fit into the server's context, each with the reason; the settings have the
    others alone. ``seeding`` are the seconds that it took to store so many facts, by their number, where a memory holds more than
    the preferences.
    """

    run: str
    settings: Settings
    target: ServedTarget
    fingerprint: Fingerprint
    left_out: Mapping[str, str] = field(default_factory=dict)
    seeding: Mapping[int, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The header as JSON can hold it."""
        return {
            "format": FORMAT,
            "run": self.run,
            "settings": self.settings.to_dict(),
            "target": asdict(self.target),
            "fingerprint": self.fingerprint.to_dict(),
            "left_out": dict(self.left_out),
            "seeding": {str(size): seconds for size, seconds in self.seeding.items()},
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """The header that :meth:`to_dict` made."""
        return cls(
            run=saved["run"],
            settings=Settings.from_dict(saved["settings"]),
            target=ServedTarget(**saved["target"]),
            fingerprint=Fingerprint.from_dict(saved["fingerprint"]),
            left_out=saved["left_out"],
            seeding={int(size): seconds for size, seconds in saved["seeding"].items()},
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A run as far as it was measured: its trials in planned order, and every distinct message under its hash.

    ``missing`` are the planned trials that were not run. A sequential run that was stopped because its verdict was settled has
    measured the first ``stopped`` tasks of its order, and those that follow are not missed.
    """

    header: Header
    trials: tuple[Trial, ...]
    messages: Mapping[str, Message]
    missing: tuple[TrialKey, ...] = ()
    stopped: int | None = None

    @property
    def settings(self) -> Settings:
        """What the run was asked for."""
        return self.header.settings

    @property
    def faulted(self) -> tuple[Trial, ...]:
        """The trials that an infrastructure fault ended."""
        return tuple(trial for trial in self.trials if trial.fault is not None)

    @property
    def complete(self) -> bool:
        """Whether every planned trial has an answer; only a complete run may be judged."""
        return not self.flaw

    @property
    def flaw(self) -> str:
        """Why nothing of this run may be judged; empty for a complete run."""
        measured = set(self.measured_tasks)
        if lost := sum(key[1] in measured for key in self.missing):
            planned = lost + len(self.trials)
            return f"an incomplete run, {lost} of {planned} planned trials were not run"
        if faulted := self.faulted:
            return f"{len(faulted)} trial(s) met an infrastructure fault, the first one {faulted[0].fault}"
        return ""

    @property
    def measured_tasks(self) -> tuple[str, ...]:
        """The tasks that were to be measured, in the order of the run: all, or those before it was stopped."""
        return task_order(self.settings.tasks, self.settings.seed, sequential=self.settings.sequential)[: self.stopped]

    def of_series(self, series: Series) -> list[Trial]:
        """The trials of one series that no fault ended."""
        stack, regime = series.stack, series.regime
        return [trial for trial in self.trials if trial.stack == stack and trial.regime == regime and trial.attempts]

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON can hold it, without what it amounts to."""
        return self.header.to_dict() | {
            "complete": self.complete,
            "stopped": self.stopped,
            "missing": [list(key) for key in self.missing],
            "faulted": [list(trial.key) for trial in self.faulted],
            "messages": {name: asdict(message) for name, message in self.messages.items()},
            "trials": [trial.to_dict() for trial in self.trials],
        }
