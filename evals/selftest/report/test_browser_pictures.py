"""The README's pictures, made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.selftest.factories import saved_file
from evals.selftest.report.chromium import MISSING, installed_chromium
from evals.selftest.report.pictures import FOLDER, NAMES, draw, main
from evals.selftest.report.sample import sample_run

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """A saved run."""
    file = tmp_path / "0001_run.json"
    file.write_text(json.dumps(saved_file(sample_run())), encoding="utf-8")
    return file


def test_every_picture_is_made(run_file: Path, tmp_path: Path) -> None:
    """Of a saved run all pictures are made, and nothing else stands in their folder."""
    executable = installed_chromium()
    if executable is None:
        pytest.fail(f"{MISSING}, or leave this test out: -k 'not browser'", pytrace=False)
    pytest.importorskip("pty", reason="there are no pseudo terminals here")
    draw(run_file, tmp_path / "pictures", executable)
    made = {file.name: file.read_bytes() for file in (tmp_path / "pictures").iterdir()}
    assert set(made) == set(NAMES)
    assert all(content.startswith(PNG) and len(content) > 10_000 for content in made.values())


def test_without_a_browser_it_says_what_to_install(
    run_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no Chromium is installed, the command ends with 2 and how to install one."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("evals.selftest.report.chromium.NAMES", ("no-chromium",))
    assert main([str(run_file)]) == 2
    assert "apt-get install chromium" in capsys.readouterr().err


def test_the_pictures_of_the_readme_are_there() -> None:
    """Every picture that can be made is in the repository."""
    assert all((FOLDER / name).read_bytes().startswith(PNG) for name in NAMES)
