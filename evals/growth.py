"""Growth: what a turn of history, or a memory, more costs, read off the stacks of a run whose names say how much they are told.

Sizes are turns of history or stored memories. A *point* is one such stack in one regime. For every task there is a straight line
through its medians over the epochs, one for each size, and what is said of a slope, or of where two lines cross, is said of the
tasks' lines (see ``lines.py``). A point beyond the length that its model was trained on is shown and is in no line: what such a
model does there is nothing to go by, and no line of one quantity is to be longer than that of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, get_args

from agent.targets import embedded
from evals.lines import Crossing, Estimate, Line, crossing, least_squares, mean_estimate
from evals.metrics import value_of
from evals.run import Run, ServedTarget
from evals.schedule import Regime, Series
from evals.stats import Share, valid_share
from evals.trials import Trial, values_by_task

Axis = Literal["turns", "memories"]
"""What grows."""

AXES: tuple[Axis, ...] = get_args(Axis)

Quantity = Literal["prompt tokens", "TTFT", "look-up", "first token"]
"""What is read off a trial: the prompt tokens and the TTFT of its first attempt, the look-up in memory, and how long the first
token took in all: TTFT and look-up together. Times are in seconds."""

NAIVE, OPTIMIZED = "naive", "optimized"

_NAME = re.compile(r"(?P<family>.+)-(?P<size>\d+)-(?P<axis>turns|memories)")


@dataclass(frozen=True, slots=True)
class Curve:
    """The stacks that differ in one size alone: ``family`` is what their names have in common."""

    family: str
    axis: Axis

    def stack(self, size: int) -> str:
        """The name of its stack of this size."""
        return f"{self.family}-{size}-{self.axis}"


@dataclass(frozen=True, slots=True)
class Point:
    """One size of a curve in one regime: medians over its trials, and the share of valid answers.

    ``None`` is what no trial has. ``beyond`` tells that a prompt is longer than what the model was trained on.
    """

    curve: Curve
    size: int
    regime: Regime
    prompt_tokens: float | None
    ttft: float | None
    look_up: float | None
    first_token: float | None
    valid: Share | None
    beyond: bool


def curves(run: Run) -> dict[Curve, tuple[int, ...]]:
    """The curves of a run, with their sizes in order."""
    found: dict[Curve, list[int]] = {}
    for stack in run.settings.stacks:
        if place := place_of(stack):
            found.setdefault(place[0], []).append(place[1])
    return {curve: tuple(sorted(sizes)) for curve, sizes in found.items()}


def place_of(stack: str) -> tuple[Curve, int] | None:
    """The curve that a stack belongs to by its name, and its size there; ``None`` for one that is on no curve."""
    if (named := _NAME.fullmatch(stack)) is None:
        return None
    axis: Axis = "turns" if named["axis"] == "turns" else "memories"
    return Curve(named["family"], axis), int(named["size"])


def points(run: Run, axis: Axis, regime: Regime) -> tuple[Point, ...]:
    """The points of one axis in one regime, curve by curve."""
    return tuple(_point(run, curve, size, regime) for curve, sizes in curves(run).items() if curve.axis == axis for size in sizes)


def slope(run: Run, curve: Curve, regime: Regime, quantity: Quantity) -> Estimate | None:
    """How much more a quantity is for every turn, or memory, more; ``None`` where fewer than two sizes were measured."""
    lines = _lines(_values(run, curve, regime, quantity))
    return mean_estimate([line.slope for line in lines]) if lines else None


def break_even(run: Run, regime: Regime, quantity: Quantity, *, memories: int | None = None) -> Crossing | None:
    """Where optimized gets better than naive as the history grows: where naive's quantity minus optimized's crosses zero, over the
    tasks and sizes that both have. ``None`` where these are fewer than two sizes.

    With ``memories``, optimized is the stack whose memory holds so many, which takes the same whatever the history.
    """
    naive, optimized = (_values(run, Curve(family, "turns"), regime, quantity) for family in (NAIVE, OPTIMIZED))
    if memories is not None:
        stored = _values(run, Curve(OPTIMIZED, "memories"), regime, quantity)
        optimized = {
            task: dict.fromkeys(naive.get(task, ()), sizes[memories]) for task, sizes in stored.items() if memories in sizes
        }
    return _crossing(naive, optimized)


def trained_length(target: ServedTarget) -> int | None:
    """How long a prompt may be that the model was trained on, in tokens; ``None`` where nobody knows."""
    shipped = target.kind == "embedded" and target.model == embedded.MODEL_NAME
    return embedded.TRAINED_LENGTH if shipped else None


def is_beyond(run: Run, stack: str) -> bool:
    """Whether a prompt of a stack, in whichever regime, is longer than what the model was trained on."""
    length = trained_length(run.header.target)
    return length is not None and any(
        trial.first.completion.prompt_tokens > length for trial in run.trials if trial.stack == stack and trial.fault is None
    )


_READ: dict[Quantity, Callable[[Trial], float | None]] = {
    "prompt tokens": lambda trial: trial.first.completion.prompt_tokens,
    "TTFT": lambda trial: value_of(trial, "ttft"),
    "look-up": lambda trial: value_of(trial, "retrieval"),
    "first token": lambda trial: _sum(value_of(trial, "ttft"), value_of(trial, "retrieval")),
}


def _sum(ttft: float | None, look_up: float | None) -> float | None:
    return None if ttft is None else ttft + (look_up or 0.0)


def _point(run: Run, curve: Curve, size: int, regime: Regime) -> Point:
    stack = curve.stack(size)
    trials = run.of_series(Series(stack, regime))
    tokens, ttft, look_up, first_token = (_median(trials, quantity) for quantity in get_args(Quantity))
    valid = valid_share(trials) if trials else None
    return Point(curve, size, regime, tokens, ttft, look_up, first_token, valid, is_beyond(run, stack))


def _median(trials: Iterable[Trial], quantity: Quantity) -> float | None:
    values = [value for trial in trials if (value := _READ[quantity](trial)) is not None]
    return float(median(values)) if values else None


_Values = dict[str, dict[int, float]]
"""By task and by size the median over the epochs."""


def _values(run: Run, curve: Curve, regime: Regime, quantity: Quantity) -> _Values:
    """The values that lines go through: of every size of the curve that is not beyond the trained length."""
    found: _Values = {}
    for size in curves(run).get(curve, ()):
        if not is_beyond(run, curve.stack(size)):
            trials = run.of_series(Series(curve.stack(size), regime))
            for task, values in values_by_task(trials, _READ[quantity]).items():
                found.setdefault(task, {})[size] = float(median(values))
    return found


def _lines(values: _Values) -> Sequence[Line]:
    """A line for every task that has all sizes: lines through other sizes are not of a kind."""
    sizes = {size for by_size in values.values() for size in by_size}
    if len(sizes) < 2:
        return []
    return [least_squares(list(by_size.items())) for by_size in values.values() if set(by_size) == sizes]


def _crossing(naive: _Values, optimized: _Values) -> Crossing | None:
    both = {
        task: {size: value - optimized[task][size] for size, value in sizes.items() if size in optimized[task]}
        for task, sizes in naive.items()
        if task in optimized
    }
    lines = _lines(both)
    sizes = {size for values in both.values() for size in values}
    return crossing(lines, min(sizes), max(sizes)) if lines else None
