"""The cut-off: which stacks of a study have prompts that do not fit into the server's context, and why."""

from __future__ import annotations

from collections.abc import Mapping

from agent.errors import TargetError
from agent.model import ChatModel
from agent.prompts import Message
from agent.sampling import Sampling
from agent.stacks import Stack
from agent.targets.target import Target
from evals.served import Served
from evals.truncation import counted_tokens, needed_tokens, remedy

_WHOLE = 0.8
"""A prompt that is counted at less than this part of what its characters let expect was not taken whole."""


def left_out(
    model: ChatModel, target: Target, served: Served, sampling: Sampling, longest: Mapping[Stack, tuple[Message, ...]]
) -> dict[str, str]:
    """The names of the stacks whose longest prompt and answers do not fit into the context length, and why each does not.

    The server counts every prompt, the shortest one first. Where it refuses one, or drops a part of it in silence, its tokens are
    those to be expected of its characters, at the rate of the next shorter prompt with the same kind of context. Where the server
    does not tell its context length, nothing is left out.

    Raises:
        TargetError: when it does not take a prompt that should fit.
    """
    if served.context_length is None:
        return {}
    reasons: dict[str, str] = {}
    rates: dict[str, float] = {}
    for stack, messages in sorted(longest.items(), key=lambda item: _characters(item[1])):
        expected = round(rates.get(stack.context, 0.0) * _characters(messages))
        most = needed_tokens(stack, expected, sampling.max_tokens)
        try:
            tokens = counted_tokens(model, stack, messages, sampling)
        except TargetError:
            if most <= served.context_length:
                raise
            tokens = 0
        about = "about " if tokens < _WHOLE * expected else ""
        needed = most if about else needed_tokens(stack, tokens, sampling.max_tokens)
        if needed > served.context_length:
            reasons[stack.name] = (
                f"its longest prompt and its answers of {sampling.max_tokens} need {about}{needed:,} tokens, and the server's"
                f" context has {served.context_length:,}. {remedy(target, served)}"
            )
        else:
            rates[stack.context] = tokens / _characters(messages)
    return reasons


def _characters(messages: tuple[Message, ...]) -> int:
    return sum(len(message.content) for message in messages)
