"""A live run: the trials it measures, keeps and counts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from agent.errors import MemoryStoreError, ModelError, RunFileError
from agent.loop import Agent, Attempt
from agent.memory import Context
from agent.model import without_lone_surrogates
from agent.sampling import derive_seed
from evals.journal import Journal
from evals.ladder import climb
from evals.messages import MessageStore
from evals.observer import Call, ObservedModel
from evals.run import Header, Run
from evals.schedule import PlannedTrial, TrialKey
from evals.settings import Settings
from evals.trials import AttemptRecord, Fault, Trial

USER_ID = "evals"
PAUSES = (0.5, 2.0)
"""Seconds before the second and the third try of a trial whose try met an infrastructure fault; a fourth one is not made."""


@dataclass(slots=True)
class LiveRun:
    """An open run: it measures trials, keeps them and writes them down. ``fault_count`` is of this session alone."""

    header: Header
    planned: Sequence[PlannedTrial]
    agent: Agent
    model: ObservedModel
    journal: Journal
    messages: MessageStore = field(default_factory=MessageStore)
    pauses: tuple[float, ...] = PAUSES
    by_key: dict[TrialKey, Trial] = field(default_factory=dict)
    fault_count: int = 0

    def measure(self, planned: PlannedTrial) -> Trial:
        """Run one trial and journal it; a trial that an earlier session answered is only looked up.

        A try that meets an infrastructure fault is followed by another one, at most as often as there are ``pauses``. When all of
        them meet one, the trial ends without an answer.

        Raises:
            SettingsError: when the journal cannot be written.
        """
        before = self.by_key.get(planned.key)
        if before is not None and before.fault is None:
            return before
        trial = self._repeatedly_tried(planned, before.faults if before else ())
        self.journal.add(trial, self.messages.take_new())
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
        return Run(self.header, trials, self.messages.known, missing)

    def _repeatedly_tried(self, planned: PlannedTrial, faults: tuple[Fault, ...]) -> Trial:
        seed = derive_seed(self.settings.seed, planned.task.id, planned.epoch)
        trial = Trial(*planned.key, seed=seed, started=_now(), faults=faults)
        for pause in (0.0, *self.pauses):
            time.sleep(pause)
            trial = self._tried(planned, trial)
            if trial.fault is None:
                break
        return trial

    def _tried(self, planned: PlannedTrial, trial: Trial) -> Trial:
        """The trial after one more try: with its answer, or with one fault more."""
        self.model.begin(planned.regime)
        sampling = replace(self.settings.sampling, seed=trial.seed)
        started = time.perf_counter()
        try:
            reply = self.agent.run(planned.stack, planned.task.request, USER_ID, sampling)
        except (ModelError, MemoryStoreError) as error:
            self.model.doubt_cache()
            fault = self._fault(planned, error, time.perf_counter() - started)
            return replace(trial, faults=(*trial.faults, fault))
        facts, seconds = _retrieved(reply.context)
        attempts = self._recorded(planned, reply.attempts)
        return replace(trial, facts=facts, retrieval_seconds=seconds, attempts=attempts)

    def _fault(self, planned: PlannedTrial, error: ModelError | MemoryStoreError, seconds: float) -> Fault:
        # A server's error may hold half a character, which no file of text can.
        name, message = type(error).__name__, without_lone_surrogates(str(error))
        if isinstance(error, MemoryStoreError):
            return Fault(name, message, seconds)
        call = self.model.calls[-1]
        sent, attempts = self.messages.add(call.messages), self._recorded(planned, error.attempts)
        facts, retrieval_seconds = _retrieved(error.context)
        return Fault(name, message, call.seconds, sent, error.text, facts, retrieval_seconds, attempts)

    def _recorded(self, planned: PlannedTrial, attempts: Sequence[Attempt]) -> tuple[AttemptRecord, ...]:
        # A call that met a fault has no attempt, and is the last one.
        return tuple(self._record(planned, attempt, call) for attempt, call in zip(attempts, self.model.calls, strict=False))

    def _record(self, planned: PlannedTrial, attempt: Attempt, call: Call) -> AttemptRecord:
        outcome = climb(attempt, planned.task.language)
        return AttemptRecord(attempt.completion, outcome, call.cache, self.messages.add(call.messages))


def _retrieved(context: Context | None) -> tuple[tuple[str, ...] | None, float | None]:
    return (tuple(map(without_lone_surrogates, context.facts)), context.seconds) if context else (None, None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
