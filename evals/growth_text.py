"""Growth as text: for every axis a table with its curve as bars, and the sentences that follow from the numbers."""

from __future__ import annotations

from collections.abc import Iterator

from evals.grid import Block, Grid
from evals.growth import AXES, NAIVE, OPTIMIZED, Axis, Curve, Point, break_even, curves, place_of, points, slope, trained_length
from evals.lines import Crossing, Estimate
from evals.run import Run
from evals.schedule import Regime
from evals.stats import Share

_NOTHING = "-"
_BAR = 16
"""The longest bar, in characters."""

_TITLES: dict[Axis, str] = {"turns": "turns of history", "memories": "stored memories"}
_PER_THOUSAND = 1_000


def growth_blocks(run: Run) -> list[Block]:
    """The growth of a run: its tables, and what follows from them."""
    tables = [block for axis in AXES for regime in run.settings.regimes for block in _table(run, axis, regime)]
    return [*tables, "", *_ends(run), *_marks(run), *_sentences(run), *_method(run)]


def _table(run: Run, axis: Axis, regime: Regime) -> list[Block]:
    shown = points(run, axis, regime)
    if not shown:
        return []
    columns = ("stack", axis, "prompt tokens", "TTFT", "look-up", "valid", "first token after")
    longest = max((point.first_token or 0.0 for point in shown), default=0.0)
    rows = tuple(_row(point, longest) for point in shown)
    return ["", f"{_TITLES[axis]}, {regime} prefix cache", Grid(columns, rows, texts=(0, 6))]


def _row(point: Point, longest: float) -> tuple[str, ...]:
    return (
        point.curve.family,
        f"{point.size:,}{'*' if point.beyond else ' '}",
        _NOTHING if point.prompt_tokens is None else f"{point.prompt_tokens:,.0f}",
        _milliseconds(point.ttft),
        _milliseconds(point.look_up),
        _share(point.valid),
        _bar(point.first_token, longest),
    )


def _bar(seconds: float | None, longest: float) -> str:
    if seconds is None:
        return _NOTHING
    return f"{'#' * max(1, round(_BAR * seconds / longest))} {_milliseconds(seconds)}" if longest else _milliseconds(seconds)


def _ends(run: Run) -> Iterator[str]:
    """Where a curve ends before what was asked for, and why."""
    for stack, reason in run.header.left_out.items():
        if place := place_of(stack):
            curve, _ = place
            there = curves(run).get(curve, ())
            ends = f"ends at {there[-1]:,} {curve.axis}" if there else f"has no point of so many {curve.axis}"
            yield f"{curve.family} {ends}: {stack} is left out, since {reason}"


def _marks(run: Run) -> Iterator[str]:
    if any(point.beyond for axis in AXES for regime in run.settings.regimes for point in points(run, axis, regime)):
        yield (
            f"* beyond the {trained_length(run.header.target):,} tokens of prompt that {run.header.target.model} was trained on:"
            " shown, and in no slope and no break-even, neither of tokens nor of times."
        )


def _sentences(run: Run) -> Iterator[str]:
    for regime in run.settings.regimes:
        yield from _of_turns(run, regime)
    for regime in run.settings.regimes:
        yield from _of_memories(run, regime)
    if any(curve.axis == "memories" for curve in curves(run)):
        yield _of_writing(run)


def _of_turns(run: Run, regime: Regime) -> Iterator[str]:
    grown = [
        f"{family} by {_tokens(tokens)} and {_time(ttft)} of TTFT"
        for family in (NAIVE, OPTIMIZED)
        if (tokens := slope(run, Curve(family, "turns"), regime, "prompt tokens"))
        and (ttft := slope(run, Curve(family, "turns"), regime, "TTFT"))
    ]
    if grown:
        yield f"{regime}, a turn more: {'; '.join(grown)}."
    if fewer := break_even(run, regime, "prompt tokens"):
        yield f"{regime}: optimized needs fewer prompt tokens: {crossing_words(fewer, 'turns')}."
    if sooner := break_even(run, regime, "first token"):
        yield f"{regime}: optimized gives its first token sooner, look-up included: {crossing_words(sooner, 'turns')}."
    stored = curves(run).get(Curve(OPTIMIZED, "memories"), ())
    by_size = {size: break_even(run, regime, "first token", memories=size) for size in stored}
    if said := [f"with {size:,}, {crossing_words(where, 'turns')}" for size, where in by_size.items() if where is not None]:
        yield f"{regime}: the same by the number of memories: {'; '.join(said)}."


