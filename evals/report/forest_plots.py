"""What changed, as forests: what each ingredient of a stack changed alone, and what the prefix cache did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from evals.ablation import Effect, effects, ends
from evals.prefix_cache import cache_use
from evals.report.plot import Plot, colour
from evals.report.quantities import NOTHING, percent, ratio
from evals.report.row_plots import points_axis, points_row, ratio_axis, ratio_row, shown_plot
from evals.report.rows import Axis, Row
from evals.run import Run
from evals.schedule import Regime

_SHADE = colour(1)
_ToRow = Callable[[Effect, str], Row]

_DIFFERENCES: dict[str, _ToRow] = {
    "schema-valid answers": lambda effect, label: points_row(label, effect.valid, _SHADE),
    "strict JSON": lambda effect, label: points_row(label, effect.strict, _SHADE),
}
_RATIOS: dict[str, _ToRow] = {
    "prompt tokens": lambda effect, label: _exact_row(label, effect.prompt_tokens),
    "TTFT": lambda effect, label: ratio_row(label, effect.ttft, _SHADE),
    "tokens per valid answer": lambda effect, label: ratio_row(label, effect.tokens_per_valid, _SHADE),
}


def ablation_plots(run: Run, regime: Regime) -> list[Plot]:
    """A forest for each figure: what every ingredient changed, and below it that from each of its ends."""
    honoured = [effect for effect in effects(run, regime) if effect.is_honoured]
    found = [(effect, ends(run, regime, effect) if len(effect.pairs) > 1 else []) for effect in honoured]
    if not found:
        return []
    differences = {title: _rows(found, row) for title, row in _DIFFERENCES.items()}
    ratios = {title: _rows(found, row) for title, row in _RATIOS.items()}
    return [
        *(_forest(f"{title}, difference in points", rows, points_axis(rows)) for title, rows in differences.items()),
        *(_forest(f"{title}, ratio", rows, ratio_axis(rows)) for title, rows in ratios.items()),
    ]


def _rows(found: Sequence[tuple[Effect, Sequence[Effect]]], row: _ToRow) -> list[Row]:
    """The effects, and below each of them, fainter, that from each of its ends."""
    rows = []
    for effect, at in found:
        rows.append(row(effect, effect.factor.name))
        rows += [replace(row(end, f"from {end.pairs[0][0]}"), faint=True) for end in at]
    return rows


def _exact_row(label: str, value: float | None) -> Row:
    return Row(label, NOTHING if value is None else ratio(value), _SHADE, value)


def _forest(title: str, rows: Sequence[Row], axis: Axis) -> Plot:
    note = "Small points: the same change from one end alone." if any(row.faint for row in rows) else ""
    return shown_plot(title, rows, axis, ("what was changed alone", "change [95 % interval]"), note)


def prefix_cache_plots(run: Run) -> list[Plot]:
    """Of a run that measured both regimes: the share of the prompt that came from the cache, and what that does to TTFT."""
    if len(run.settings.regimes) < 2:
        return []
    uses = [(use, colour(place, len(run.settings.stacks))) for place, use in enumerate(cache_use(run))]
    cached = [
        Row(f"{use.stack}, {regime}", percent(share), shade, share, style="bar")
        for use, shade in uses
        for regime, share in (("warm", use.warm), ("cold", use.cold))
        if share is not None
    ]
    ratios = [ratio_row(use.stack, use.ratio, shade) for use, shade in uses if use.ratio is not None]
    return [
        *_of_stacks("prompt tokens from the cache, share", cached, Axis("", 0.0, 1.0, "%")),
        *_of_stacks("TTFT, warm against cold, ratio", ratios, ratio_axis(ratios)),
    ]


def _of_stacks(title: str, rows: Sequence[Row], axis: Axis) -> list[Plot]:
    return [shown_plot(title, rows, axis, ("stack", title))] if rows else []
