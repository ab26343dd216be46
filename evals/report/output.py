"""Where a report goes: a file that is whole or not there, in the folder that the user named and nowhere else."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import Literal, get_args

from agent.errors import SettingsError
from evals.report.report import Report

ReportFormat = Literal["html", "markdown"]
REPORT_FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)


def format_of(file: Path) -> ReportFormat:
    """The format that a file's name asks for: Markdown for ``.md``, otherwise HTML."""
    return "markdown" if file.suffix.lower() in (".md", ".markdown") else "html"


def check_place(file: Path) -> None:
    """Refuse a place where no file can be written, before anything is measured.

    Raises:
        SettingsError: when its folder is not there, or the place is something else than a file, or it can be none.
    """
    try:
        folder, there, _ = map(_mode, (file.parent, file, _beside(file)))
    except OSError as error:
        raise SettingsError(f"The report cannot be written to {file}: {error}. Next: name another file") from error
    if there is not None and stat.S_ISDIR(there):
        raise SettingsError(
            f"The report cannot be written to {file}, which is a folder. Next: name a file in it, {file / 'report.html'}"
        )
    if folder is None or not stat.S_ISDIR(folder):
        raise SettingsError(
            f"The report cannot be written to {file}: there is no folder {file.parent}. Next: make it, or name another"
        )
    if there is not None and not stat.S_ISREG(there):
        raise SettingsError(f"The report cannot be written to {file}, which is no file. Next: name another")


def _mode(place: Path) -> int | None:
    """What is at a place, as the file system says it; ``None`` where nothing is."""
    try:
        return place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _beside(file: Path) -> Path:
    """Where a report is until it is whole."""
    return file.parent / f".{file.name}.part"


def rendered(report: Report, form: ReportFormat) -> str:
    """The report in a format."""
    if form == "markdown":
        from evals.report.markdown import markdown

        return markdown(report)
    from evals.report.page import page

    return page(report)


def write(file: Path, content: str) -> None:
    """Write a report in place of what the file held before.

    Raises:
        SettingsError: when it cannot be written.
    """
    check_place(file)
    beside = _beside(file)
    try:
        beside.write_text(content, encoding="utf-8", errors="replace", newline="\n")
        beside.replace(file)
    except OSError as error:
        raise SettingsError(f"The report cannot be written to {file}: {error}. Next: name another file") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
