"""The stacks: named, frozen choices of what goes into a prompt and how often an answer may be corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Stack:
    """One way to ask the model.

    ``context`` says what the model is told about the past: nothing, the raw history, or the facts that memory retrieved.
    ``contract`` puts the JSON contract last in the system message. ``retries`` is how many corrective retries an invalid
    answer gets.
    """

    name: str
    context: Literal["none", "history", "memory"]
    contract: bool
    retries: int


STACKS = {
    stack.name: stack
    for stack in (
        Stack("naive", context="history", contract=False, retries=0),
        Stack("optimized", context="memory", contract=True, retries=1),
    )
}
"""Every stack by its name. A new stack is one entry here."""
