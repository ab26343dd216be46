"""Measuring: what one trial takes, from the request to the record, wherever the agent under test runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from agent.errors import MemoryStoreError, ModelError
from agent.loop import Agent, Attempt
from agent.memory import Context
from agent.model import without_lone_surrogates
from agent.prompts import Message
from agent.sampling import derive_seed
from evals.ladder import climb
from evals.messages import MessageStore
from evals.observer import Call, ObservedModel
from evals.schedule import PlannedTrial
from evals.settings import Settings
from evals.trials import AttemptRecord, Fault, Trial

USER_ID = "evals"
PAUSES = (0.5, 2.0)
"""Seconds before the second and the third try of a trial whose try met an infrastructure fault; a fourth one is not made."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured trial, and the messages in it that the measurer has not handed out before, under their hashes."""

    trial: Trial
    messages: Mapping[str, Message]


class Measurer(Protocol):
    """Whatever measures trials, in this process or in another one."""

    def measure(self, planned: PlannedTrial, faults: tuple[Fault, ...]) -> Measured:
        """Run one trial, which met ``faults`` in an earlier session. When every try meets a fault, it ends without an answer.

        Raises:
            AgentError: when nothing can be measured any more.
        """
        ...

    def doubt_cache(self) -> None:
        """Have the next call count as cold, since a fault elsewhere left nobody knowing what the server still holds."""
        ...


@dataclass(slots=True)
class AgentMeasurer:
    """Measures agents of this process: for every stack, by its name, the one that asks the memory which is the stack's.

    A try that meets an infrastructure fault is followed by another one, at most as often as there are ``pauses``.
    """

    settings: Settings
    agents: Mapping[str, Agent]
    model: ObservedModel
    messages: MessageStore = field(default_factory=MessageStore)
    pauses: tuple[float, ...] = PAUSES

    def measure(self, planned: PlannedTrial, faults: tuple[Fault, ...]) -> Measured:
        """See :meth:`Measurer.measure`."""
        return Measured(self._repeatedly_tried(planned, faults), self.messages.take_new())

    def doubt_cache(self) -> None:
        """See :meth:`Measurer.doubt_cache`."""
        self.model.doubt_cache()

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
            reply = self.agents[planned.stack.name].run(planned.stack, planned.task.request, USER_ID, sampling)
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
