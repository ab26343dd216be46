"""The calibration of the gate, in small: ``tox run -e calibrate`` does it in full."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from evals.benchmarks import calibration
from evals.benchmarks.calibration import MARGINS, Cell, Tally, draw_pair, is_wrong, judged, tally, through_the_command
from evals.evidence import excess_evidence
from evals.gate import CHOSEN_LEVEL
from evals.stats import task_rates

AT_THE_MARGIN = [
    Cell(12, 3, 0.25),
    Cell(30, 1, 0.10, "diffuse"),
    Cell(64, 3, 0.05),
    Cell(64, 1, 0.05, "diffuse", best_of=3),
    Cell(12, 1, 0.25, "diffuse", sequential=True),
]


@pytest.mark.parametrize("cell", AT_THE_MARGIN, ids=str)
def test_a_loss_of_the_margin_is_neither_passed_nor_failed(cell: Cell) -> None:
    """Of 150 pairs that lose exactly the margin, no more get a PASS or a FAIL than the promised 5 % allow by chance."""
    assert not is_wrong(tally(cell, 150, seed=1))


def test_a_gate_that_is_wrong_is_told_from_one_that_is_not() -> None:
    """Ten of 100 wrong verdicts are more than promised, and six are not."""
    cell = Cell(64, 1, 0.05)
    for verdict in ("PASS", "FAIL"):
        wrong = [Tally(cell, {verdict: count, "INCONCLUSIVE": 100 - count}, 64.0) for count in (6, 10)]
        assert list(map(is_wrong, wrong)) == [False, True]


def test_a_pass_of_what_lost_nothing_is_no_error() -> None:
    """Below the margin a PASS is right, and above it a FAIL is."""
    assert not is_wrong(Tally(Cell(64, 1, 0.0), {"PASS": 100}, 64.0))
    assert not is_wrong(Tally(Cell(64, 1, 0.6), {"FAIL": 100}, 64.0))
    assert is_wrong(Tally(Cell(64, 1, 0.6), {"PASS": 100}, 64.0))
    assert is_wrong(Tally(Cell(64, 1, 0.0), {"FAIL": 100}, 64.0))


def shares(cell: Cell, pairs: int = 200) -> Iterator[tuple[float, float]]:
    """The shares of valid answers in BASE and HEAD of simulated pairs."""
    rng = random.Random(2)
    for _ in range(pairs):
        base, head = draw_pair(cell, rng)
        first, second = task_rates(base.trials), task_rates(head.trials)
        yield sum(first) / len(first), sum(second) / len(second)


@pytest.mark.parametrize("shape", ["sparse", "diffuse"])
def test_the_simulated_loss_is_the_one_that_was_asked_for(shape: calibration.Shape) -> None:
    """The mean difference over many pairs is the loss of the cell."""
    lost = [base - head for base, head in shares(Cell(64, 3, 0.3, shape))]
    assert sum(lost) / len(lost) == pytest.approx(0.3, abs=0.02)


def test_the_best_of_three_flatters() -> None:
    """A BASE that was chosen as the best of three is better than its tasks' rates, on average."""
    plain, chosen = ([base for base, _ in shares(Cell(30, 1, 0.0, best_of=best_of))] for best_of in (1, 3))
    assert sum(chosen) / len(chosen) > sum(plain) / len(plain) + 0.02


def test_a_sequential_pair_stops_when_its_verdict_is_settled() -> None:
    """A HEAD that lost everything stops after the first task at which the evidence reaches the inverse of the level."""
    cell = Cell(64, 3, 1.0, rates=(1000.0, 1.0), sequential=True)
    base, head = draw_pair(replace(cell, loss=0.0), random.Random(1))
    gone = draw_pair(replace(cell, loss=1000 / 1001), random.Random(1))[1]
    needed = next(n for n in range(1, 64) if excess_evidence([1.0] * n, MARGINS[64] / 100) >= 1 / CHOSEN_LEVEL)
    assert judged(cell, base, gone) == ("FAIL", 3 * needed)
    assert judged(cell, base, head)[1] == 64 * 3


def test_files_and_the_command_judge_alike() -> None:
    """Five pairs through files and the command get the verdict of the function."""
    assert through_the_command(Cell(30, 1, 0.3), 5, seed=3) == 5
