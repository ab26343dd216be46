"""Text that is safe to show: what a model, a server or a file gave must not command the terminal that it is printed on."""

from __future__ import annotations

import unicodedata

_HARMFUL = ("Cc", "Cf", "Cs")


def printable(text: str) -> str:
    """The text without the control characters that could command a terminal; lines and tabs stay."""
    harmful = [character for character in set(text) - {"\n", "\t"} if unicodedata.category(character) in _HARMFUL]
    return text.translate(dict.fromkeys(map(ord, harmful), "\N{REPLACEMENT CHARACTER}")) if harmful else text


def one_line(text: str) -> str:
    """The printable text as a single line, every run of white space in it a single space."""
    return " ".join(printable(text).split())
