"""Blocks on a terminal: tables with their header in bold, verdicts in colour. Anywhere else they are plain text.

Everything that is styled is made printable first and is never read as markup, so nothing that a model or a file wrote can command
the terminal. No meaning is in a colour alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from evals.grid import Block, Grid, block_lines, grid_table, paragraph

if TYPE_CHECKING:
    import pytest
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.measure import Measurement
    from rich.text import Text

_STYLES = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "INCONCLUSIVE": "bold yellow",
    "INVALID": "bold magenta",
    "NOT JUDGED": "dim",
    "INCOMPLETE": "bold red",
    "UNLIKE OR INCOMPLETE": "bold red",
}
_WORD = re.compile(rf"(?: *|[^:]*: |\d+ (?:other )?series are )({'|'.join(_STYLES)})(?=[:,]|$)")
"""A verdict where one stands: at the beginning of its paragraph or behind the name of what is judged, not in what is quoted."""

_ASIDE = "dim italic"


def write_blocks(blocks: Iterable[Block], stream: TextIO, width: int, *, aside: str = "") -> None:
    """Write blocks, with styles where the stream is a terminal, and without colours where ``NO_COLOR`` is set.

    ``aside`` is the paragraph that stands back, a disclaimer say.
    """
    from rich.console import Console

    seen = Console(file=stream)
    if seen.is_terminal and not seen.is_dumb_terminal and not seen.legacy_windows:
        lines = styled_lines(blocks, width, aside=aside, colours=not seen.no_color, encoding=seen.encoding)
    else:
        lines = block_lines(blocks, width)
    stream.write("".join(f"{line}\n" for line in lines))


def write_section(reporter: pytest.TerminalReporter, blocks: Iterable[Block], *, aside: str = "") -> None:
    """Write blocks into pytest's report, with styles where pytest itself has any."""
    writer = reporter._tw
    if writer.hasmarkup:
        lines = styled_lines(blocks, writer.fullwidth, aside=aside, encoding=getattr(writer._file, "encoding", None) or "utf-8")
    else:
        lines = block_lines(blocks, writer.fullwidth)
    for line in lines:
        reporter.write_line(line)


def styled_lines(
    blocks: Iterable[Block], width: int, *, aside: str = "", colours: bool = True, encoding: str = "utf-8"
) -> list[str]:
    """The blocks as lines for a terminal; tables fold as plain ones do, and paragraphs are folded by the terminal."""
    from rich.console import Console

    printed = io.TextIOWrapper(io.BytesIO(), encoding, errors="replace")
    console = Console(
        file=printed,
        width=width,
        height=25,
        force_terminal=True,
        color_system="standard",
        no_color=not colours,
        legacy_windows=False,
    )
    for block in blocks:
        console.print(_renderable(block, aside), soft_wrap=isinstance(block, str))
    printed.seek(0)
    return printed.read().split("\n")[:-1]


def _renderable(block: Block, aside: str) -> RenderableType:
    return grid_table(block, _Rule()) if isinstance(block, Grid) else _text(block, aside)


class _Rule:
    """A line across a column, whose width it leaves as it is."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        yield Text(("-" if options.ascii_only else "─") * options.max_width, style="dim")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        return Measurement(0, 0)


def _text(block: str, aside: str) -> Text:
    from rich.text import Text

    text = Text(paragraph(block), style=_ASIDE if block == aside else "")
    if found := _WORD.match(text.plain):
        text.stylize(_STYLES[found[1]], *found.span(1))
    return text
