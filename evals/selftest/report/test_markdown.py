"""The report in Markdown: what a parser of GitHub's Markdown makes of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it.token import Token

from agent.printable import one_line
from evals.grid import Grid
from evals.limits import LIMITS_FILE, load_limits
from evals.report.bars import CHARACTERS
from evals.report.finding import Finding
from evals.report.markdown import markdown, with_bars
from evals.report.plot import Plot
from evals.report.report import Part, Report, Section, judged_report
from evals.run import Run
from evals.schedule import REGIMES
from evals.selftest.report.hostile import TEXTS, hostile_run
from evals.selftest.report.sample import sample_run
from evals.selftest.test_grid import HOSTILE, parsed

HARMLESS = {"details", "/details", "summary", "/summary", "code", "/code"}
"""The elements that a report is written with."""


def markdown_of(head: Run, base: Run | None = None) -> str:
    """The report of a run, or of two."""
    return markdown(judged_report(head, load_limits(LIMITS_FILE), base))


def report_of(text: str, *parts: Part) -> Report:
    """A report that consists of one text, everywhere."""
    return Report(Finding("FINDING", text), {"model": text}, (text,), (Section(text, parts),), {})


def inline(tokens: Sequence[Token]) -> list[Token]:
    """Every token within a line."""
    return [child for token in tokens for child in token.children or []]


def elements(content: str) -> set[str]:
    """The names of the HTML elements that a parser finds."""
    tokens = parsed(content)
    found = [token.content for token in (*tokens, *inline(tokens)) if token.type.startswith("html")]
    return {name for block in found for name in re.findall(r"<(/?[^\s>]*)", block)}


def shown(content: str) -> str:
    """The text that a reader sees."""
    tokens = parsed(content)
    pieces = [token.content for token in (*tokens, *inline(tokens)) if token.type in ("text", "html_block")]
    return unescape("\n".join(pieces)).replace("\u200b", "")


@given(HOSTILE)
def test_no_text_is_markup(text: str) -> None:
    """Finding, facts, limits, titles, notes and cells are shown as they are, whatever they hold."""
    table = Grid(("title", "other"), ((f"a{text}", text),))
    plot = Plot(f"b{text}", "", {}, table, ("█" * CHARACTERS,), f"c{text}")
    tokens = parsed(markdown(report_of(f"d{text}", table, plot, f"e{text}")))
    opened = [token.type for token in tokens if token.type.endswith("_open") and token.type[:2] not in ("th", "tr", "td", "tb")]
    assert opened == [
        *("heading_open", "bullet_list_open", "list_item_open", "paragraph_open"),
        *("paragraph_open", "bullet_list_open", "list_item_open", "paragraph_open"),
        *("heading_open", "table_open", "paragraph_open", "table_open", "paragraph_open", "paragraph_open", "paragraph_open"),
    ]
    assert {token.type for token in inline(tokens)} <= {"text", "html_inline", "strong_open", "strong_close"}
    assert {token.content for token in inline(tokens) if token.type == "html_inline"} <= {"<code>", "</code>"}


def test_a_hostile_run_is_shown_as_it_is() -> None:
    """Of a run whose texts are all hostile nothing becomes an element, a link or an image, and every text can be read."""
    content = markdown_of(hostile_run(tasks=10, epochs=2, long_answers=0))
    tokens = parsed(content)
    assert elements(content) <= HARMLESS
    assert not {token.type for token in inline(tokens)} & {"link_open", "image", "code_inline", "em_open", "s_open"}
    named = [TEXTS[place] for place in (0, 1, 2, 3, 6, 7)]
    assert [text for text in named if one_line(text) not in " ".join(shown(content).split())] == []


def test_nobody_is_called() -> None:
    """No mention and no number of an issue is in it."""
    content = markdown_of(hostile_run(tasks=10, epochs=1, long_answers=0))
    assert "@" not in content
    assert " #1" not in content


def test_pictures_line_up() -> None:
    """Every picture is as wide as the others, in a font whose characters are."""
    content = markdown_of(sample_run(regimes=REGIMES))
    tokens = parsed(content)
    pictures = [line.partition("<code>")[2].partition("</code>")[0] for line in content.splitlines() if "<code>" in line]
    assert len(pictures) > 20
    assert {len(picture) for picture in pictures} == {CHARACTERS}
    assert sum(token.content == "<code>" for token in inline(tokens)) == len(pictures)


def test_every_plot_has_its_table() -> None:
    """The title of every plot stands above the table of its data."""
    report = judged_report(sample_run(), load_limits(LIMITS_FILE))
    plots = [part for section in report.sections for part in section.parts if isinstance(part, Plot)]
    assert plots
    text = shown(markdown(report))
    for plot in plots:
        assert one_line(plot.title) in text
        assert all(one_line(cell) in text for row in plot.table.rows for cell in row)


@pytest.mark.parametrize(("rows", "folded"), [(12, False), (13, True)])
def test_long_tables_are_folded(rows: int, folded: bool) -> None:
    """The table of a section or of a plot that is long is folded away, and says what it is."""
    table = Grid(("task",), tuple((f"t{number}",) for number in range(rows)))
    content = markdown(report_of("a", table, Plot("title", "", {}, table)))
    assert (f"<details><summary>{rows} rows</summary>" in content) == folded
    assert ("<details><summary>title</summary>" in content) == folded
    assert content.count("</details>") == (2 if folded else 0)
    assert sum(token.type == "table_open" for token in parsed(content)) == 2


def test_the_finding_comes_first_and_the_trials_are_named_last() -> None:
    """The first line is the finding, and the last one says where the trials are."""
    report = judged_report(sample_run(faults=1), load_limits(LIMITS_FILE))
    first, *_, last = markdown(report).splitlines()
    assert first.startswith("### INCOMPLETE: nothing is judged: 1 trial(s) met an infrastructure fault, ")
    assert last == "The trials themselves, with messages, answers and times, are in the report in HTML."


@given(st.integers(0, 5), st.booleans())
def test_pictures_are_a_column_of_their_own(rows: int, with_pictures: bool) -> None:
    """Behind the first column stand the pictures, and the other columns stay what they were; without pictures the table stays."""
    table = Grid(("a", "b", "c"), tuple((f"a{row}", f"b{row}", f"c{row}") for row in range(rows)), texts=(0, 2))
    bars = tuple(f"p{row}" for row in range(rows)) if with_pictures else ()
    made = with_bars(Plot("", "", {}, table, bars))
    if not bars:
        assert made == table
        return
    assert made.columns == ("a", "picture", "b", "c")
    assert made.rows == tuple((f"a{row}", f"p{row}", f"b{row}", f"c{row}") for row in range(rows))
    assert (set(made.texts), set(made.pictures)) == ({0, 1, 3}, {1})
