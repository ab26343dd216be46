"""The journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.errors import SettingsError
from evals.journal import Journal
from evals.selftest.factories import trial


def test_every_trial_is_on_disk_before_the_next(tmp_path: Path) -> None:
    """After add returns, another reader of the file sees the trial."""
    journal = Journal(tmp_path, {"seed": 1})
    for count in range(1, 4):
        journal.add(trial(True, epoch=count))
        assert len(journal.file.read_text(encoding="utf-8").splitlines()) == 1 + count
    journal.close()


def test_a_line_holds_the_whole_trial(tmp_path: Path) -> None:
    """A journalled trial is what was measured, as plain JSON."""
    measured = trial(False, True)
    journal = Journal(tmp_path, {"seed": 1})
    journal.add(measured)
    journal.close()
    header, line = map(json.loads, journal.file.read_text(encoding="utf-8").splitlines())
    assert header == {"run": {"seed": 1}}
    assert line == json.loads(json.dumps({"trial": measured.to_dict()}))


def test_two_runs_never_share_a_journal(tmp_path: Path) -> None:
    """Journals that are opened at the same moment are different files."""
    journals = [Journal(tmp_path, {}) for _ in range(20)]
    assert len({journal.file for journal in journals}) == 20
    for journal in journals:
        journal.close()


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    """A journal that cannot be opened is one error that names it and the option to change."""
    (tmp_path / "journals").write_text("a file, no folder", encoding="utf-8")
    with pytest.raises(SettingsError, match="--benchmark-storage"):
        Journal(tmp_path / "journals", {})
