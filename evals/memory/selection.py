"""Which live runs the memory evals are a part of: they take minutes, and a run that measures stacks leaves them out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

MARKER = "memory"
FILE = Path(__file__).parents[1] / "test_memory.py"

# As pytest itself reads -k and -m; so "optimized-without-memory" is one word, and another one.
_WORD = re.compile(r"[\w:+\-.\[\]\\/]+")


def asks_for_memory(expressions: Iterable[str], arguments: Iterable[str], folder: Path) -> bool:
    """Whether ``-k`` or ``-m`` names memory, or the command line, given in ``folder``, the file of its evals."""
    return any(map(names_memory, expressions)) or any(_is_file(argument, folder) for argument in arguments)


def names_memory(expression: str) -> bool:
    """Whether the word memory stands in an expression without ``not`` before it."""
    words = [word.lower() for word in _WORD.findall(expression)]
    return any(word == MARKER and before != "not" for before, word in zip(["", *words], words, strict=False))


def _is_file(argument: str, folder: Path) -> bool:
    try:
        return (folder / argument.partition("::")[0]).resolve() == FILE
    except (OSError, ValueError):
        return False
