"""Where a report goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import SettingsError
from evals.limits import Limits
from evals.report.output import check_place, format_of, rendered, write
from evals.report.report import judged_report
from evals.selftest.report.sample import sample_run


def listed(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("report.html", "html"),
        ("report.md", "markdown"),
        ("REPORT.MD", "markdown"),
        ("report.markdown", "markdown"),
        ("report", "html"),
        (".md", "html"),
        ("report.md.html", "html"),
        ("report.md.bak", "html"),
    ],
)
def test_the_name_of_a_file_is_its_format(name: str, form: str) -> None:
    """Markdown for ``.md`` and ``.markdown`` in any case, and HTML for all others."""
    assert format_of(Path(name)) == form


def test_a_report_is_rendered_in_its_format() -> None:
    """A page or Markdown, of the same report."""
    report = judged_report(sample_run(tasks=1, epochs=1), Limits())
    assert rendered(report, "html").startswith("<!doctype html>\n")
    assert rendered(report, "markdown").startswith(f"### {report.finding.word}: ")


WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a folder": (lambda folder: folder, "which is a folder. Next: name a file in it, "),
    "here": (lambda _: Path(), "which is a folder. Next: "),
    "the root": (lambda _: Path("/"), "which is a folder. Next: "),
    "in no folder": (lambda folder: folder / "nowhere" / "report.html", "there is no folder "),
    "below a file": (lambda folder: folder / "file.txt" / "report.html", "there is no folder "),
    "a name that is too long": (lambda folder: folder / ("x" * 5000), "File name too long"),
    "a pipe": (lambda folder: folder / "pipe", "which is no file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_place_is_refused_before_anything_is_measured(tmp_path: Path, name: str) -> None:
    """The error names the place and says what to do, and nothing has been written anywhere."""
    place, said = WRONG[name]
    (tmp_path / "file.txt").write_text("mine", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    file, before = place(tmp_path), listed(tmp_path)
    for refuses in (check_place, lambda where: write(where, "text")):
        with pytest.raises(SettingsError, match="The report cannot be written to ") as raised:
            refuses(file)
        assert said in str(raised.value)
        assert "Next: " in str(raised.value)
    assert listed(tmp_path) == before
    assert (tmp_path / "pipe").is_fifo()


def test_a_place_that_is_right_is_left_alone(tmp_path: Path) -> None:
    """To check a place makes nothing there, whether a file is there or not."""
    file = tmp_path / "report.html"
    check_place(file)
    assert listed(tmp_path) == {}
    file.write_text("old", encoding="utf-8")
    check_place(file)
    assert listed(tmp_path) == {"report.html": b"old"}


def test_a_report_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    """The file has the new content to the byte, and the others in its folder have theirs."""
    beside = {"other.html": b"1", ".hidden": b"2", "report.html.bak": b"3", "deep/report.html": b"4"}
    for name, content in (beside | {"report.html": b"old and much longer"}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    write(tmp_path / "report.html", "Grüße 🚀\n")
    assert listed(tmp_path) == dict(sorted((beside | {"report.html": "Grüße 🚀\n".encode()}).items()))


def test_half_a_character_does_not_keep_a_report_from_being_written(tmp_path: Path) -> None:
    """What UTF-8 cannot hold is replaced."""
    write(tmp_path / "report.html", "a\ud800b")
    assert listed(tmp_path) == {"report.html": b"a?b"}


def test_a_report_in_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a folder is a file right here."""
    monkeypatch.chdir(tmp_path)
    write(Path("report.html"), "text")
    assert listed(tmp_path) == {"report.html": b"text"}


def full(*_: object, **__: object) -> None:
    """What a full disk does."""
    raise OSError(28, "No space left on device")


def test_a_link_beside_it_is_not_followed(tmp_path: Path) -> None:
    """A report replaces a link that has its name, and writes into nothing that a link points to."""
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    (tmp_path / "report.html").symlink_to(tmp_path / "precious")
    (tmp_path / ".report.html.part").symlink_to(tmp_path / "precious")
    write(tmp_path / "report.html", "text")
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "report.html").is_symlink()
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "text"


def test_a_report_can_be_read_by_whom_the_mask_allows(tmp_path: Path) -> None:
    """A report has the rights of any new file, and not those of a temporary one."""
    write(tmp_path / "report.html", "text")
    (tmp_path / "other.html").touch()
    assert (tmp_path / "report.html").stat().st_mode == (tmp_path / "other.html").stat().st_mode


@pytest.mark.parametrize("step", ["chmod", "replace"])
def test_a_report_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Where writing fails the old report stays as it was, nothing is left beside it, and the error says what went wrong."""
    file = tmp_path / "report.html"
    file.write_text("old", encoding="utf-8")
    with monkeypatch.context() as broken:
        broken.setattr(Path, step, full)
        with pytest.raises(SettingsError, match=r"cannot be written to .*report\.html: .*No space left on device.*Next: "):
            write(file, "new")
    assert listed(tmp_path) == {"report.html": b"old"}
