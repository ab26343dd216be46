"""The exceptions of the agent, in one small tree.

::

    AgentError
    ├── ArtifactError            the model's answer is not the artifact: a wrong answer, never a fault
    ├── SettingsError            something the user gave is wrong
    ├── TargetError              the server, the model or the engine that was asked for is not there
    ├── MemoryStoreError         the memory store cannot be opened, read or written
    ├── RunFileError             a saved run or a journal is damaged, or is none
    ├── ArmError                 the process of one arm of an A/B session cannot go on
    └── ModelError               an infrastructure fault while the model answered, never a wrong answer
        ├── ModelConnectionError     refused, unreachable or dropped before the answer began
        ├── ModelTimeoutError        the connect, the read or the overall deadline passed
        ├── ModelStatusError         the server answered with an HTTP error
        ├── ModelStreamError         the stream was dropped, malformed or ended unfinished
        └── ContextTruncationError   the server dropped a part of the prompt

Every message says what happened, what was given, what is allowed and, where there is one, the command to run next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from agent.loop import Attempt
    from agent.memory import Context


class AgentError(Exception):
    """The root of everything that this project raises on purpose."""


Rung = Literal["nothing", "answered", "strict JSON", "schema-valid", "code parses"]
"""How far an answer got up the ladder; each rung needs the one before it."""

Cause = Literal[
    "truncated",
    "decoding ignored",
    "code fence",
    "prose around JSON",
    "bad escape or quote",
    "missing key",
    "extra key",
    "wrong enum",
    "wrong type",
    "unsafe path",
    "empty code",
    "syntax",
    "other",
]
"""Why an answer did not reach the next rung, as a closed list; where several hold, the first one here counts. ``truncated`` means
that the answer was cut off at its limit of tokens, ``decoding ignored`` that the server did not hold it to the format it was asked
for; neither is a fault of the model."""

CAUSES: tuple[Cause, ...] = get_args(Cause)

NO_FAULT_OF_THE_MODEL: tuple[Cause, ...] = ("truncated", "decoding ignored")
"""Causes that say nothing about what the model would have answered."""


class ArtifactError(AgentError):
    """The model's answer is not a valid artifact.

    ``rung`` is the last rung of the ladder that the answer reached, and ``cause`` what kept it from the next one.
    ``json_in_fence`` is true when a valid artifact could be fished out of a code fence; that is recorded and still a failure.
    """

    def __init__(self, message: str, *, rung: Rung, cause: Cause, json_in_fence: bool = False) -> None:
        super().__init__(message)
        self.rung: Rung = rung
        self.cause: Cause = cause
        self.json_in_fence = json_in_fence


class SettingsError(AgentError):
    """Something the user gave (an option, a variable, a file) is wrong."""


class TargetError(AgentError):
    """The server, the model or the engine that was asked for is not there or not fit."""


class MemoryStoreError(AgentError):
    """The memory store cannot be opened, read or written."""


class RunFileError(AgentError):
    """A saved run or a journal is damaged, or is none. The message names the file, the place in it and the reason."""


class ArmError(AgentError):
    """The process of one arm of an A/B session cannot begin, ended, hung or talked nonsense. What was measured is journalled."""


class ModelError(AgentError):
    """An infrastructure fault while the model answered. Never a wrong answer.

    ``context`` is what memory gave for the request, ``attempts`` are its attempts that were completed before the fault, and
    ``text`` is what of the answer had arrived.
    """

    context: Context | None = None
    attempts: tuple[Attempt, ...] = ()
    text: str = ""


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


class ContextTruncationError(ModelError):
    """The server answered as if all were well, and had dropped a part of the prompt."""
