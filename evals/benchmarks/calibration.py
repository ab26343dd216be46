"""How often the gate is wrong: simulated pairs of runs with a known loss, through the very function that judges real ones.

Every task has a rate of its own, drawn from a Beta distribution, and an epoch of a task is valid with that rate. A *sparse* loss
takes a few tasks whole, a *diffuse* one a little of every task. At a loss of exactly the margin neither PASS nor FAIL is true.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import io
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from evals.gate import EXIT_CODES, GateVerdict, judge
from evals.limits import Limit, Limits
from evals.paired import upper_share
from evals.run import Run
from evals.selftest.factories import run_of, saved_file

Shape = Literal["sparse", "diffuse"]

SIZES = tuple(itertools.product((12, 30, 64), (1, 3)))
"""Tasks and epochs."""

MARGINS = {12: 25, 30: 10, 64: 5}
"""Points; for each number of tasks about the smallest margin that so many can show to be kept."""

RATES = ((4.0, 0.6), (20.0, 1.0), (2.0, 2.0))
"""Beta distributions of the tasks' rates: mostly easy (mean 87 %), nearly all easy (95 %), of every difficulty (50 %)."""

PROMISED = 0.05
"""How often, at most, a verdict may be wrong."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of pair: its size, what HEAD lost (a share) and how, the tasks' rates, of how many runs BASE was the best, and
    whether HEAD's run may stop early.
    """

    tasks: int
    epochs: int
    loss: float
    shape: Shape = "sparse"
    rates: tuple[float, float] = RATES[0]
    best_of: int = 1
    sequential: bool = False

    @property
    def limits(self) -> Limits:
        """The one limit that its pairs are judged by."""
        return Limits((), (Limit("schema-valid", "fall", MARGINS[self.tasks], "points", "Simulated."),))


@dataclass(frozen=True, slots=True)
class Tally:
    """How many pairs of a cell got each verdict, and the mean number of HEAD's calls."""

    cell: Cell
    verdicts: Mapping[GateVerdict, int]
    calls: float

    def share(self, verdict: GateVerdict) -> float:
        """The share of pairs with this verdict."""
        return self.verdicts.get(verdict, 0) / sum(self.verdicts.values())

    def at_least(self, verdict: GateVerdict) -> float:
        """The lower end of the exact one-sided 95 % interval for that share."""
        pairs = sum(self.verdicts.values())
        return 1 - upper_share(pairs - self.verdicts.get(verdict, 0), pairs)


def cells_at_the_margin() -> Iterator[Cell]:
    """Pairs that lose exactly the margin."""
    for (tasks, epochs), shape, rates, best_of in itertools.product(SIZES, ("sparse", "diffuse"), RATES, (1, 3)):
        yield Cell(tasks, epochs, MARGINS[tasks] / 100, _shape(shape), rates, best_of)
    for (tasks, epochs), shape, best_of in itertools.product(SIZES, ("sparse", "diffuse"), (1, 3)):
        yield Cell(tasks, epochs, MARGINS[tasks] / 100, _shape(shape), RATES[0], best_of, sequential=True)


def cells_of_power() -> Iterator[Cell]:
    """Pairs that lose nothing, 15, 30 or 60 points, with and without early stop."""
    for (tasks, epochs), loss, sequential in itertools.product(SIZES, (0.0, 0.15, 0.3, 0.6), (False, True)):
        yield Cell(tasks, epochs, loss, sequential=sequential)


def _shape(name: str) -> Shape:
    return "sparse" if name == "sparse" else "diffuse"


def tally(cell: Cell, pairs: int, seed: int) -> Tally:
    """Judge so many pairs of a cell."""
    rng = random.Random(f"{seed} {cell}")  # noqa: S311 - a simulation
    verdicts: Counter[GateVerdict] = Counter()
    calls = 0
    for _ in range(pairs):
        verdict, made = judged(cell, *draw_pair(cell, rng))
        verdicts[verdict] += 1
        calls += made
    return Tally(cell, dict(verdicts), calls / pairs)


def draw_pair(cell: Cell, rng: random.Random) -> tuple[Run, Run]:
    """One pair of runs: BASE, the best of so many, and HEAD."""
    rates = [rng.betavariate(*cell.rates) for _ in range(cell.tasks)]
    bases = [_outcomes(rates, cell.epochs, rng) for _ in range(cell.best_of)]
    base = max(bases, key=lambda outcomes: sum(map(sum, outcomes.values())))
    head = _outcomes(_lost(cell, rates, rng), cell.epochs, rng)
    return run_of(base, "base"), run_of(head, "head", sequential=cell.sequential)


def judged(cell: Cell, base: Run, head: Run) -> tuple[GateVerdict, int]:
    """The verdict, and how many calls HEAD's run made: all, or those until its verdict was settled."""
    if cell.sequential:
        for stopped in range(1, cell.tasks):
            verdict = judge(base, replace(head, stopped=stopped), cell.limits).verdict
            if verdict in ("PASS", "FAIL"):
                return verdict, stopped * cell.epochs
    return judge(base, head, cell.limits).verdict, cell.tasks * cell.epochs


