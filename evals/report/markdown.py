"""The report in GitHub's Markdown: the same finding and the same figures, with small pictures of plain text in place of plots."""

from __future__ import annotations

from collections.abc import Iterator

from evals.grid import Grid, folded_markdown, grid_markdown, markdown_text
from evals.report.plot import Plot
from evals.report.report import Part, Report


def markdown(report: Report) -> str:
    """The whole report but for its trials. Whatever comes from a model or a file is shown as it is, and is no markup."""
    facts = (f"{name}: {value}" for name, value in report.facts.items())
    lines = [
        f"### {markdown_text(f'{report.finding.word}: {report.finding.sentence}')}",
        "",
        *(f"- {markdown_text(fact)}" for fact in facts),
        "",
        "**What this does not say**",
        "",
        *(f"- {markdown_text(limit)}" for limit in report.limits),
        "",
        *(line for section in report.sections for line in _section(section.title, section.parts)),
        "The trials themselves, with messages, answers and times, are in the report in HTML.",
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, parts: tuple[Part, ...]) -> Iterator[str]:
    yield from (f"#### {markdown_text(title)}", "")
    for part in parts:
        if isinstance(part, Plot):
            yield from _plot(part)
        elif isinstance(part, Grid):
            yield from (*_table(part), "")
        elif part:
            yield from (markdown_text(part), "")


def _plot(plot: Plot) -> Iterator[str]:
    yield from folded_markdown(plot.title, with_bars(plot))
    if plot.note:
        yield from (markdown_text(plot.note), "")


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
    return Grid((table.columns[0], "", *table.columns[1:]), rows, texts, pictures=(1,))
