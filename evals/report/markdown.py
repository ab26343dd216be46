"""The report in GitHub's Markdown: the same finding and the same figures, with small pictures of plain text in place of plots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from evals.grid import LONG, Grid, folded_markdown, grid_markdown, is_item, markdown_text
from evals.report.plot import Plot
from evals.report.report import Part, Report

MOST_CHARACTERS = 60_000
"""A comment on GitHub holds 65,536. A report that would be longer has the first rows of its long tables alone."""


def markdown(report: Report) -> str:
    """The whole report but for its trials. Whatever comes from a model or a file is shown as it is, and is no markup."""
    whole = _markdown(report, None)
    return whole if len(whole) <= MOST_CHARACTERS else _markdown(report, LONG)


def _markdown(report: Report, most_rows: int | None) -> str:
    facts = (f"{name}: {value}" for name, value in report.facts.items())
    lines = [
        f"### {markdown_text(f'{report.finding.word}: {report.finding.sentence}')}",
        "",
        *_list(facts),
        "",
        "**What this does not say**",
        "",
        *_list(report.limits),
        "",
        *(line for section in report.sections for line in _section(section.title, section.parts, most_rows)),
        "The trials themselves, with messages, answers and times, are in the report in HTML.",
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, parts: tuple[Part, ...], most_rows: int | None) -> Iterator[str]:
    yield from (f"#### {markdown_text(title)}", "")
    for part in parts:
        if isinstance(part, Plot):
            yield from _plot(part, most_rows)
        elif isinstance(part, Grid):
            yield from (*_table(_cut(part, most_rows)), "")
        elif is_item(part):
            yield from _list([part])
        elif part:
            yield from ("", markdown_text(part), "")


def _list(items: Iterable[str]) -> Iterator[str]:
    return (f"- {markdown_text(item)}" for item in items)


def _plot(plot: Plot, most_rows: int | None) -> Iterator[str]:
    yield from folded_markdown(plot.title, _cut(with_bars(plot), most_rows))
    if plot.note:
        yield from (markdown_text(plot.note), "")


def _cut(table: Grid, most_rows: int | None) -> Grid:
    """The table, or its first rows and how many more there are."""
    left_out = len(table.rows) - (most_rows or len(table.rows))
    if left_out <= 0:
        return table
    blank = ("",) * (len(table.columns) - 1)
    return replace(table, rows=(*table.rows[:most_rows], (f"and {left_out:,} more, which the report in HTML has", *blank)))


def _table(table: Grid) -> list[str]:
    """A table of a section, folded away where it is long."""
    folded = folded_markdown(f"{len(table.rows)} rows", table)
    return folded if folded[0].startswith("<details>") else grid_markdown(table)


def with_bars(plot: Plot) -> Grid:
    """The table of a plot with its small pictures as a column of their own, behind the first one."""
    table = plot.table
    if not plot.bars:
        return table
    rows = tuple((first, picture, *rest) for picture, (first, *rest) in zip(plot.bars, table.rows, strict=True))
    texts = (1, *(place + (place > 0) for place in table.texts))
    return Grid((table.columns[0], plot.pictured, *table.columns[1:]), rows, texts, pictures=(1,))
