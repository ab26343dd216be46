"""What changed, as forests: what each ingredient of a stack changed alone, and what the prefix cache did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evals.ablation import Effect, effects, ends
from evals.grid import Grid
from evals.prefix_cache import cache_use
from evals.report.plot import Plot, colour
from evals.report.quantities import NOTHING, Show, percent, points, ratio, with_interval
from evals.report.rows import Axis, Row, axis_around
from evals.report.stack_plots import plot_of
from evals.run import Run
from evals.schedule import Regime


@dataclass(frozen=True, slots=True)
class _Ends:
    """A value with the ends of its interval, where it has them."""

    value: float
    low: float | None = None
    high: float | None = None


_Read = Callable[[Effect], _Ends | None]


def _strict(effect: Effect) -> _Ends:
    return _Ends(effect.strict.value, effect.strict.low, effect.strict.high)


def _valid(effect: Effect) -> _Ends:
    return _Ends(effect.valid.value, effect.valid.low, effect.valid.high)


def _prompt_tokens(effect: Effect) -> _Ends | None:
    return None if effect.prompt_tokens is None else _Ends(effect.prompt_tokens)


def _ttft(effect: Effect) -> _Ends | None:
    return None if effect.ttft is None else _Ends(effect.ttft.value, effect.ttft.low, effect.ttft.high)


def _price(effect: Effect) -> _Ends | None:
    price = effect.tokens_per_valid
    return None if price is None else _Ends(price.value, price.low, price.high)


_POINTS: dict[str, _Read] = {"schema-valid answers": _valid, "strict JSON": _strict}
_RATIOS: dict[str, _Read] = {"prompt tokens": _prompt_tokens, "TTFT": _ttft, "tokens per valid answer": _price}


def ablation_plots(run: Run, regime: Regime) -> list[Plot]:
    """A forest for each figure: what every ingredient changed, and below it that from each of its ends."""
    honoured = [effect for effect in effects(run, regime) if effect.is_honoured]
    found = [(effect, ends(run, regime, effect) if len(effect.pairs) > 1 else []) for effect in honoured]
    if not found:
        return []
    plots = [_forest(found, f"{title}, difference in points", read, points) for title, read in _POINTS.items()]
    return [*plots, *(_forest(found, f"{title}, ratio", read, ratio) for title, read in _RATIOS.items())]


def _forest(found: Sequence[tuple[Effect, Sequence[Effect]]], title: str, read: _Read, show: Show) -> Plot:
    rows = [row for effect, at in found for row in _effect_rows(effect, at, read, show)]
    table = Grid(("what was changed alone", "change [95 % interval]"), tuple((row.label, row.shown) for row in rows))
    note = "Small points: the same change from one end alone." if any(row.faint for row in rows) else ""
    return plot_of(title, rows, _axis(rows, logarithmic=show is ratio), table, note)


def _axis(rows: Sequence[Row], *, logarithmic: bool) -> Axis:
    """The axis of differences around 0, or of ratios around 1."""
    values = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    return axis_around("", values, reference=1.0 if logarithmic else 0.0, log=logarithmic, numbers="~r" if logarithmic else "+~r")


def _effect_rows(effect: Effect, at: Iterable[Effect], read: _Read, show: Show) -> list[Row]:
    named = [(effect.factor.name, read(effect), False), *((f"from {end.pairs[0][0]}", read(end), True) for end in at)]
    return [_effect_row(name, found, show, colour(1), faint=faint) for name, found, faint in named]


def _effect_row(name: str, found: _Ends | None, show: Show, shade: str, *, faint: bool = False) -> Row:
    if found is None:
        return Row(name, NOTHING, shade, faint=faint)
    scale = 100.0 if show is points else 1.0
    low, high = (None if end is None else scale * end for end in (found.low, found.high))
    words = with_interval(found.value, found.low, found.high, show)
    return Row(name, words, shade, scale * found.value, low, high, faint=faint)


def prefix_cache_plots(run: Run) -> list[Plot]:
    """Of a run that measured both regimes: the share of the prompt that came from the cache, and what that does to TTFT."""
    if len(run.settings.regimes) < 2:
        return []
    uses = cache_use(run)
    cached = [
        Row(f"{use.stack}, {regime}", percent(share), colour(place, len(uses)), share, style="bar")
        for place, use in enumerate(uses)
        for regime, share in (("warm", use.warm), ("cold", use.cold))
        if share is not None
    ]
    ratios = [
        _effect_row(use.stack, _Ends(use.ratio.value, use.ratio.low, use.ratio.high), ratio, colour(place, len(uses)))
        for place, use in enumerate(uses)
        if use.ratio is not None
    ]
    return [
        *_one_column("prompt tokens from the cache, share", cached, Axis("", 0.0, 1.0, "%")),
        *_one_column("TTFT, warm against cold, ratio", ratios, _axis(ratios, logarithmic=True)),
    ]


def _one_column(title: str, rows: Sequence[Row], axis: Axis) -> list[Plot]:
    table = Grid(("stack", title), tuple((row.label, row.shown) for row in rows))
    return [plot_of(title, rows, axis, table)] if rows else []