def _lost(cell: Cell, rates: Sequence[float], rng: random.Random) -> list[float]:
    first, second = cell.rates
    share = cell.loss / (first / (first + second))
    if cell.shape == "sparse":
        return [0.0 if rng.random() < share else rate for rate in rates]
    return [rate * (1 - share) for rate in rates]


def _outcomes(rates: Iterable[float], epochs: int, rng: random.Random) -> dict[str, list[bool]]:
    return {f"t{number}": [rng.random() < rate for _ in range(epochs)] for number, rate in enumerate(rates)}


def tallies(cells: Iterable[Cell], pairs: Callable[[Cell], int], seed: int) -> Iterator[Tally]:
    """The tallies of the cells in their order, worked out by all processors."""
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as workers:
        for task in [workers.submit(tally, cell, pairs(cell), seed) for cell in cells]:
            yield task.result()


def through_the_command(cell: Cell, pairs: int, seed: int) -> int:
    """How many of so many pairs ``python -m evals gate``, given files, judges as the function does."""
    from evals.__main__ import main as command

    rng, equal = random.Random(f"files {seed} {cell}"), 0  # noqa: S311 - a simulation
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder, "limits.toml")
        limits.write_text(_LIMITS.format(margin=MARGINS[cell.tasks]), encoding="utf-8")
        for _ in range(pairs):
            runs = draw_pair(cell, rng)
            files = [_written(Path(folder, name), run) for name, run in zip(("base.json", "head.json"), runs, strict=True)]
            with contextlib.redirect_stdout(io.StringIO()):
                code = command(["gate", *files, "--limits", str(limits)])
            equal += code == EXIT_CODES[judge(*runs, cell.limits).verdict]
    return equal


_LIMITS = '[[limit]]\nmetric = "schema-valid"\ndirection = "fall"\nmargin = {margin}\nunit = "points"\nreason = "Simulated."\n'


def _written(file: Path, run: Run) -> str:
    file.write_text(json.dumps(saved_file(run)), encoding="utf-8")
    return str(file)


_TITLES = ("tasks", "epochs", "lost", "how", "rates", "best of", "early", "FAIL", "", "PASS", "", "INCONCLUSIVE", "calls")
_HEAD = "{:>5} {:>6} {:>7} {:>8} {:>15} {:>7} {:>5} | {:>6} {:>8} {:>6} {:>8} {:>12} {:>7}"


def _line(one: Tally) -> str:
    cell = one.cell
    return _HEAD.format(
        cell.tasks,
        cell.epochs,
        f"{100 * cell.loss:.0f}",
        cell.shape,
        f"Beta({cell.rates[0]:g}, {cell.rates[1]:g})",
        cell.best_of,
        "yes" if cell.sequential else "no",
        f"{one.share('FAIL'):.1%}",
        f"[{one.at_least('FAIL'):.1%}]",
        f"{one.share('PASS'):.1%}",
        f"[{one.at_least('PASS'):.1%}]",
        f"{one.share('INCONCLUSIVE'):.1%}",
        f"{one.calls:.1f}",
    )


def is_wrong(one: Tally) -> bool:
    """Whether a cell shows that the gate is wrong more often than it promises."""
    margin = MARGINS[one.cell.tasks] / 100
    false_fail = one.cell.loss <= margin and one.at_least("FAIL") > PROMISED
    return false_fail or (one.cell.loss >= margin and one.at_least("PASS") > PROMISED)


def main() -> None:
    """Print the tables, and leave with 1 when the gate is wrong more often than it promises."""
    options = argparse.ArgumentParser(prog="python -m evals.benchmarks.calibration", description=__doc__)
    options.add_argument("--pairs", type=int, default=2_000, help="pairs a row; half as many with early stop (default: 2000)")
    options.add_argument("--seed", type=int, default=0, help="seed of all that is drawn (default: 0)")
    chosen, started = options.parse_args(), time.perf_counter()
    found = []
    for title, cells in (("A loss of exactly the margin", cells_at_the_margin()), ("Power", cells_of_power())):
        print(f"\n{title}; in brackets the lower 95 % bound of a share\n")
        print(_HEAD.format(*_TITLES))
        for one in tallies(cells, lambda cell: chosen.pairs // (1 + cell.sequential), chosen.seed):
            print(f"{_line(one)}{'  <- more than promised' if is_wrong(one) else ''}", flush=True)
            found.append(one)
    pairs = max(1, chosen.pairs // 10)
    same = through_the_command(Cell(64, 3, 0.15), pairs, chosen.seed)
    wrong = sum(map(is_wrong, found))
    print(f"\n{same} of {pairs} pairs through files and the command are judged as by the function")
    print(f"{wrong} of {len(found)} rows are wrong more often than {PROMISED:.0%}; {time.perf_counter() - started:.0f} s")
    sys.exit(bool(wrong or same < pairs))


if __name__ == "__main__":
    main()
