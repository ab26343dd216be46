"""Spans of a raw text: where the keys and values of a JSON object stand in it, and the characters of a string literal."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

WHITE_SPACE = " \t\r\n"
"""What JSON takes for white space."""

_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_PIECE = re.compile(rf"{_PAIR}|\\u[0-9a-fA-F]{{4}}|\\.|[^\\]+", re.DOTALL)
"""A piece of a string literal: an escape, which is one character (a pair of surrogates is, too), or a run of plain characters."""

_SURROGATE = re.compile(rf"{_PAIR}|\\[^u]|(\\u[dD][89a-fA-F][0-9a-fA-F]{{2}}|[\ud800-\udfff])")
_OPENING = re.compile(rf"[{WHITE_SPACE}]*\{{[{WHITE_SPACE}]*")
_COLON = re.compile(rf"[{WHITE_SPACE}]*:[{WHITE_SPACE}]*")
_COMMA = re.compile(rf"[{WHITE_SPACE}]*,[{WHITE_SPACE}]*")
# As floats, numbers may have more digits than Python takes for an integer.
_DECODER = json.JSONDecoder(parse_int=float)


class Span(NamedTuple):
    """The characters from ``start`` up to ``end``, as offsets in code points from 0."""

    start: int
    end: int


class Member(NamedTuple):
    """A member of a JSON object: the spans of its key and of its value (with their quotes), and the value itself."""

    key: Span
    raw: Span
    value: object


def trimmed(text: str, start: int, end: int) -> Span:
    """The characters from ``start`` up to ``end`` without the white space around them."""
    piece = text[start:end]
    first = start + len(piece) - len(piece.lstrip(WHITE_SPACE))
    return Span(first, first + len(piece.strip(WHITE_SPACE)))


def value_at(text: str, start: int) -> Span:
    """The JSON value that begins at ``start``.

    Raises:
        json.JSONDecodeError: when none does.
        RecursionError: when it is nested too deeply.
    """
    return Span(start, _DECODER.raw_decode(text, start)[1])


def members(text: str) -> dict[str, Member]:
    """The members of the JSON object that a text is, by their keys, in the order of the text; none where the text is no object.

    Raises:
        json.JSONDecodeError: when a key or a value is no JSON.
        RecursionError: when a value is nested too deeply.
    """
    found: dict[str, Member] = {}
    before = _OPENING.match(text)
    while before and text.startswith('"', before.end()):
        name, key_end = _DECODER.raw_decode(text, before.end())
        colon = _COLON.match(text, key_end)
        if colon is None:
            break
        value, end = _DECODER.raw_decode(text, colon.end())
        found[name] = Member(Span(before.end(), key_end), Span(colon.end(), end), value)
        before = _COMMA.match(text, end)
    return found


def raw_span(text: str, literal: Span, decoded: Span) -> Span:
    """The raw characters that stand for some characters of the text that a string literal decodes to."""
    return Span(_raw_place(text, literal, decoded.start), _raw_place(text, literal, decoded.end))


def lone_surrogate(text: str, literal: Span) -> Span | None:
    """The first half of a character in a string literal, escaped or raw; ``None`` when all characters are whole."""
    found = _SURROGATE.finditer(text, literal.start, literal.end)
    return next((Span(*match.span(1)) for match in found if match[1]), None)


def _raw_place(text: str, literal: Span, wanted: int) -> int:
    """Where the decoded character number ``wanted`` begins in the raw text; for the one behind the last, the closing quote."""
    decoded, end = 0, literal.end - 1
    for piece in _PIECE.finditer(text, literal.start + 1, end):
        start = piece.start()
        length = 1 if text[start] == "\\" else piece.end() - start
        if wanted < decoded + length:
            return start + wanted - decoded
        decoded += length
    return end
