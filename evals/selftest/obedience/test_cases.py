"""The checkers on their tables: what each of them finds, where, and what it lets pass."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from agent.artifact import Artifact
from evals import syntax
from evals.obedience import CHECKERS, Verdict, check
from fixtures.data import load_preferences

FOLDER = Path(__file__).with_name("cases")
CODE = {"tsx": "export const A = () => <p />;", "sh": "echo hi"}


@dataclass(frozen=True, slots=True)
class Case:
    """One artifact, and what the checker of one preference finds in it."""

    preference: str
    name: str
    artifact: Artifact
    verdict: Verdict
    line: int | None
    excerpt: str | None


def _cases() -> list[Case]:
    return [case for file in sorted(FOLDER.glob("*.toml")) for case in _cases_of(file)]


def _cases_of(file: Path) -> list[Case]:
    table: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    common = {"language": table.pop("language")}
    verdicts: tuple[Verdict, ...] = get_args(Verdict)
    assert set(table) <= set(verdicts)
    return [_case(file.stem, name, verdict, common | case) for verdict in verdicts for name, case in table.get(verdict, {}).items()]


def _case(preference: str, name: str, verdict: Verdict, case: dict[str, Any]) -> Case:
    language = case["language"]
    artifact = Artifact(case.get("code") or CODE[language], language, f"a.{language}", case.get("explanation", ""))
    return Case(preference, name, artifact, verdict, case.get("line"), case.get("excerpt"))


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.preference}-{case.name}")
def test_a_checker_finds_what_its_table_says(case: Case) -> None:
    """An artifact that parses gets the verdict of the table, and a violation its line."""
    assert syntax.flaw(case.artifact.code, case.artifact.language) is None
    found = check(case.preference, case.artifact)
    assert (found.verdict, found.line) == (case.verdict, case.line), str(found)
    assert case.excerpt in (None, found.excerpt)


def test_every_preference_has_a_checker_and_a_table() -> None:
    """The preferences of the evals, the checkers and the tables have the same ids."""
    ids = [preference.id for preference in load_preferences()]
    assert list(CHECKERS) == ids
    assert sorted(file.stem for file in FOLDER.glob("*.toml")) == sorted(ids)
