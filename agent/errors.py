"""The exceptions of the agent, in one small tree.

::

    AgentError
    ├── ArtifactError            the model's answer is not the artifact: a wrong answer, never a fault
    ├── SettingsError            something the user gave is wrong
    ├── TargetError              the server, the model or the engine that was asked for is not there
    ├── MemoryStoreError         the memory store cannot be opened, read or written
    └── ModelError               an infrastructure fault while the model answered, never a wrong answer
        ├── ModelConnectionError     refused, unreachable or dropped before the answer began
        ├── ModelTimeoutError        the connect, the read or the overall deadline passed
        ├── ModelStatusError         the server answered with an HTTP error
        └── ModelStreamError         the stream was dropped, malformed or ended unfinished

Every message says what happened, what was given, what is allowed and, where there is one, the command to run next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.loop import Attempt
    from agent.memory import Context


class AgentError(Exception):
    """The root of everything that this project raises on purpose."""


class ArtifactError(AgentError):
    """The model's answer is not a valid artifact.

    ``rung`` is the last rung of the ladder that the answer reached: ``"answered"`` when it is not strict JSON,
    ``"strict JSON"`` when it is JSON but breaks the schema. ``json_in_fence`` is true when a valid artifact could be
    fished out of a code fence; that is recorded and still a failure.
    """

    def __init__(self, message: str, *, rung: str, json_in_fence: bool = False) -> None:
        super().__init__(message)
        self.rung = rung
        self.json_in_fence = json_in_fence


class SettingsError(AgentError):
    """Something the user gave (an option, a variable, a file) is wrong."""


class TargetError(AgentError):
    """The server, the model or the engine that was asked for is not there or not fit."""


class MemoryStoreError(AgentError):
    """The memory store cannot be opened, read or written."""


class ModelError(AgentError):
    """An infrastructure fault while the model answered. Never a wrong answer.

    ``context`` is what memory gave for the request, and ``attempts`` are its attempts that were completed before the fault.
    """

    context: Context | None = None
    attempts: tuple[Attempt, ...] = ()


class ModelConnectionError(ModelError):
    """The server refused, could not be reached, or hung up before the answer began."""


class ModelTimeoutError(ModelError):
    """The connect, the read or the overall deadline passed."""


class ModelStatusError(ModelError):
    """The server answered with an HTTP error; ``status`` is its code."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ModelStreamError(ModelError):
    """The stream was dropped, malformed, or ended without a finish reason or the usage that was asked for."""
