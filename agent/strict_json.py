"""JSON as RFC 8259 has it and nothing more, for texts that nobody here wrote."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)


def loads(text: str) -> Any:
    """Read JSON, refusing ``NaN``, ``Infinity``, numbers that no float or int here can hold, and objects that hold a key twice.

    Raises:
        json.JSONDecodeError: for every text that is not that, with the place.
        RecursionError: when it is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        place, reason = next(_refusals(text), (0, str(error)))
        raise json.JSONDecodeError(reason, text, place) from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        raise ValueError("a key appears twice")
    return keys


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse("the number")


def _refusals(text: str) -> Iterator[tuple[int, str]]:
    """Place and reason of whatever :func:`loads` refuses in a text that is JSON otherwise, in the order of the text."""
    keys: list[set[str]] = []
    before, place = "", 0
    for match in _TOKEN.finditer(text):
        lexeme = match.group()
        if lexeme in "{[":
            keys.append(set())
        elif lexeme in "}]":
            keys.pop()
        elif lexeme == ":":
            # What stands before a colon is a key.
            name = json.loads(before)
            if name in keys[-1]:
                yield place, f"the key {_shown(name)} appears twice"
            keys[-1].add(name)
        elif lexeme in ("NaN", "Infinity", "-Infinity"):
            yield match.start(), f"{lexeme} is not JSON"
        elif lexeme[0] in "-0123456789" and not _can_be_held(lexeme):
            yield match.start(), f"{_shown(lexeme)} is too large a number"
        before, place = lexeme, match.start()


def _can_be_held(digits: str) -> bool:
    if digits.lstrip("-").isdigit():
        return len(digits) <= sys.get_int_max_str_digits()
    return math.isfinite(float(digits))


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 80 else text[:79] + "…")
