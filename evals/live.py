"""A live run: what it was asked for, and the trials it measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from agent.errors import MemoryStoreError, ModelError
from agent.loop import Agent
from agent.sampling import Sampling, derive_seed
from agent.targets.target import Target
from evals.journal import Journal
from evals.limits import Floor, Judgement, floor_for, judge_stack
from evals.schedule import PlannedTrial
from evals.trials import Trial

USER_ID = "evals"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was asked for: the options of the command line."""

    target: str
    model: str | None
    embedder: str | None
    stacks: tuple[str, ...]
    tasks: tuple[str, ...]
    epochs: int
    seed: int
    sampling: Sampling = field(default_factory=Sampling)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them."""
        return asdict(self)


@dataclass(slots=True)
class LiveRun:
    """An open run. ``trials`` are those measured so far, in order."""

    settings: Settings
    planned: Sequence[PlannedTrial]
    target: Target
    agent: Agent
    journal: Journal
    floors: tuple[Floor, ...] = ()
    trials: list[Trial] = field(default_factory=list)

    def measure(self, planned: PlannedTrial) -> Trial:
        """Run one trial and journal it. An infrastructure fault becomes the trial's ``fault``."""
        seed = derive_seed(self.settings.seed, planned.task.id, planned.epoch)
        sampling = replace(self.settings.sampling, seed=seed)
        try:
            trial = Trial.of(planned, seed, self.agent.run(planned.stack, planned.task.request, USER_ID, sampling))
        except (ModelError, MemoryStoreError) as error:
            trial = Trial.faulted(planned, seed, error)
        self.trials.append(trial)
        self.journal.add(trial)
        return trial

    def of_stack(self, stack: str) -> list[Trial]:
        """The trials of one stack that no fault ended."""
        return [trial for trial in self.trials if trial.stack == stack and trial.fault is None]

    @property
    def missing(self) -> list[PlannedTrial]:
        """The planned trials that have not been run."""
        done = {trial.key for trial in self.trials}
        return [planned for planned in self.planned if planned.key not in done]

    @property
    def faults(self) -> list[Trial]:
        """The trials that an infrastructure fault ended."""
        return [trial for trial in self.trials if trial.fault is not None]

    @property
    def flaw(self) -> str:
        """Why nothing of this run may be judged; empty for a complete run."""
        if self.missing:
            return f"a partial run, {len(self.missing)} of {len(self.planned)} planned trials were not run"
        if self.faults:
            return f"{len(self.faults)} trial(s) met an infrastructure fault, the first one {self.faults[0].fault}"
        return ""

    def judgement(self, stack: str) -> Judgement:
        """What the share of valid answers of one stack amounts to."""
        return judge_stack(self.of_stack(stack), floor_for(self.floors, stack, self.target.kind), self.flaw)

    def to_dict(self) -> dict[str, Any]:
        """Our part of a saved run."""
        return {
            "version": 1,
            "partial": bool(self.missing),
            "missing": [list(planned.key) for planned in self.missing],
            **run_header(self.settings, self.target),
            "judgements": {stack: self.judgement(stack).to_dict() for stack in self.settings.stacks},
            "trials": [trial.to_dict() for trial in self.trials],
        }


def run_header(settings: Settings, target: Target) -> dict[str, Any]:
    """The settings and the target of a run, as JSON can hold them and without secrets."""
    served = {name: getattr(target, name) for name in ("kind", "base_url", "model", "server", "context_length", "disclaimer")}
    return {"settings": settings.to_dict(), "target": served}
