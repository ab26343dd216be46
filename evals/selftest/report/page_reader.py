"""A page of the report as somebody reads it who has the HTML and nothing else: its tables by their titles, the marks of its plots,
and its trials.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from evals.selftest.report.parsed_page import parsed, text_of

Table = list[tuple[str, ...]]
"""The rows of a table; the first one has the titles of its columns."""

_PLACE = re.compile(r"translate\(([^,]+),([^)]+)\)")
_FIELD = re.compile(r"M([^,]+),([^h]+)h([^v]+)v")


_Mark = tuple[float, float, Element]
"""A mark of a plot, with its place in pixels from the left and from the top."""


@dataclass(frozen=True, slots=True)
class PlotRow:
    """A row of a plot, in pixels from the left: its dots or points, its bar or the line of its interval, the field of that behind
    dots, and the line of their middle.
    """

    label: str
    shown: str
    points: tuple[float, ...]
    line: tuple[float, float] | None
    field: tuple[float, float] | None
    middle: float | None
    colours: frozenset[str]


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot of the page: what it says to a screen reader, its note, the table of its data and its drawing."""

    title: str
    alternative: str
    note: str
    table: Table
    drawing: Element

    def rows(self) -> list[PlotRow]:
        """The rows from top to bottom, whatever number of them has the same label."""
        marks = [mark for group in self._groups("role-mark") for mark in _within(group)]
        labels = sorted((y, _text(one)) for _, y, one in marks if one.get("text-anchor") == "start")
        shown = [_text(one) for _, _, one in sorted(_ending(marks), key=lambda mark: mark[1])]
        edges = [*(top for top, _ in labels), math.inf]
        bands = [[mark for mark in marks if edges[place] <= mark[1] < edges[place + 1]] for place in range(len(labels))]
        return [self._row(label, text, band) for (_, label), text, band in zip(labels, shown, bands, strict=True)]

    def texts(self) -> list[str]:
        """Every text that is drawn."""
        return [_text(one) for one in self.drawing.iter("text")]

    def lines(self) -> list[_Mark]:
        """Every line among the marks."""
        return [mark for group in self._groups("role-mark") for mark in _within(group) if mark[2].tag == "line"]

    def place(self, value: float) -> float:
        """How many pixels from the left a value is, by the numbers along the axis."""
        (first, low), *_, (last, high) = self._ticks()
        share = (self._along(value) - self._along(low)) / (self._along(high) - self._along(low))
        return first + (last - first) * share

    def _row(self, label: str, shown: str, marks: list[_Mark]) -> PlotRow:
        lines = [(x, one) for x, _, one in marks if one.tag == "line" and _colour(one).startswith("var(--series")]
        fields = [(x, x + float(found[3])) for x, _, one in marks if (found := _FIELD.match(one.get("d", "")))]
        points = [x for x, _, one in marks if one.tag == "path" and "A" in one.get("d", "")]
        middles = [x for x, _, one in marks if one.tag == "line" and one.get("stroke") == "var(--ink)"]
        spans = [(x, x + float(one.get("x2", 0))) for x, one in lines]
        coloured = [*(one for _, one in lines), *(one for _, _, one in marks if one.tag == "path")]
        return PlotRow(
            label,
            shown,
            tuple(sorted(points)),
            next(iter(spans), None),
            next(iter(fields), None),
            next(iter(middles), None),
            frozenset(map(_colour, coloured)),
        )

    def _along(self, value: float) -> float:
        return math.log(value) if self._is_log() else value

    def _is_log(self) -> bool:
        """Whether the numbers of the axis stand at the places of their logarithms."""
        (first, low), (second, middle), *_, (last, high) = self._ticks()
        straight = first + (last - first) * (middle - low) / (high - low)
        return abs(straight - second) > 0.5

    def _ticks(self) -> list[tuple[float, float]]:
        """The places of the numbers on the axis, and the numbers."""
        labels = [mark for group in self._groups("role-axis-label") for mark in _within(group)]
        return [(x, _number(_text(one))) for x, _, one in labels if _text(one)]

    def _groups(self, role: str) -> Iterator[Element]:
        return (group for group in self.drawing.iter("g") if role in group.get("class", "").split())


def _within(group: Element) -> Iterator[_Mark]:
    """The marks of a group; a rectangle has no place but that in its path."""
    for one in group:
        place = _PLACE.match(one.get("transform", "")) or _FIELD.match(one.get("d", ""))
        assert place is not None
        yield float(place[1]), float(place[2]), one


def _colour(mark: Element) -> str:
    return mark.get("fill") or mark.get("stroke") or ""


def _ending(marks: list[_Mark]) -> list[_Mark]:
    return [mark for mark in marks if mark[2].get("text-anchor") == "end"]


def _number(text: str) -> float:
    plain = text.replace("\u2212", "-").replace(",", "")
    return float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)


def _text(element: Element) -> str:
    return text_of(element).strip()


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page: its plots by their titles, its other tables, and its sentences."""

    figures: dict[str, Figure]
    tables: list[Table]
    sentences: list[str]

    def table(self, corner: str) -> Table:
        """The table whose first column has this title."""
        (found,) = [table for table in self.tables if table[0][0] == corner]
        return found


class Page:
    """A page of the report."""

    def __init__(self, html: str) -> None:
        self.root = parsed(html)
        found = {_text(one.find("h2")): _section(one) for one in self.root.iter("section")}  # type: ignore[arg-type]
        self.sections: dict[str, Section] = found
        self.facts = {_text(one[0]): _text(one[1]) for one in self.root.iter("div") if one.find("dt") is not None}
        self.finding = _text(next(self.root.iter("h1")))

    def trials(self) -> dict[str, Any]:
        """What the page's script reads: the trials, and the texts that they name by their places."""
        (data,) = [one for one in self.root.iter("script") if one.get("id") == "data"]
        found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(_text(data))))
        return found


def _section(element: Element) -> Section:
    figures = [_figure(one) for one in element.iter("figure")]
    drawn = {table for figure in element.iter("figure") for table in figure.iter("table")}
    tables = [_table(one) for one in element.iter("table") if one not in drawn]
    return Section({figure.title: figure for figure in figures}, tables, [_text(one) for one in element.findall("p")])


def _figure(element: Element) -> Figure:
    drawing, note = next(element.iter("svg")), element.find("p")
    words = "" if note is None else _text(note)
    table = _table(next(element.iter("table")))
    return Figure(_text(next(element.iter("h3"))), drawing.get("aria-label", ""), words, table, drawing)


def _table(element: Element) -> Table:
    return [tuple(_text(cell) for cell in row) for row in element.iter("tr")]


def markdown_tables(text: str) -> list[Table]:
    """The tables of a report in Markdown, without the rule below the titles and the column of small pictures."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[_cells(line, _pictures(block)) for line in block.splitlines() if not _is_rule(line)] for block in blocks]


def _cells(line: str, pictures: set[int]) -> tuple[str, ...]:
    return tuple(_plain(cell) for place, cell in enumerate(_split(line)) if place not in pictures)


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _pictures(block: str) -> set[int]:
    """The places of the columns that show small pictures."""
    return {place for line in block.splitlines() for place, cell in enumerate(_split(line)) if cell.startswith("<code>")}


def _is_rule(line: str) -> bool:
    return set(line) <= set("|-: ")


def _plain(cell: str) -> str:
    read: Callable[[re.Match[str]], str] = lambda found: chr(int(found[1]))  # noqa: E731  # a name for its type
    return re.sub(r"&#(\d+);", read, cell).replace("\u200b", "")
