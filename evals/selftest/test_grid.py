"""Grids: what is in a cell stays in it, on a terminal and in a pull request."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from agent.printable import one_line
from evals.grid import Grid, folded_markdown, grid_lines, grid_markdown, markdown_text

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ANY = st.text(st.characters(codec=None), max_size=40)
HOSTILE = st.one_of(ANY, st.text("|`<>&*_[]()!~#-+=.\\1a \n\r\t$@:/w^", max_size=20))


def parsed(markdown: str) -> list[Token]:
    """The tokens of Markdown."""
    return PARSER.parse(markdown)


def shown(token: Token) -> str:
    """The text of an inline token that is nothing but text."""
    children = token.children or []
    assert {child.type for child in children} <= {"text"}
    return "".join(child.content for child in children).replace("\u200b", "")


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[HOSTILE] * width), min_size=1, max_size=5)))
@example([("a|b", "`x"), ("\\", "|")])
def test_no_cell_can_break_a_markdown_table(rows: list[tuple[str, ...]]) -> None:
    """A Markdown parser finds one table with just these cells, each of them plain text."""
    tokens = parsed("\n".join(grid_markdown(Grid(rows[0], tuple(rows[1:])))))
    assert [token.type for token in tokens if token.level == 0] == ["table_open", "table_close"]
    cells = [shown(token) for token in tokens if token.type == "inline"]
    assert cells == [one_line(cell) for row in rows for cell in row]


@given(HOSTILE)
@example("1. one")
@example("- - -")
@example("+ plus")
@example("--")
@example("==")
@example("[a]: b")
def test_text_is_a_paragraph_that_shows_it(text: str) -> None:
    """No heading, list, rule, link, code or HTML comes of any text, and nothing of it is lost."""
    tokens = parsed(f"before\n\n{markdown_text(text)}\n\n[a]\n")
    paragraphs = ["before", *([one_line(text)] if one_line(text) else []), "[a]"]
    assert {token.type for token in tokens} == {"paragraph_open", "inline", "paragraph_close"}
    assert [shown(token) for token in tokens if token.type == "inline"] == paragraphs


@given(HOSTILE)
def test_text_in_a_list_is_one_item_that_shows_it(text: str) -> None:
    """No list, rule or quotation within an item comes of any text."""
    tokens = parsed(f"- {markdown_text('x' + text)}\n")
    opened = [token.type for token in tokens if token.type.endswith("_open")]
    assert opened == ["bullet_list_open", "list_item_open", "paragraph_open"]


@pytest.mark.parametrize("text", ["@someone", "see #12", "someone/thing#12", "https://example.org", "www.example.org"])
def test_nobody_is_called_and_nothing_linked(text: str) -> None:
    """GitHub looks for mentions, issues and addresses in plain text, and finds none."""
    markdown = markdown_text(text)
    assert not any(mark in markdown for mark in ("@s", " #1", "g#1", "://", "www.e"))


@given(st.lists(st.tuples(ANY, ANY), max_size=4), st.integers(20, 140))
def test_plain_lines_are_printable_and_fit(rows: list[tuple[str, str]], width: int) -> None:
    """No line is wider than asked for, and none commands the terminal."""
    from rich.cells import cell_len

    lines = grid_lines(Grid(("title", "other"), tuple(rows)), width)
    assert all(cell_len(line) <= width for line in lines)
    assert all(line == one_line(line) or "  " in line or line.startswith(" ") for line in lines)


def test_what_looks_like_markup_is_shown() -> None:
    """Square brackets are no markup of rich."""
    assert grid_lines(Grid(("[bold]a[/bold]",), (("[red]",),)), 40) == ["[bold]a[/bold]", "[red]"]


def test_figures_stand_on_the_right() -> None:
    """Text stands on the left of its column and figures on the right, in both forms."""
    grid = Grid(("task", "tokens"), (("a", "1"),))
    assert grid_lines(grid, 80) == ["task  tokens", "a          1"]
    assert grid_markdown(grid)[1] == "| --- | ---: |"


@pytest.mark.parametrize(("rows", "folded"), [(12, False), (13, True)])
def test_only_a_long_table_is_folded_away(rows: int, folded: bool) -> None:
    """A table of more than a dozen rows is in a <details> element, under its title."""
    lines = folded_markdown("a <b>", Grid(("task",), (("a",),) * rows))
    assert ("<details><summary>a &#60;b&#62;</summary>" in lines, "</details>" in lines) == (folded, folded)
