"""The report as one self-contained page: no network, no library, and a script of its own that makes text of texts and nothing else.

The page's Content-Security-Policy (https://www.w3.org/TR/CSP3/) allows what is in it by its hash and nothing else, so that no text
of a model, a memory or a file could run or load anything even if it came to be markup.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.printable import one_line
from evals.grid import Grid, is_item
from evals.report.plot import Plot, svg
from evals.report.report import Part, Report, Section
from evals.report.trial_data import packed

if TYPE_CHECKING:
    from jinja2 import Template

MOST_ROWS = 1_000
"""Of a table with more rows these are on the page."""

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class _Shown:
    """A section whose plots are drawn: neighbours among them stand together."""

    title: str
    name: str
    parts: tuple[tuple[str, Any], ...]


def page(report: Report) -> str:
    """The whole page, in HTML. The same report makes the same page, byte by byte."""
    from markupsafe import Markup

    style, script = _text("page.css"), _text("page.js")
    numbers = itertools.count(1)
    return _template().render(
        report=report,
        sections=[_shown(section, f"section-{place}", numbers) for place, section in enumerate(report.sections, 1)],
        policy=_policy(style, script),
        most_rows=MOST_ROWS,
        style=Markup(style),  # noqa: S704  # both are this package's own files
        script=Markup(script),  # noqa: S704
        data=packed(report.runs),
    )


def _shown(section: Section, name: str, numbers: Iterator[int]) -> _Shown:
    parts: list[tuple[str, Any]] = []
    for kind, found in itertools.groupby(section.parts, _kind):
        if kind == "plots":
            parts.append((kind, [(plot, _drawn(plot, numbers)) for plot in found if isinstance(plot, Plot)]))
        elif kind == "list":
            parts.append((kind, list(found)))
        else:
            parts += [(kind, part) for part in found if part != ""]
    return _Shown(section.title, name, tuple(parts))


def _kind(part: Part) -> str:
    if isinstance(part, Plot):
        return "plots"
    return "table" if isinstance(part, Grid) else "list" if is_item(part) else "text"


def _drawn(plot: Plot, numbers: Iterator[int]) -> str:
    from markupsafe import Markup

    return Markup(svg(plot, f"plot-{next(numbers)}"))  # noqa: S704  # vl-convert escapes every text of a specification


def _policy(style: str, script: str) -> str:
    sources = {"default-src": "'none'", "script-src": _hash(script), "style-src": _hash(style)}
    sources |= {"base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{kind} {source}" for kind, source in sources.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@functools.cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    # A report is shown as it is made, so white space around what is escaped does not matter.
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["line"] = one_line
    return environment.from_string(_text("page.html.j2"))
