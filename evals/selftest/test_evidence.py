"""Evidence that may be looked at after every task."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.evidence import excess_evidence, shortfall_evidence

values = st.lists(st.sampled_from([-1.0, -1 / 3, 0.0, 1 / 3, 1.0]), max_size=20)


@pytest.mark.parametrize(("up", "down", "evidence"), [(7, 0, 255 / 8), (6, 0, 127 / 7), (10, 1, 30.93)])
def test_signs_have_the_known_evidence(up: int, down: int, evidence: float) -> None:
    """For signs it is the integral of (1 + s)^up (1 - s)^down over stakes from 0 to 1: 31.9 for 7 to 0, 30.9 for 10 to 1."""
    assert excess_evidence([1.0] * up + [-1.0] * down, 0.0) == pytest.approx(evidence, abs=0.005)


@pytest.mark.parametrize("tasks", range(1, 9))
@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_it_is_a_fair_game(tasks: int, margin: float) -> None:
    """Over all outcomes of tasks that lose exactly the margin on average, the mean evidence is 1, both ways."""
    chance = (1 + margin) / 2
    for evidence in (excess_evidence, shortfall_evidence):
        expected = sum(
            chance ** outcome.count(1.0) * (1 - chance) ** outcome.count(-1.0) * evidence(outcome, margin)
            for outcome in itertools.product((1.0, -1.0), repeat=tasks)
        )
        assert expected == pytest.approx(1.0)


@given(values, st.floats(0, 0.5))
def test_evidence_is_never_negative(seen: list[float], margin: float) -> None:
    """No outcome can cost more than all."""
    assert excess_evidence(seen, margin) >= 0
    assert shortfall_evidence(seen, margin) >= 0


@given(values, st.floats(0, 0.5), st.data())
def test_one_more_lost_task_never_speaks_for_head(seen: list[float], margin: float, data: st.DataObject) -> None:
    """A task that loses more never lowers the evidence of a loss, nor raises that of its absence."""
    seen = [*seen, 0.0]
    worse = [*seen]
    worse[data.draw(st.integers(0, len(seen) - 1))] = 1.0
    assert shortfall_evidence(worse, margin) <= shortfall_evidence(seen, margin) + 1e-9


def test_the_order_does_not_matter() -> None:
    """What was seen decides, not when."""
    assert excess_evidence([1, 0, -1, 1], 0.1) == pytest.approx(excess_evidence([-1, 1, 1, 0], 0.1))


@pytest.mark.parametrize("margin", [-0.1, 1.0])
def test_an_impossible_margin_is_refused(margin: float) -> None:
    """A margin is from 0 to below 1."""
    for evidence in (excess_evidence, shortfall_evidence):
        with pytest.raises(ValueError, match="margin"):
            evidence([0.0], margin)
