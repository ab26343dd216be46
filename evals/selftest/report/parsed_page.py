"""A page as a parser of HTML reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "link", "meta"}


@dataclass
class Element:
    """An element: its name, its attributes, and its texts and elements in order."""

    name: str
    attributes: dict[str, str]
    content: list[str | Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its text and that of what is in it."""
        return "".join(piece if isinstance(piece, str) else piece.text for piece in self.content)

    @property
    def children(self) -> list[Element]:
        """The elements that stand in it."""
        return [piece for piece in self.content if isinstance(piece, Element)]

    def all(self, name: str = "") -> list[Element]:
        """The elements of a name that are in it, however deep, or all elements."""
        found = [element for child in self.children for element in (child, *child.all())]
        return [element for element in found if name in ("", element.name)]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if len(named) < len(attrs):
            self.wrong.append(f"an attribute of {tag} is given twice")
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].content.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1].name != tag:
            self.wrong.append(f"{tag} is closed in {self.open[-1].name}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].content.append(data)

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        self.wrong.append(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        self.wrong.append(f"an instruction: {data}")


def parsed(page: str) -> Element:
    """The whole page, in which every element that was opened is closed in its turn.

    Raises:
        ValueError: when one is not, or when the page holds what no page of this suite does.
    """
    parser = _Parser()
    parser.feed(page)
    parser.close()
    wrong = [*parser.wrong, *(f"{element.name} is never closed" for element in parser.open[1:])]
    if wrong:
        raise ValueError("; ".join(wrong))
    return parser.open[0]
