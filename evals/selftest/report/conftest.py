"""A real browser for the report's pages, and sample runs with their pages, for tests that read both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evals.selftest.report import page_reader
from evals.selftest.report.chromium import MISSING, Scheme, installed_chromium, open_chromium
from evals.selftest.report.read_pairs import Pair, one_session, two_sessions
from evals.selftest.report.read_twice import Read, sample_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@dataclass
class Visit:
    """A page as a browser shows it, with everything that it asked for and said."""

    page: Page
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def open(self, file: Path) -> Page:
        """Load a page from the disk and wait until its table of trials is there."""
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("#list:not([hidden])")
        return self.page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window. Playwright keeps an event loop running, in which no other test could run one."""
    found = installed_chromium()
    if found is None:
        pytest.fail(f"{MISSING}, or leave these tests out: -k 'not browser'", pytrace=False)
    with open_chromium(found) as browser:
        yield browser


@pytest.fixture(params=[360, 1280], ids=["360px", "1280px"])
def width(request: pytest.FixtureRequest) -> int:
    """A phone's width and a desktop's."""
    return int(request.param)


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    """Both colour schemes."""
    chosen: Scheme = request.param
    return chosen


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """A page of a desktop's width, in light colours."""
    yield from _visit(chromium, 1280, "light")


@pytest.fixture
def any_visit(chromium: Browser, width: int, scheme: Scheme) -> Iterator[Visit]:
    """A page of every width, in every colour scheme."""
    yield from _visit(chromium, width, scheme)


def _visit(chromium: Browser, width: int, scheme: Scheme) -> Iterator[Visit]:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    # What waits in vain is a defect, and no slow machine takes so long.
    context.set_default_timeout(20_000)
    made = Visit(context.new_page())
    made.page.on("request", lambda request: made.requests.append(request.url))
    made.page.on("console", lambda message: made.messages.append(message.text))
    made.page.on("pageerror", lambda error: made.messages.append(str(error)))
    yield made
    context.close()


@pytest.fixture(params=[(3, "warm"), (3, "cold"), (1, "warm"), (1, "cold")], ids=str)
def read(request: pytest.FixtureRequest) -> Read:
    """A run, of several epochs and of one, looked at for one regime."""
    epochs, regime = request.param
    return Read(*sample_report(epochs), regime)


@pytest.fixture(params=[3, 1], ids="{} epoch(s)".format)
def report(request: pytest.FixtureRequest) -> tuple[dict[str, Any], page_reader.Page, str]:
    """A saved run of several epochs and of one, and its report as a page and as Markdown."""
    return sample_report(request.param)


@pytest.fixture(params=[(stack, regime) for stack in ("naive", "optimized") for regime in ("warm", "cold")], ids="-".join)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Two runs of two sessions, looked at for one series."""
    return Pair(*two_sessions(), *request.param)


@pytest.fixture(params=[(stack, regime) for stack in ("naive", "optimized") for regime in ("warm", "cold")], ids="-".join)
def judged(request: pytest.FixtureRequest) -> Pair:
    """Two runs of one session, looked at for one series."""
    return Pair(*one_session(), *request.param)
