"""Blocks: the paragraphs and tables of what is told, as plain text or as Markdown. Nothing in a cell can break out of it or command
a terminal.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from agent.printable import one_line, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

LONG = 12
"""A Markdown table of more rows is folded away."""

_SPECIAL = re.compile(r"[&<>|`*_\[\\~^$@#]|:(?=//|[\w+-]+:)|(?<=www)\.|(?<=\bGH)-(?=\d)")
_PARTED = re.compile(r"[@#]|:(?!//)|(?<=\bGH)-(?=\d)")
"""What GitHub looks for in what is shown: mentions, issues, emoji."""

_LINE_START = re.compile(r"^([-+](?=\s)|[-=+]+$|\d+(?=[.)](\s|$)))")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the titles of its columns and its rows of as many cells. ``texts`` are the columns that read as text; the others
    hold figures, and are aligned to the right. ``pictures`` are those made of characters that must line up.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: Collection[int] = (0,)
    pictures: Collection[int] = ()


Block: TypeAlias = str | Grid
"""A paragraph, which is one line of text however long it is, or a table; an empty paragraph parts what stands around it."""


_INDENT = "  "


def listed(title: str, items: Iterable[str]) -> list[str]:
    """A list as paragraphs: its title, and below it an item each."""
    return [title, *(f"{_INDENT}{one_line(item)}" for item in items)]


def is_item(block: Block) -> bool:
    """Whether a block is an item of a list."""
    return isinstance(block, str) and block.startswith(_INDENT)


def paragraph(text: str) -> str:
    """A paragraph as one printable line; the spaces in it stay, its indent above all."""
    return "".join(" " if character.isspace() else character for character in printable(text))


def block_lines(blocks: Iterable[Block], width: int) -> list[str]:
    """The blocks as plain lines, those of a table of at most ``width`` characters."""
    return [line for block in blocks for line in (grid_lines(block, width) if isinstance(block, Grid) else [paragraph(block)])]


def wrapped(blocks: Iterable[Block], width: int) -> list[Block]:
    """The blocks with their paragraphs wrapped to ``width`` characters, but for longer words; an indent is that of every line."""
    return [line for block in blocks for line in ([block] if isinstance(block, Grid) else _wrapped(block, width))]


def _wrapped(text: str, width: int) -> list[str]:
    indent = " " * (len(text) - len(text.lstrip(" ")))
    return textwrap.wrap(one_line(text), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False) or [""]


def grid_lines(grid: Grid, width: int) -> list[str]:
    """The grid as plain lines of at most ``width`` characters; long cells are wrapped."""
    from rich.console import Console

    printed = io.StringIO()
    Console(file=printed, force_terminal=False, width=width, color_system=None).print(grid_table(grid))
    return [line.rstrip() for line in printed.getvalue().splitlines()]


def grid_table(grid: Grid, rule: RenderableType | None = None) -> Table:
    """The grid as a table of rich; ``rule`` is what stands in every column below its title."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for place, title in enumerate(grid.columns):
        table.add_column(Text(one_line(title)), justify="left" if place in grid.texts else "right", overflow="fold")
    if rule is not None:
        table.add_row(*[rule] * len(grid.columns))
    for row in grid.rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table


def grid_markdown(grid: Grid) -> list[str]:
    """The grid as a GitHub table."""
    rules = ["---" if place in grid.texts else "---:" for place in range(len(grid.columns))]
    rows = [[_cell(cell, picture=place in grid.pictures) for place, cell in enumerate(row)] for row in grid.rows]
    return [_row([*map(_inside, grid.columns)]), _row(rules), *map(_row, rows)]


def folded_markdown(title: str, grid: Grid) -> list[str]:
    """The grid under its title, as a GitHub table; folded away when it is long."""
    table = ["", *grid_markdown(grid), ""]
    if len(grid.rows) <= LONG:
        return [f"**{markdown_text(title)}**", *table]
    return [f"<details><summary>{markdown_text(title)}</summary>", *table, "</details>", ""]


def markdown_text(text: str) -> str:
    """Text as Markdown that shows it as it is, in one line, whatever a model or a file wrote: no markup, HTML, link, mention or
    cell of a table comes of it. White space is a single space.
    """
    return _LINE_START.sub(_entities, _inside(text))


def _inside(text: str) -> str:
    """Text as Markdown that stands behind something else in its line."""
    return _SPECIAL.sub(_entities, one_line(text))


def _cell(text: str, *, picture: bool) -> str:
    """A cell of a Markdown table; a picture stands in a font whose characters are all of one width."""
    return f"<code>{_inside(text).replace(' ', '&nbsp;')}</code>" if picture else _inside(text)


def _entities(found: re.Match[str]) -> str:
    entities = "".join(f"&#{ord(character)};" for character in found[0])
    # They are parted by a space of no width.
    return f"{entities}&#8203;" if _PARTED.match(found.string, found.start()) else entities


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
