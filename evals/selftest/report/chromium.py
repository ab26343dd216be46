"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Scheme = Literal["light", "dark"]

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)
MISSING = f"no Chromium is installed (looked for {', '.join(NAMES)}). Next: sudo apt-get install chromium"
_ARGUMENTS = (
    # Containers run as root, where Chromium's sandbox does not start; the pages are this project's own.
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def installed_chromium() -> str | None:
    """Where Chromium is installed; ``None`` where it is not."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def open_chromium(executable: str) -> Iterator[Browser]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        yield browser
        browser.close()
