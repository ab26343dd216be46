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

_MARKERS = re.compile(
    r"\[(?P<heading>\s*(?:persistent\s+context|output\s+contract)\s*)\]"
    r"|\[(?P<instruction>/?(?:INST|SYS|TOOL_CALLS|AVAILABLE_TOOLS))\]"
    r"|<<(?P<llama>/?SYS)>>"
    r"|<(?P<token>[|｜][^<>]*|/?(?:s|bos|eos|pad|unk|mask|(?:start|end)_of_\w+|unused\d+))>",
    re.IGNORECASE,
)
"""The block's and the contract's headings, and the control tokens of chat templates: servers read those as control tokens even
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

    One system message (rules, then the block of facts, then the contract, as the stack has them), then the history if the
    stack has it, then one user message with the request alone. ``history`` and ``facts`` that the stack has no place for are
    left out, so a caller may always give both.
    """
    block = context_block(facts) if stack.context == "memory" else ""
    contract = prompt_text("contract") if stack.contract else ""
    system = "\n\n".join(part for part in (prompt_text("rules"), block, contract) if part)
    past = history if stack.context == "history" else ()
    return (Message("system", system), *past, Message("user", request))


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
