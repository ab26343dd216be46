"""Does the server drop a part of the prompt without saying so? Ollama does when a chat is longer than its context.

Three looks at it: whether the prompt and its answer fit into the context length at all; whether prompt tokens fall, or stand still,
while the input grows; and, where the server can render a prompt, whether the first and the last turn are in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.errors import AgentError, ContextTruncationError, TargetError
from agent.model import ChatModel, Completion
from agent.prompts import Message
from agent.sampling import Sampling
from agent.stacks import Stack
from agent.targets.target import Target
from evals.schedule import Regime
from evals.served import Served, rendered_prompt

CORRECTION_TOKENS = 200
"""Room for what a corrective retry adds besides the failed answer: the validation error is short."""


@dataclass(slots=True)
class TruncationWatch:
    """Looks at every completion of a run. ``context_length`` is in tokens, ``None`` when unknown; ``remedy`` is what to do."""

    context_length: int | None
    remedy: str
    _tokens: dict[tuple[Message, ...], int] = field(default_factory=dict)
    _last: tuple[tuple[Message, ...], int] | None = None
    """The prompt before, and the least tokens of one that goes on where it and its answer ended."""

    def check(self, messages: Sequence[Message], regime: Regime, completion: Completion, sampling: Sampling) -> None:
        """Check one completion; ``messages`` are those without a nonce, whose tokens may differ from nonce to nonce.

        Raises:
            ContextTruncationError: when the server dropped a part of them, or would have had to.
        """
        sent, tokens = tuple(messages), completion.prompt_tokens
        needed = tokens + sampling.max_tokens
        if self.context_length is not None and needed > self.context_length:
            raise self._error(f"{tokens} prompt tokens and {sampling.max_tokens} for the answer exceed its context length")
        counted = self._tokens.setdefault(sent, tokens) if regime == "warm" else tokens
        if counted != tokens:
            raise ContextTruncationError(
                f"the same prompt counted {counted} tokens before and {tokens} now: the server dropped a part of it, or leaves what"
                f" it had cached out of its count, as Ollama 0.30.0 does. {self.remedy}, or update the server"
            )
        shorter, self._last = self._last, (sent, _least_after(completion))
        if shorter is not None and _extends(sent, shorter[0]) and tokens < shorter[1]:
            raise self._error(f"the prompt grew by an answer to at least {shorter[1]} tokens, and {tokens} were counted")

    def _error(self, seen: str) -> ContextTruncationError:
        length = "an unknown length" if self.context_length is None else f"{self.context_length} tokens"
        return ContextTruncationError(f"{seen}; the server's context has {length}, and it drops what does not fit. {self.remedy}")


def check_context(
    model: ChatModel, target: Target, served: Served, sampling: Sampling, longest: Mapping[Stack, tuple[Message, ...]]
) -> None:
    """Send the longest prompt of every stack, whole and with its oldest turn cut down, and see whether it fits and what the server
    counts. This also has the server load the model.

    Raises:
        TargetError: when it does not fit, when the server drops a part of it, or when it does not answer.
    """
    for stack, messages in longest.items():
        tokens = counted_tokens(model, stack, messages, sampling)
        if served.context_length is not None and needed_tokens(stack, tokens, sampling.max_tokens) > served.context_length:
            raise TargetError(_beyond(target, served, stack, sampling, tokens))
        shortened = counted_tokens(model, stack, with_oldest_shortened(messages), sampling)
        if tokens <= shortened:
            seen = f"counts {tokens} tokens, and {shortened} when the oldest turn is but one letter,"
            raise TargetError(_drops(target, served, stack, seen))
        if lost := _lost_turn(messages, rendered_prompt(target, served, messages)):
            raise TargetError(_drops(target, served, stack, f"renders a prompt without its {lost} turn"))


def with_oldest_shortened(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with the oldest that a server may drop cut down to one letter: the first turn after the system message; the
    system message itself where only the request follows it. A server that drops the oldest turn counts fewer tokens for the
    whole prompt than for this one, or equally many.
    """
    oldest = 1 if len(messages) > 2 else 0
    return tuple(replace(message, content="x") if place == oldest else message for place, message in enumerate(messages))


def remedy(target: Target, served: Served) -> str:
    """What to do about a context that is too short."""
    if target.kind == "embedded":
        return "Next: ask for shorter answers, since the embedded engine's context is fixed"
    by_kind = {
        "ollama": "Next: set OLLAMA_CONTEXT_LENGTH higher and restart Ollama",
        "llama.cpp": "Next: serve it with a longer --ctx-size (its --parallel slots share it)",
        "vllm": "Next: serve it with a longer --max-model-len",
    }
    return by_kind.get(served.kind, "Next: serve it with a longer context (Ollama: OLLAMA_CONTEXT_LENGTH, llama.cpp: --ctx-size)")


def counted_tokens(model: ChatModel, stack: Stack, messages: tuple[Message, ...], sampling: Sampling) -> int:
    """The tokens that the server counts for a prompt of the stack.

    Raises:
        TargetError: when it does not answer.
    """
    try:
        return model.complete(messages, replace(sampling, max_tokens=1)).prompt_tokens
    except AgentError as error:
        raise TargetError(f"The warm-up of the {stack.name} stack failed: {error}. Next: check the server's own log") from error


def _lost_turn(messages: Sequence[Message], rendered: str) -> str:
    """``first`` or ``last``, when that turn is not in the rendered prompt; empty when both are, or when no turn can be found
    because the template writes them differently.
    """
    turns = [message.content.strip() in rendered for message in messages if message.role != "system"]
    if all(turns) or not any(turns):
        return ""
    return "last" if turns[0] else "first"


def needed_tokens(stack: Stack, prompt_tokens: int, max_tokens: int) -> int:
    """Tokens of context that a stack needs: those of the prompt and its answer, and for every retry of the correction and one
    answer more.
    """
    return prompt_tokens + max_tokens + stack.retries * (max_tokens + CORRECTION_TOKENS)


def _beyond(target: Target, served: Served, stack: Stack, sampling: Sampling, prompt_tokens: int) -> str:
    needed = needed_tokens(stack, prompt_tokens, sampling.max_tokens)
    fits = ((served.context_length or 0) - needed_tokens(stack, prompt_tokens, 0)) // (1 + stack.retries)
    shorter = f"; --max-tokens {fits} or less would fit" if fits > 0 else ""
    return (
        f"{target} has a context of {served.context_length} tokens, and the {stack.name} stack needs {needed}: {prompt_tokens} for"
        f" its longest prompt, the rest for its answers of {sampling.max_tokens} and its corrections."
        f" {remedy(target, served)}{shorter}"
    )


def _drops(target: Target, served: Served, stack: Stack, seen: str) -> str:
    return (
        f"{target} {seen} for the longest prompt of the {stack.name} stack: it silently drops the oldest turns of what does not fit"
        f" into its context. {remedy(target, served)}"
    )


def _least_after(completion: Completion) -> int:
    """The least prompt tokens of a retry: the prompt's, and those that the answer surely has when it is sent back.

    Templates leave out what was thought and strip white space, and a token is hardly ever longer than eight characters.
    """
    visible = " ".join(completion.text.rpartition("</think>")[2].split())
    surely = min(completion.completion_tokens // 2, len(visible) // 8)
    return completion.prompt_tokens + max(1, surely)


def _extends(longer: tuple[Message, ...], shorter: tuple[Message, ...]) -> bool:
    return len(longer) > len(shorter) and longer[: len(shorter)] == shorter
