"""What a checker finds: the verdict, and for a violation the place and the reason that a user can look up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from agent.printable import one_line

Verdict = Literal["obeyed", "violated", "not applicable"]

_SHOWN_CHARACTERS = 80
_SHOWN_BEFORE = 20
_SHOWN_OF_REASON = 160


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether an artifact obeys one preference.

    ``line`` (from 1) and ``excerpt`` are those of the first violation: the line of the code, or ``None`` and the sentence where
    it is the explanation that violates. ``reason`` says what is wrong, or why the preference is not applicable; it is empty for
    what is obeyed. Excerpt and reason may hold the model's words; they are a single printable line.
    """

    verdict: Verdict
    line: int | None = None
    excerpt: str = ""
    reason: str = ""

    def __str__(self) -> str:
        place = "" if self.line is None else f", line {self.line}"
        return ": ".join(part for part in (self.verdict + place, self.excerpt.rstrip(";"), self.reason) if part)


class Offence(NamedTuple):
    """One violation: its row and its column in bytes, both from 0, and the reason. Offences sort by their place."""

    row: int
    column: int
    reason: str


OBEYED = Finding("obeyed")


def not_applicable(reason: str) -> Finding:
    """The finding for an artifact that the preference says nothing about."""
    return Finding("not applicable", reason=reason)


def violated(excerpt: str, reason: str, line: int | None = None) -> Finding:
    """A violation, with the model's words made safe to show."""
    return Finding("violated", line, _shortened(excerpt, _SHOWN_CHARACTERS), _shortened(reason, _SHOWN_OF_REASON))


def first_violation(code: str, offences: Iterable[Offence]) -> Finding | None:
    """The finding of the offence that comes first in the code; ``None`` when there is none. Lines end with a line feed."""
    first = min(offences, default=None)
    if first is None:
        return None
    lines = code.encode(errors="replace").split(b"\n")
    row = min(first.row, len(lines) - 1)
    return violated(_around(lines[row], first.column), first.reason, row + 1)


def _around(line: bytes, column: int) -> str:
    """The line, from near the column on when it is too long to be shown whole."""
    if len(line.strip()) <= _SHOWN_CHARACTERS:
        return line.decode(errors="ignore")
    start = max(0, column - _SHOWN_BEFORE)
    return ("…" if start else "") + line[start:].decode(errors="ignore")


def _shortened(text: str, most: int) -> str:
    # Cut before it is cleaned, too: a model may have written a line of a megabyte.
    shown = one_line(text[: 20 * most])
    return shown if len(shown) <= most else shown[: most - 1] + "…"
