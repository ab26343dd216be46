"""Tailwind's utility classes, told by their shape: a root that Tailwind has, with a value that this root takes."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".toml")
_LONGEST = 200
_NUMBER = re.compile(r"\d+(?:\.\d+)?%?|\d+/\d+")
_ARBITRARY = re.compile(r"\[.+\]|\(.+\)")
_BRACKETED = re.compile(r"[\[(][^\s]*[\])]")
_SHADES = frozenset(("50", "950", *(str(hundreds) for hundreds in range(100, 1000, 100))))


def is_utility(word: str) -> bool:
    """Whether a class looks like one of Tailwind's, behind any variants: ``p-4``, ``dark:hover:bg-sky-500/50``, ``[&>svg]:h-4``.

    A value that is put in while the program runs may be any; a NUL stands for it.
    """
    utility = _without_variants(word[:_LONGEST]).strip("!").removeprefix("-")
    if utility in _listed("alone") or (utility.startswith("[") and ":" in utility):
        return True
    dashes = [position for position, character in enumerate(utility) if character == "-"]
    return any(_takes(utility[:dash], utility[dash + 1 :]) for dash in dashes)


def _without_variants(word: str) -> str:
    """What follows the last colon outside brackets."""
    flat = _BRACKETED.sub(lambda match: "_" * len(match[0]), word)
    colon = flat.rfind(":")
    variants = flat[: max(colon, 0)]
    return word[colon + 1 :] if all(variants.split(":")) or colon < 0 else word


def _takes(root: str, value: str) -> bool:
    """Whether Tailwind has this root with such a value."""
    named = _named().get(root)
    if named is not None and ("\0" in value or value in named):
        return True
    return (root in _listed("sized") and _is_size(value)) or (root in _listed("coloured") and _is_colour(value))


def _is_size(value: str) -> bool:
    return "\0" in value or value in _listed("sizes") or bool(_NUMBER.fullmatch(value) or _ARBITRARY.fullmatch(value))


def _is_colour(value: str) -> bool:
    colour = value.partition("/")[0]
    name, _, shade = colour.rpartition("-")
    # Themes add colours of their own, with the same shades: bg-brand-500.
    is_shade = bool(name) and shade in _SHADES
    return "\0" in value or is_shade or colour in _listed("colours") or bool(_ARBITRARY.fullmatch(colour))


@functools.cache
def _listed(key: str) -> frozenset[str]:
    return frozenset(_file()[key].split())


@functools.cache
def _named() -> dict[str, frozenset[str]]:
    return {root: frozenset(values.split()) for root, values in _file()["named"].items()}


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
