"""Prompts: pure functions from a stack, a request and what is known of the past to chat messages.

The texts stand beside this module: ``rules.txt`` (identical bytes for every request and every stack), ``contract.txt`` and
``correction.txt``.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from agent.stacks import Stack

BLOCK_HEADING = "[Persistent Context]"
HISTORY_HEADING = "[Conversation]"

_MARKERS = re.compile(
    r"\[(?P<heading>\s*(?:persistent\s+context|output\s+contract|conversation)\s*)\]"
    r"|\[(?P<instruction>/?(?:INST|SYS|TOOL_CALLS|AVAILABLE_TOOLS))\]"
    r"|<<(?P<llama>/?SYS)>>"
    r"|<(?P<token>[|｜][^<>]*|/?(?:s|bos|eos|pad|unk|mask|(?:start|end)_of_\w+|unused\d+))>",
    re.IGNORECASE,
)
"""The headings of block, history and contract, and the control tokens of chat templates: servers read those as control tokens even
inside a message's content (seen with llama.cpp)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: Literal["system", "user", "assistant"]
    content: str

    def to_dict(self) -> dict[str, str]:
        """The message as the chat completions API takes it."""
        return asdict(self)


def build_messages(
    stack: Stack, request: str, *, history: Sequence[Message] = (), facts: Iterable[str] = ()
) -> tuple[Message, ...]:
    """The messages of a first attempt.

    One system message (the static prefix, then the block of facts or the pasted history, then the contract where it is last), then
    the history where it is chat, then one user message with the request alone. ``history``, of which the last turns are taken, and
    ``facts`` that the stack has no place for are left out, so a caller may always give both.
    """
    past = history[-stack.turns :] if stack.turns else ()
    block = context_block(facts) if stack.asks_memory else ""
    pasted = pasted_history(past) if stack.context == "pasted history" else ""
    contract = prompt_text("contract") if stack.contract == "last" else ""
    system = "\n\n".join(part for part in (static_prefix(stack), block, pasted, contract) if part)
    return (Message("system", system), *(past if stack.context == "history" else ()), Message("user", request))


def static_prefix(stack: Stack) -> str:
    """How every system message of a stack begins, byte by byte the same for all requests, facts and users, so that a server finds
    it in its prefix cache: the rules, and the contract where it is static.
    """
    return "\n\n".join([prompt_text("rules"), *([prompt_text("contract")] if stack.contract == "static" else [])])


def pasted_history(turns: Iterable[Message]) -> str:
    """The turns as text under ``[Conversation]``, one ``User: ...`` or ``Assistant: ...`` a line; empty without a turn. Each turn
    is made one line that can fake no other, as in :func:`context_block`.
    """
    lines = [f"{turn.role.capitalize()}: {_one_line(turn.content)}" for turn in turns]
    return "\n".join([HISTORY_HEADING, *lines]) if lines else ""


def correction_messages(answer: str, error: str) -> tuple[Message, Message]:
    """What a corrective retry adds: the failed answer as an assistant turn, the validation error as a user turn."""
    return Message("assistant", answer), Message("user", prompt_text("correction").replace("{error}", error))


def context_block(facts: Iterable[str]) -> str:
    """The facts, one ``- fact`` a line in sorted order under ``[Persistent Context]``; empty when there are none.

    Facts are data. Each is made one line without control characters, and headings and control tokens in it lose their
    brackets, so no fact can open a block, end one or fake a role; its words stay. Equal facts in any order give equal bytes.
    """
    lines = sorted({line for fact in facts if (line := _one_line(fact))})
    return "\n".join([BLOCK_HEADING, *(f"- {line}" for line in lines)]) if lines else ""


@functools.cache
def prompt_text(name: str) -> str:
    """The text of ``agent/prompts/NAME.txt`` without the line break at its end."""
    return (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


def _one_line(fact: str) -> str:
    visible = "".join(" " if unicodedata.category(c) == "Cc" else c for c in fact if _is_kept(c))
    line = " ".join(visible.split())
    while (defused := _MARKERS.sub(_without_brackets, line)) != line:
        line = defused
    return line


def _is_kept(character: str) -> bool:
    # Format characters (zero width, direction marks) can hide a marker; surrogates cannot be sent.
    return unicodedata.category(character) not in ("Cf", "Cs")


def _without_brackets(match: re.Match[str]) -> str:
    words = next(group for group in match.groups() if group is not None)
    return f"({words.strip(' |｜')})"
