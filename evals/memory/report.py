"""What the memory evals found, as the section that stands at the end of a session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evals.grid import Block, Grid


@dataclass(frozen=True, slots=True)
class Told:
    """What one eval found: a table under its title, and the sentence that says how to read it."""

    title: str
    grid: Grid
    sentence: str


def report_blocks(found: Iterable[Told]) -> list[Block]:
    """All of it, an empty line between two evals."""
    blocks: list[Block] = []
    for told in found:
        blocks += [*([""] if blocks else []), told.title, told.grid, told.sentence]
    return blocks


def milliseconds(seconds: float) -> str:
    """A duration as the tables show it."""
    return f"{seconds * 1000:.1f} ms"
