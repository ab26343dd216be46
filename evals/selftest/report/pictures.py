"""The README's pictures, made of a saved run: what the terminal shows, and what the report does.

Run with ``tox run -e pictures``, which measures the run first, on the embedded model.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from agent.errors import AgentError, TargetError
from evals.selftest.report.chromium import MISSING, Scheme, installed_chromium, open_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".github" / "pictures"
NAMES = ("terminal.png", "report-light.png", "report-dark.png", "trial.png")
_COLUMNS = 116
_WIDTH, _HEIGHT = 1280, 1000
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>{stylesheet}
body {{ background: #14171b; color: #e8eaed; margin: 0; padding: 16px; width: max-content; }}
pre {{ margin: 0; font: 14px/1.3 "DejaVu Sans Mono", monospace; }}</style><pre>{code}</pre>"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the pictures and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if (executable := installed_chromium()) is None:
            raise TargetError(MISSING)
        with tempfile.TemporaryDirectory() as folder:
            run = options.run or measured(Path(folder))
            draw(run, options.folder, executable)
    except AgentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{', '.join(NAMES)} of {run.name} are in {options.folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make the README's pictures of a saved run.")
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="the file of the run (default: one that is measured now)")
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="DIR", help="where to put them (default: .github/pictures)")
    return parser


def measured(storage: Path) -> Path:
    """The file of a run of the full suite on the embedded model, which takes about a minute.

    Raises:
        TargetError: when the session saved none.
    """
    command = [sys.executable, "-m", "pytest", "evals/", "-m", "live", "--target", "embedded", "--suite", "full"]
    subprocess.run([*command, "-p", "no:cacheprovider", f"--benchmark-storage=file://{storage}"], cwd=ROOT, check=False)
    found = list(storage.glob("*/*.json"))
    if len(found) != 1:
        raise TargetError("The session saved no run; what it says above is why.")
    return found[0]


def draw(run: Path, folder: Path, executable: str) -> None:
    """Make all pictures of a run, in place of those in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, open_chromium(executable) as browser:
        _draw_terminal(browser, on_a_terminal([sys.executable, "-m", "evals", "show", str(run)]), folder / "terminal.png")
        page = Path(made) / "report.html"
        subprocess.run(
            [sys.executable, "-m", "evals", "report", str(run), "-o", str(page)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
        _draw_report(browser, page, folder)


def on_a_terminal(command: Sequence[str]) -> str:
    """What a command writes to a terminal, styles included."""
    # Windows has none.
    import pty

    shown, terminal = pty.openpty()
    environment = os.environ | {"COLUMNS": str(_COLUMNS), "LINES": "50", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(command, cwd=ROOT, stdout=terminal, env=environment):
        os.close(terminal)
        written = io.BytesIO()
        # At its end a terminal is an error on Linux and an empty read elsewhere.
        try:
            while piece := os.read(shown, 65_536):
                written.write(piece)
        except OSError:
            pass
    os.close(shown)
    return written.getvalue().decode(errors="replace").replace("\r\n", "\n")


def _draw_terminal(browser: Browser, output: str, file: Path) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(Text.from_ansi(output), soft_wrap=False)
    page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
    page.set_content(console.export_html(code_format=_TERMINAL))
    page.locator("body").screenshot(path=file)
    page.close()


def _draw_report(browser: Browser, report: Path, folder: Path) -> None:
    scheme: Scheme
    for scheme in get_args(Scheme):
        context = browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme=scheme)
        page = context.new_page()
        page.goto(report.as_uri())
        page.wait_for_selector("#list:not([hidden])")
        page.screenshot(path=folder / f"report-{scheme}.png")
        if scheme == "light":
            page.get_by_label("outcome", exact=True).select_option("not valid")
            page.locator("#rows button.open").first.click()
            page.evaluate("document.getElementById('trials').scrollIntoView()")
            page.screenshot(path=folder / "trial.png")
        context.close()


if __name__ == "__main__":
    raise SystemExit(main())
