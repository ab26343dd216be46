"""A page as a strict parser of HTML reads it."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

VOID = {"br", "hr", "img", "input", "link", "meta"}


class _Parser(HTMLParser):
    """Builds the tree of a page, and notes what is ``wrong`` with it."""

    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()
        self.open = ["page"]
        self.builder.start(self.open[0], {})
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element, and close it at once where it is one that holds nothing."""
        if len(dict(attrs)) < len(attrs):
            self.wrong.append(f"an attribute of {tag} is given twice")
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in VOID:
            self.builder.end(tag)
        else:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element and close it."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        if self.open[-1] != tag:
            self.wrong.append(f"{tag} is closed in {self.open[-1]}")
        else:
            self.builder.end(self.open.pop())

    def handle_data(self, data: str) -> None:
        """Add a text."""
        self.builder.data(data)

    def handle_comment(self, data: str) -> None:
        """No page has one."""
        self.wrong.append(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        """No page has one."""
        self.wrong.append(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        """No page has one."""
        self.wrong.append(f"an instruction: {data}")


def parsed(page: str) -> Element:
    """What stands on the page, in which every element that was opened is closed in its turn.

    Raises:
        ValueError: when one is not, or when the page holds what no page of this suite does.
    """
    parser = _Parser()
    parser.feed(page)
    parser.close()
    if wrong := [*parser.wrong, *(f"{name} is never closed" for name in parser.open[1:])]:
        raise ValueError("; ".join(wrong))
    parser.builder.end(parser.open[0])
    root: Element = parser.builder.close()
    return root


def text_of(element: Element) -> str:
    """The text of an element and of what is in it."""
    return "".join(element.itertext())
