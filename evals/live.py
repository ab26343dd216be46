"""A live run: the trials it measures, keeps and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.errors import RunFileError
from agent.prompts import Message
from agent.sampling import derive_seed
from evals.journal import Journal
from evals.measurer import Measurer
from evals.run import Header, Run
from evals.schedule import PlannedTrial, TrialKey
from evals.settings import Settings
from evals.trials import Trial


@dataclass(slots=True)
class LiveRun:
    """An open run: it has trials measured, keeps them and writes them down. ``fault_count`` is of this session alone;
    ``stopped`` is after how many tasks a sequential run ended, because its verdict was settled.
    """

    header: Header
    planned: Sequence[PlannedTrial]
    measurer: Measurer
    journal: Journal
    messages: dict[str, Message] = field(default_factory=dict)
    by_key: dict[TrialKey, Trial] = field(default_factory=dict)
    fault_count: int = 0
    stopped: int | None = None

    def measure(self, planned: PlannedTrial) -> Trial:
        """Run one trial and journal it; a trial that an earlier session answered is only looked up.

        Raises:
            SettingsError: when the journal cannot be written.
            ArmError: when the process that measures is gone.
        """
        before = self.by_key.get(planned.key)
        if before is not None and before.fault is None:
            return before
        measured = self.measurer.measure(planned, before.faults if before else ())
        trial = measured.trial
        self.journal.add(trial, measured.messages)
        self.messages |= measured.messages
        self.by_key[trial.key] = trial
        self.fault_count += trial.fault is not None
        return trial

    def take_over(self, trials: Mapping[TrialKey, Trial]) -> None:
        """Take over what an earlier session of this run measured. Trials without an answer will be run again.

        Raises:
            RunFileError: for a trial that this run never planned, or that had another seed.
        """
        planned = {one.key for one in self.planned}
        for key, trial in trials.items():
            if key not in planned or trial.seed != derive_seed(self.settings.seed, trial.task, trial.epoch):
                raise RunFileError(f"{self.journal.file}: the trial {key} with seed {trial.seed} is none of this run's")
        self.by_key |= trials

    @property
    def settings(self) -> Settings:
        """What the run was asked for."""
        return self.header.settings

    @property
    def over_budget(self) -> bool:
        """Whether more trials of this session ended in a fault than the settings allow."""
        return self.fault_count > self.settings.faults_allowed

    @property
    def answered(self) -> int:
        """How many trials have an answer."""
        return sum(trial.fault is None for trial in self.by_key.values())

    def result(self) -> Run:
        """The run as far as it was measured."""
        trials = tuple(self.by_key[planned.key] for planned in self.planned if planned.key in self.by_key)
        missing = tuple(planned.key for planned in self.planned if planned.key not in self.by_key)
        return Run(self.header, trials, self.messages, missing, self.stopped)
