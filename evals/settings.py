"""What a run was asked for: the options of the command line, once they are settled."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from agent.sampling import Sampling
from evals.schedule import BOTH_ARMS, Arm, Order, Regime, Series


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was asked for.

    ``suite`` is the suite that was asked for by name, and ``tasks`` are its tasks, or those that were chosen from it. A
    ``sequential`` run finishes all epochs of a task before the next one, so that it may stop as soon as its verdict is settled.
    ``study`` is the one of :data:`evals.studies.STUDIES` that was asked for, and ``order`` how the stacks follow each other.
    ``seed`` is the run's, of the order and of sampling; ``deadline`` is in seconds, for one call; ``fault_budget`` is the share of
    trials that may end in an infrastructure fault before the run stops. In an A/B session ``ab`` is the commit of the other arm's
    agent, or ``ab_model`` the model of the head arm; both arms have the same settings.
    """

    target: str = "auto"
    model: str | None = None
    embedder: str | None = None
    stacks: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    epochs: int = 3
    seed: int = 0
    regimes: tuple[Regime, ...] = ("warm",)
    deadline: float = 300.0
    fault_budget: float = 0.05
    sampling: Sampling = field(default_factory=Sampling)
    suite: str | None = None
    sequential: bool = False
    study: str | None = None
    order: Order = "alternating"
    ab: str | None = None
    ab_model: str | None = None

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms of the session: both in an A/B session."""
        return ("head",) if self.ab is None and self.ab_model is None else BOTH_ARMS

    @property
    def series(self) -> tuple[Series, ...]:
        """The series of the run: its regimes, and in each its stacks."""
        return tuple(Series(stack, regime) for regime in self.regimes for stack in self.stacks)

    @property
    def embedding_seconds(self) -> float:
        """How long one embedding may take."""
        return min(60.0, self.deadline)

    @property
    def faults_allowed(self) -> int:
        """How many trials of the session may end in a fault: the budget's share of all, but at least two."""
        return max(2, int(self.fault_budget * len(self.series) * len(self.tasks) * self.epochs * len(self.arms)))

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """The settings that :meth:`to_dict` made."""
        listed = {name: tuple(saved[name]) for name in ("stacks", "tasks", "regimes")}
        return cls(**saved | listed | {"sampling": Sampling(**saved["sampling"])})

    def differences(self, other: Settings) -> list[str]:
        """Every choice that differs, as ``name: mine, then the other's``."""
        pairs = ((entry.name, getattr(self, entry.name), getattr(other, entry.name)) for entry in fields(self))
        return [f"{name}: {mine}, then {others}" for name, mine, others in pairs if mine != others]
