"""Plots: Vega-Lite specifications that are drawn as SVG when a page is made, so that the page needs no library and no script.

vl-convert (https://github.com/vega/vl-convert, by the Vega project) brings Vega-Lite as one wheel of 34 MB without dependencies. It
draws in about 40 ms what a page shows in some 15 kB. Vega-Lite or Plotly inlined would add 0.8 or 4.8 MB to every page and draw
nothing without its script, which for Vega-Lite also means a Content-Security-Policy that allows ``eval``; Observable Plot, of half
a megabyte, writes styles that a strict policy refuses; matplotlib draws text as people see it, but with fixed colours, and takes
100 MB with what it needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.printable import one_line, printable
from evals.grid import Grid

WIDTH = 320
"""Pixels between the edges of what a plot shows: a phone's width less its margins."""

MARGIN = 10
"""Pixels around that, for dots and labels of axes that lie on the edge."""

INK, MUTED, LINE, PAPER = (f"var(--{name})" for name in ("ink", "muted", "line", "paper"))
"""Colours are those of the page, by their names there, so that its dark mode and its print are the plots', too."""

COLOURS = 8

_FONT = "system-ui, sans-serif"
_CONFIG = {
    "aria": False,
    "background": None,
    "font": _FONT,
    "padding": {"left": MARGIN, "right": MARGIN, "top": 2, "bottom": 2},
    "view": {"stroke": None},
    "text": {"color": INK, "fontSize": 12},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 11,
        "gridColor": LINE,
        "tickColor": LINE,
        "domainColor": LINE,
    },
}
_TAG = re.compile(r"<[a-z][^<>]*>")
_ROLES = re.compile(r' (?:role|aria-[a-z]+|pointer-events)="[^"]*"')
"""To a screen reader a plot is one picture, so what Vega says of its parts is left out."""

_PLACE = re.compile(r"translate\((-?\d+\.?\d*),(-?\d+\.?\d*)\)")
"""Places are written to 15 digits, of which a screen shows five."""

_OPENING = re.compile(r"<svg\b[^>]*?(?P<size> width=\"\d+(?:\.\d+)?\" height=\"\d+(?:\.\d+)?\" viewBox=\"[^\"]*\")[^>]*>")


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot, and what says the same without it.

    ``alternative`` is for who cannot see it, ``table`` has its figures, and ``bars`` is a small picture of plain text for each row
    of the table, where one makes sense; it shows what ``pictured`` names. ``note`` says how to read it.
    """

    title: str
    alternative: str
    spec: Mapping[str, Any]
    table: Grid
    bars: tuple[str, ...] = ()
    note: str = ""
    pictured: str = "picture"


def colour(place: int, of: int = 1) -> str:
    """The colour of one of so many stacks, or of what else is told apart. More than :data:`COLOURS` cannot be, and have one."""
    return f"var(--series-{place + 1 if of <= COLOURS else 2})"


def layer(values: Sequence[Mapping[str, Any]], mark: Mapping[str, Any], encoding: Mapping[str, Any]) -> dict[str, Any]:
    """A layer of a plot: marks for some values."""
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def svg(plot: Plot, name: str) -> str:
    """The plot as an SVG element whose identifier is ``name``, and which is one picture to a screen reader. Characters that cannot
    be seen, or that turn the text around them, are replaced.
    """
    import vl_convert
    from markupsafe import Markup

    drawn = printable(vl_convert.vegalite_to_svg(json.dumps({"config": _CONFIG, **plot.spec})))
    drawn = _TAG.sub(lambda tag: _PLACE.sub(_short, _ROLES.sub("", tag[0])), drawn)
    label = Markup('<svg id="{}" role="img" aria-label="{}"').format(name, one_line(plot.alternative))
    return _OPENING.sub(lambda found: f"{label}{found['size']}>", drawn, count=1)


def _short(place: re.Match[str]) -> str:
    return f"translate({float(place[1]):.5g},{float(place[2]):.5g})"
