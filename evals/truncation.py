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
            # Ollama 0.30.0 does that too: it leaves what it took from its cache out of the count.
            raise self._error(f"the same prompt counted {counted} tokens before and {tokens} now")
        shorter, self._last = self._last, (sent, tokens)
        if shorter is not None and _extends(sent, shorter[0]) and tokens <= shorter[1]:
            raise self._error(f"the prompt grew and its tokens did not, from {shorter[1]} to {tokens}")

    def _error(self, seen: str) -> ContextTruncationError:
        length = "an unknown length" if self.context_length is None else f"{self.context_length} tokens"
        return ContextTruncationError(f"{seen}; the server's context has {length}, and it drops what does not fit. {self.remedy}")


def check_context(
    model: ChatModel, target: Target, served: Served, sampling: Sampling, longest: Mapping[Stack, tuple[Message, ...]]
) -> None:
    """Send the longest prompt of every stack once, which also warms up connections and caches, and see whether it fits.

    Raises:
        TargetError: when it does not, when the server drops a part of it, or when it does not answer.
    """
    for stack, messages in longest.items():
        tokens = _prompt_tokens(model, stack, messages, sampling)
        needed = tokens + sampling.max_tokens + stack.retries * (sampling.max_tokens + CORRECTION_TOKENS)
        if served.context_length is not None and needed > served.context_length:
            raise _too_short(target, served, stack, f"has a context of {served.context_length} tokens, and {needed} are needed")
        shortened = _prompt_tokens(model, stack, with_oldest_shortened(messages), sampling)
        if tokens <= shortened:
            raise _too_short(
                target, served, stack, f"counts {tokens} tokens, and {shortened} when the oldest turn is but one letter"
            )
        if lost := _lost_turn(messages, rendered_prompt(target, served, messages)):
            raise _too_short(target, served, stack, f"renders a prompt without its {lost} turn")


def with_oldest_shortened(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with the oldest that a server may drop cut down to one letter: the first turn after the system message; the
    system message itself where only the request follows it. A server that drops the oldest turn counts fewer tokens for the
    whole prompt than for this one, or equally many.
    """
    oldest = 1 if len(messages) > 2 else 0
    return tuple(replace(message, content="x") if place == oldest else message for place, message in enumerate(messages))


def remedy(kind: str) -> str:
    """What to do about a context that is too short, for a kind of target or of server."""
    by_kind = {
        "ollama": "Next: set OLLAMA_CONTEXT_LENGTH higher and restart Ollama",
        "llama.cpp": "Next: serve it with a longer --ctx-size (for each of its --parallel slots)",
        "vllm": "Next: serve it with a longer --max-model-len",
    }
    return by_kind.get(kind, "Next: serve it with a longer context (Ollama: OLLAMA_CONTEXT_LENGTH, llama.cpp: --ctx-size)")


def _prompt_tokens(model: ChatModel, stack: Stack, messages: tuple[Message, ...], sampling: Sampling) -> int:
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


def _too_short(target: Target, served: Served, stack: Stack, seen: str) -> TargetError:
    return TargetError(
        f"{target} {seen} for the longest prompt of the {stack.name} stack with its answers and corrections: a server silently"
        f" drops the oldest turns of what does not fit. {remedy(served.kind)}"
    )


def _extends(longer: tuple[Message, ...], shorter: tuple[Message, ...]) -> bool:
    return len(longer) > len(shorter) and longer[: len(shorter)] == shorter
