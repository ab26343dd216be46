"""What the memory evals found, as the section that stands at the end of a session."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from agent.printable import one_line
from evals.grid import Grid, grid_lines


@dataclass(frozen=True, slots=True)
class Told:
    """What one eval found: a table under its title, and the sentence that says how to read it."""

    title: str
    grid: Grid
    sentence: str


def report_lines(found: Iterable[Told], width: int) -> list[str]:
    """All of it as plain lines of at most ``width`` characters, a blank one between two evals."""
    lines: list[str] = []
    for told in found:
        lines += [""] if lines else []
        lines += [told.title, *grid_lines(told.grid, width), *textwrap.wrap(one_line(told.sentence), width)]
    return lines


def milliseconds(seconds: float) -> str:
    """A duration as the tables show it."""
    return f"{seconds * 1000:.1f} ms"