def _of_memories(run: Run, regime: Regime) -> Iterator[str]:
    for curve in curves(run):
        more = slope(run, curve, regime, "look-up")
        if curve.axis == "memories" and more is not None:
            first, *_, last = (point for point in points(run, curve.axis, regime) if point.curve == curve)
            yield (
                f"{regime}, every request: {curve.family} looks up in {_milliseconds(first.look_up)} with {first.size:,} memories"
                f" and in {_milliseconds(last.look_up)} with {last.size:,}, {_time(_scaled(more, _PER_THOUSAND))} more for every"
                f" {_PER_THOUSAND:,}; that is {_part(first)} and {_part(last)} of the time to its first token."
            )


def _of_writing(run: Run) -> str:
    seconds = "; ".join(
        f"{size:,} took {spent:,.1f} s ({1000 * spent / size:,.1f} ms each)" for size, spent in run.header.seeding.items()
    )
    stored = f" Storing them in bulk, embeddings included: {seconds}." if seconds else ""
    return f"On write: every fact is stored as it is; extraction by a model is off, so a write costs no call of one.{stored}"


def _method(run: Run) -> Iterator[str]:
    if curves(run):
        yield (
            "Slopes: a least-squares line for each task through its medians, then the t interval over the tasks. Break-even: where"
            " those lines cross, with Fieller's set. Straight lines are assumed."
        )
    if "warm" in run.settings.regimes and run.settings.order == "blocked":
        yield "Warm, the task that opens a block, another one in every epoch, meets what another stack left in the cache."


def crossing_words(where: Crossing, unit: str) -> str:
    """Where what is compared turns from worse to better, in words; nothing is said beyond the sizes that were measured."""
    span = f"{where.smallest:,.0f} to {where.largest:,.0f} {unit}"
    low, high = (_NOTHING if end is None else f"{end:,.1f}" for end in (where.low, where.high))
    value = _NOTHING if where.value is None else f"{where.value:,.1f}"
    words = {
        (-1, 1): f"from the break-even at {value} {unit} on [{low}, {high}]",
        (1, 1): f"always within what was measured ({span})",
        (-1, -1): f"never within what was measured ({span})",
        (0, 1): f"from {high} {unit} on at the latest (whether from fewer on cannot be told)",
        (-1, 0): f"not up to {low} {unit} (whether beyond them cannot be told)",
        (0, 0): f"cannot be told within what was measured ({span})",
        (1, -1): f"only up to {value} {unit} [{low}, {high}]",
        (1, 0): f"up to {low} {unit} (whether beyond them cannot be told)",
        (0, -1): f"not from {high} {unit} on (whether below them cannot be told)",
    }
    return words[where.first, where.last]


def _part(point: Point) -> str:
    return f"{point.look_up / point.first_token:.0%}" if point.look_up and point.first_token else _NOTHING


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(estimate.value * factor, estimate.low * factor, estimate.high * factor, estimate.tasks)


def _tokens(estimate: Estimate) -> str:
    return f"{_interval(estimate)} tokens"


def _time(estimate: Estimate) -> str:
    return f"{_interval(_scaled(estimate, 1000))} ms"


def _interval(estimate: Estimate) -> str:
    if estimate.tasks < 2:
        return f"{_figure(estimate.value, abs(estimate.value))} [one task: no interval]"
    largest = max(abs(estimate.low), abs(estimate.high))
    value, low, high = (_figure(number, largest) for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _figure(number: float, largest: float) -> str:
    """A number with about three digits where numbers are as large as ``largest``; never a zero below zero."""
    if round(largest, 3) == 0:
        return "0"
    # Ten turns and a rounding less are ten turns.
    digits = next((digits for bound, digits in ((100, 0), (10, 1), (1, 2)) if round(largest, 6) >= bound), 3)
    return f"{round(number, digits) + 0.0:,.{digits}f}"


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1000:,.1f} ms"


def _share(share: Share | None) -> str:
    return _NOTHING if share is None else str(share)
