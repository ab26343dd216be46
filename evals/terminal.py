"""Blocks on a terminal, as plain text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from evals.grid import Block, block_lines

if TYPE_CHECKING:
    import pytest


def write_blocks(blocks: Iterable[Block], stream: TextIO, width: int) -> None:
    """Write blocks."""
    stream.write("".join(f"{line}\n" for line in block_lines(blocks, width)))


def write_section(reporter: pytest.TerminalReporter, blocks: Iterable[Block]) -> None:
    """Write blocks into pytest's report."""
    for line in block_lines(blocks, reporter._tw.fullwidth):
        reporter.write_line(line)
