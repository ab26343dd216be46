"""Floors and their judgement."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SettingsError
from agent.stacks import STACKS
from evals.limits import Floor, floor_for, judge, load_floors
from evals.stats import share_of

HALF = Floor("optimized", 0.5, "A reason.")


@pytest.mark.parametrize(("share", "verdict"), [(1.0, "PASS"), (0.0, "FAIL"), (0.5, "INCONCLUSIVE"), (0.7, "INCONCLUSIVE")])
def test_the_interval_decides(share: float, verdict: str) -> None:
    """PASS and FAIL need the whole interval on one side of the floor."""
    assert judge(share_of(share, 12, 3), HALF).verdict == verdict


def test_an_inconclusive_judgement_says_what_would_settle_it() -> None:
    """The number of tasks that the sentence names settles it, and one less does not."""
    sentence = judge(share_of(0.75, 12, 3), HALF).sentence
    tasks = int(sentence.rpartition("the same, ")[2].split()[0])
    assert judge(share_of(0.75, tasks, 3), HALF).verdict == "PASS"
    assert judge(share_of(0.75, tasks - 1, 3), HALF).verdict == "INCONCLUSIVE"


def test_a_share_on_the_floor_is_never_settled() -> None:
    """When the share equals the floor no number of tasks is promised."""
    assert "would not settle it" in judge(share_of(0.5, 12, 3), HALF).sentence


@given(valid=st.integers(1, 12), floor=st.floats(0.01, 0.99))
def test_one_more_invalid_task_never_improves_the_verdict(valid: int, floor: float) -> None:
    """Verdicts only get worse as tasks are lost."""
    order = ["FAIL", "INCONCLUSIVE", "PASS"]
    limit = Floor("optimized", floor, "A reason.")
    better, worse = (judge(share_of(count / 12, 12, 3), limit).verdict for count in (valid, valid - 1))
    assert order.index(worse) <= order.index(better)


def test_the_targets_own_floor_goes_first() -> None:
    """A floor for a kind of target replaces the one for all, whatever their order."""
    own = Floor("optimized", 0.1, "A reason.", "embedded")
    assert floor_for((HALF, own), "optimized", "embedded") == floor_for((own, HALF), "optimized", "embedded") == own
    assert floor_for((HALF, own), "optimized", "ollama") == HALF
    assert floor_for((HALF, own), "naive", "ollama") is None


def test_the_shipped_floors_name_stacks_that_exist() -> None:
    """Every floor in limits.toml is for a known stack."""
    assert {floor.stack for floor in load_floors()} <= set(STACKS)


@pytest.mark.parametrize(
    "text",
    [
        "[[floor]]\nstack = 'a'\nshare = 1.5\nreason = 'r'",
        "[[floor]]\nstack = 'a'\nshare = 0.5",
        "[[floor]]\nstack = 'a'\nshare = 0.5\nreason = ''",
        "[[floor]]\nstack = 'a'\nshare = 'x'\nreason = 'r'",
        "[[floor]]\nstack = 'a'\nshare = 0.5\nreason = 'r'\ncolour = 'red'",
        "not toml",
    ],
)
def test_broken_floors_are_refused(tmp_path: Path, text: str) -> None:
    """A file with a floor that is none is an error that names the file."""
    file = tmp_path / "limits.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"limits\.toml"):
        load_floors(file)
