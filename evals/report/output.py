"""Where a report goes: a file that is whole or not there, in the folder that the user named and nowhere else."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from agent.errors import SettingsError

if TYPE_CHECKING:
    from evals.report.report import Report

ReportFormat = Literal["html", "markdown"]
REPORT_FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)
_LIKE_NEW = 0o644
"""The rights of a report, as far as the user's mask allows them."""


def format_of(file: Path) -> ReportFormat:
    """The format that a file's name asks for: Markdown for ``.md``, otherwise HTML."""
    return "markdown" if file.suffix.lower() in (".md", ".markdown") else "html"


def check_place(file: Path) -> None:
    """Refuse a place where no file can be written, before anything is measured.

    Raises:
        SettingsError: when its folder is not there, or the place is something else than a file, or it can be none.
    """
    try:
        folder, there = map(_mode, (file.parent, file))
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
    if not os.access(file.parent, os.W_OK):
        raise SettingsError(
            f"The report cannot be written to {file}: nothing may be written into {file.parent}. Next: name another"
        )


def _mode(place: Path) -> int | None:
    """What is at a place, as the file system says it; ``None`` where nothing is."""
    try:
        return place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


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
    try:
        # The name is a new one that nobody can have made a link of.
        descriptor, beside = tempfile.mkstemp(suffix=".part", dir=file.parent)
        try:
            with open(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as opened:  # noqa: PTH123  # it is open
                opened.write(content)
            Path(beside).chmod(_LIKE_NEW & ~_mask())
            Path(beside).replace(file)
        finally:
            with contextlib.suppress(OSError):
                Path(beside).unlink()
    except OSError as error:
        raise SettingsError(f"The report cannot be written to {file}: {error}. Next: name another file") from error


def _mask() -> int:
    """The user's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
