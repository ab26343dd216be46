"""The agent's loop: ask, validate, correct as often as the stack allows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.artifact import Artifact, parse
from agent.decoding import is_honoured
from agent.errors import ArtifactError, Cause, MemoryStoreError, ModelError, SettingsError
from agent.memory import Context, Memory
from agent.model import ChatModel, Completion, OnText
from agent.prompts import Message, build_messages, correction_messages
from agent.sampling import Sampling
from agent.stacks import Decoding, Stack


@dataclass(frozen=True, slots=True)
class Attempt:
    """One model call and what became of it: an artifact, or the error that says why not."""

    completion: Completion
    result: Artifact | ArtifactError

    @property
    def artifact(self) -> Artifact | None:
        """The validated artifact, if there is one."""
        return self.result if isinstance(self.result, Artifact) else None

    @property
    def failure(self) -> ArtifactError | None:
        """Why the answer is no artifact, if it is none."""
        return self.result if isinstance(self.result, ArtifactError) else None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent has to say to a request: all attempts in order, the last of which decides.

    ``context`` is what memory gave; ``None`` when the stack does not ask memory. ``warning`` says what went wrong after the answer
    was there: its trace could not be written back.
    """

    stack: Stack
    request: str
    context: Context | None
    attempts: tuple[Attempt, ...]
    warning: str = ""

    @property
    def artifact(self) -> Artifact | None:
        """The validated artifact, or ``None`` when even the last attempt failed."""
        return self.attempts[-1].artifact

    @property
    def failure(self) -> ArtifactError | None:
        """Why there is no artifact; ``None`` when there is one."""
        return self.attempts[-1].failure


@dataclass(frozen=True, slots=True)
class Agent:
    """A model, a memory and a history, ready to answer requests.

    ``read_only`` keeps memory as it is; otherwise every valid answer is written back as a task trace.
    """

    model: ChatModel
    memory: Memory | None = None
    history: Sequence[Message] = ()
    read_only: bool = False

    def run(
        self, stack: Stack, request: str, user_id: str, sampling: Sampling | None = None, on_text: OnText | None = None
    ) -> Reply:
        """Answer one request.

        Raises:
            ModelError: for an infrastructure fault, with what was known before it.
            MemoryStoreError: when the look-up in memory fails.
            SettingsError: for an empty request, or a stack that needs memory where there is none.
        """
        if not request.strip():
            raise SettingsError("The request is empty. Give one, for example: python -m agent 'Write a Python function that ...'")
        context = self._context(stack, request, user_id)
        messages = build_messages(stack, request, history=self.history, facts=context.facts if context else ())
        try:
            attempts = self._attempts(stack, messages, sampling or Sampling(), on_text)
        except ModelError as error:
            error.context = context
            raise
        return self._written_back(Reply(stack, request, context, attempts), user_id)

    def _written_back(self, reply: Reply, user_id: str) -> Reply:
        if reply.artifact is None or self.memory is None or self.read_only:
            return reply
        try:
            self.memory.write_back(reply.request, reply.artifact.to_json(), user_id)
        except MemoryStoreError as error:
            # The answer took the model minutes; a trace is worth less.
            return replace(reply, warning=str(error))
        return reply

    def _context(self, stack: Stack, request: str, user_id: str) -> Context | None:
        if not stack.asks_memory:
            return None
        if self.memory is None:
            raise SettingsError(f"The stack {stack.name!r} needs a memory, and the agent was given none.")
        return (
            _everything(self.memory, user_id) if stack.context == "all memory" else self.memory.retrieve_context(request, user_id)
        )

    def _attempts(
        self, stack: Stack, messages: tuple[Message, ...], sampling: Sampling, on_text: OnText | None
    ) -> tuple[Attempt, ...]:
        attempts: list[Attempt] = []
        for _ in range(1 + stack.retries):
            try:
                completion = self.model.complete(messages, sampling, on_text, stack.decoding)
            except ModelError as error:
                error.attempts = tuple(attempts)
                raise
            attempts.append(Attempt(completion, result_of(completion, stack.decoding)))
            failure = attempts[-1].failure
            if failure is None:
                break
            messages += correction_messages(completion.text, str(failure))
        return tuple(attempts)


def result_of(completion: Completion, decoding: Decoding = "free") -> Artifact | ArtifactError:
    """The artifact that a completion holds, or why it holds none. An answer that was cut off is said to be just that, and so is one
    that the server should have held to ``decoding`` and did not.
    """
    try:
        return parse(completion.text)
    except ArtifactError as error:
        if completion.finish_reason == "length" and error.rung in ("nothing", "answered"):
            message = f"the answer was cut off after {completion.completion_tokens} tokens; write a shorter file"
            return _blamed_elsewhere(error, "truncated", message)
        if completion.finish_reason == "stop" and not is_honoured(decoding, completion.text):
            message = f"the server did not hold the answer to response_format ({decoding}): {error}"
            return _blamed_elsewhere(error, "decoding ignored", message)
        return error


def _blamed_elsewhere(error: ArtifactError, cause: Cause, message: str) -> ArtifactError:
    return ArtifactError(message, rung=error.rung, cause=cause, json_in_fence=error.json_in_fence)


def _everything(memory: Memory, user_id: str) -> Context:
    started = time.perf_counter()
    facts = memory.preferences(user_id)
    return Context(facts, time.perf_counter() - started)
