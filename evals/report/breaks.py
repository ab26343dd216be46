"""Where an answer broke: the place in its raw text that kept it from the next rung of the ladder.

An outcome says why an answer fell and its text is saved beside it, so the place is looked up when somebody wants to see it. A
saved run may claim any outcome of any text: where the two do not fit, some valid place is named, or none.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from agent import strict_json
from agent.artifact import Artifact, parse
from agent.errors import ArtifactError, Cause
from evals.ladder import Outcome
from evals.report.spans import WHITE_SPACE, Span, lone_surrogate, members, raw_span, trimmed, value_at

_KEYS = tuple(field.name for field in fields(Artifact))
_FENCE = re.compile(r"`{3,}(?:[ \t]*[\w+#.-]+)?")
_OBJECT = re.compile(r'\{\s*"')
"""How an object begins, as the parser of artifacts looks for one behind prose."""

_TOKEN = re.compile(r"\\(?:u[0-9a-fA-F]{0,4}|.)|-?\w[\w.+-]*|.", re.DOTALL)
"""What is marked where the parse ended: an escape, a word or a number, or a single character."""

_LINE_OF_FLAW = re.compile(r"the code is no \w+: line ([0-9]{1,9}): ")
_LINE_END = re.compile(r"\r?\n")
_LINE_END_OF_PYTHON = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Break:
    """Where an answer broke: the characters from ``start`` up to ``end`` of the raw text.

    Both are offsets in code points from 0. An empty span stands between two characters, or at the end.
    """

    start: int
    end: int


def break_of(text: str, outcome: Outcome) -> Break | None:
    """The place in a raw answer that kept it from the next rung.

    ``None`` for an answer on the top rung and where no single place can be named: an empty answer, one that is nested too deeply,
    and one that is not what its outcome says.
    """
    if outcome.cause is None or outcome.rung == "code parses":
        return None
    try:
        found = _SPANS[outcome.cause](text, outcome)
    except (json.JSONDecodeError, RecursionError):
        return None
    return None if found is None else Break(*found)


def _end(text: str, _: Outcome) -> Span:
    return _end_of(text)


def _end_of(text: str) -> Span:
    return Span(len(text), len(text))


def _judged_otherwise(text: str, outcome: Outcome) -> Span | None:
    """The place of what is wrong with an answer that its server should have held to a format."""
    try:
        # With carriage returns for line feeds a text is judged just the same, but no fence opens in it whose content is read, too.
        parse(text.replace("\n", "\r"))
    except ArtifactError as error:
        return _SPANS[error.cause](text, Outcome(error.rung, outcome.language, error.cause))
    return None


def _fence(text: str, _: Outcome) -> Span | None:
    start = _end_of_object(text) if _opens_as_object(text) else 0
    fence = None if start is None else _FENCE.search(text, start)
    return Span(*fence.span()) if fence else None


def _prose(text: str, _: Outcome) -> Span | None:
    if not _opens_as_object(text) and (opening := _OBJECT.search(text)):
        return trimmed(text, 0, opening.start())
    behind = _end_of_object(text)
    return None if behind is None else trimmed(text, behind, len(text))


def _opens_as_object(text: str) -> bool:
    return text.lstrip().startswith("{")


def _end_of_object(text: str) -> int | None:
    """Where the extra data behind a JSON value begins; ``None`` when there is none."""
    complaint = _complaint(text)
    return complaint.pos if complaint and complaint.msg == "Extra data" else None


def _complaint(text: str) -> json.JSONDecodeError | None:
    try:
        strict_json.loads(text)
    except json.JSONDecodeError as error:
        return error
    return None


def _escape_or_quote(text: str, outcome: Outcome) -> Span | None:
    return _half_a_character(text) if outcome.rung == "strict JSON" else _end_of_parse(text)


def _half_a_character(text: str) -> Span | None:
    found = members(text)
    halves = (lone_surrogate(text, found[name].raw) for name in _KEYS if name in found)
    return next(filter(None, halves), None)


def _end_of_parse(text: str) -> Span | None:
    complaint = _complaint(text)
    if complaint is None:
        return None
    if complaint.msg.endswith("appears twice"):
        return value_at(text, complaint.pos)
    # Of such an escape Python names the letter.
    place = text.rfind("\\", 0, complaint.pos + 1) if complaint.msg.startswith("Invalid \\u") else complaint.pos
    token = _TOKEN.match(text, place)
    return Span(*token.span()) if token else _end_of(text)


def _closing_brace(text: str, _: Outcome) -> Span | None:
    trunk = text.rstrip(WHITE_SPACE)
    return Span(len(trunk) - 1, len(trunk)) if trunk.endswith("}") else None


def _extra_key(text: str, _: Outcome) -> Span | None:
    return next((member.key for name, member in members(text).items() if name not in _KEYS), None)


def _wrong_type(text: str, _: Outcome) -> Span | None:
    """The whole answer where it is no object; otherwise its first value that is not a string."""
    if not _opens_as_object(text):
        return trimmed(text, 0, len(text))
    return next((member.raw for member in members(text).values() if not isinstance(member.value, str)), None)


def _value_of(name: str) -> Callable[[str, Outcome], Span | None]:
    def value(text: str, _: Outcome) -> Span | None:
        member = members(text).get(name)
        return member.raw if member else None

    return value


def _line_of_code(text: str, outcome: Outcome) -> Span | None:
    """The line of the code that its first flaw is on, or the whole code where the flaw names none."""
    code = members(text).get("code")
    named = _LINE_OF_FLAW.match(outcome.failure or "")
    if code is None or named is None or not isinstance(code.value, str):
        return code.raw if code else None
    line_end = _LINE_END_OF_PYTHON if outcome.declared == "py" else _LINE_END
    return raw_span(text, code.raw, _line(code.value, int(named[1]), line_end))


def _line(code: str, number: int, line_end: re.Pattern[str]) -> Span:
    """A line without its end; the last one where there are fewer."""
    start = 0
    for end_before in itertools.islice(line_end.finditer(code), max(0, number - 1)):
        start = end_before.end()
    end = line_end.search(code, start)
    return Span(start, end.start() if end else len(code))


def _other(text: str, outcome: Outcome) -> Span | None:
    if outcome.rung == "answered":
        return _end_of_parse(text)
    return _value_of("language")(text, outcome) if outcome.mismatch else None


_SPANS: Mapping[Cause, Callable[[str, Outcome], Span | None]] = {
    "truncated": _end,
    "decoding ignored": _judged_otherwise,
    "code fence": _fence,
    "prose around JSON": _prose,
    "bad escape or quote": _escape_or_quote,
    "missing key": _closing_brace,
    "extra key": _extra_key,
    "wrong enum": _value_of("language"),
    "wrong type": _wrong_type,
    "unsafe path": _value_of("file_path"),
    "empty code": _value_of("code"),
    "syntax": _line_of_code,
    "other": _other,
}
