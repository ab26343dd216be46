"""Trials: what a stack made of a task, as it is measured, journalled and saved."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from agent.errors import AgentError, ModelError
from agent.loop import Attempt, Reply
from agent.model import Completion
from evals.schedule import PlannedTrial


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One model call as it is saved: the completion, and why it is no artifact (``failure`` is ``None`` when it is one)."""

    completion: Completion
    failure: str | None
    rung: str | None
    json_in_fence: bool

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptRecord:
        """The record of an attempt."""
        failure = attempt.failure
        if failure is None:
            return cls(attempt.completion, None, "schema-valid", json_in_fence=False)
        return cls(attempt.completion, str(failure), failure.rung, failure.json_in_fence)


@dataclass(frozen=True, slots=True)
class Trial:
    """One stack on one task in one epoch, with everything that was measured.

    ``facts`` and ``retrieval_seconds`` are ``None`` when the stack asks no memory, or when the look-up itself met the fault.
    ``fault`` is an infrastructure fault: such a trial says nothing about the stack, whatever attempts it had before.
    """

    epoch: int
    task: str
    stack: str
    seed: int
    facts: tuple[str, ...] | None
    retrieval_seconds: float | None
    attempts: tuple[AttemptRecord, ...]
    fault: str | None = None

    @classmethod
    def of(cls, planned: PlannedTrial, seed: int, reply: Reply) -> Trial:
        """The trial that a reply makes."""
        context = reply.context
        facts, seconds = (context.facts, context.seconds) if context else (None, None)
        return cls(*planned.key, seed, facts, seconds, tuple(map(AttemptRecord.of, reply.attempts)))

    @classmethod
    def faulted(cls, planned: PlannedTrial, seed: int, error: AgentError) -> Trial:
        """A trial that an infrastructure fault ended, with what was measured before it."""
        context, attempts = (error.context, error.attempts) if isinstance(error, ModelError) else (None, ())
        facts, seconds = (context.facts, context.seconds) if context else (None, None)
        fault = f"{type(error).__name__}: {error}"
        return cls(*planned.key, seed, facts, seconds, tuple(map(AttemptRecord.of, attempts)), fault)

    @property
    def key(self) -> tuple[int, str, str]:
        """What tells it from every other trial of the run."""
        return self.epoch, self.task, self.stack

    @property
    def valid_first(self) -> bool:
        """Whether the first attempt was a schema-valid artifact."""
        return self.fault is None and self.attempts[0].failure is None

    @property
    def valid(self) -> bool:
        """Whether the last attempt was a schema-valid artifact."""
        return self.fault is None and self.attempts[-1].failure is None

    @property
    def ttft(self) -> float | None:
        """Seconds to the first content of the first attempt; ``None`` when it had no content."""
        return self.attempts[0].completion.ttft

    @property
    def latency(self) -> float:
        """Seconds that all attempts took together, without the look-up in memory."""
        return sum(attempt.completion.latency for attempt in self.attempts)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of the first attempt."""
        return self.attempts[0].completion.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Completion tokens of the first attempt."""
        return self.attempts[0].completion.completion_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens of all attempts."""
        return sum(attempt.completion.prompt_tokens + attempt.completion.completion_tokens for attempt in self.attempts)

    def to_dict(self) -> dict[str, Any]:
        """The trial as JSON can hold it."""
        return asdict(self)
