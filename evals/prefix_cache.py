"""The prefix cache: which share of the prompt a server takes from it, and what that saves, stack by stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from evals.ablation import FACTORS, ONE_SIDED, Difference, pairs_of, stacks_of
from evals.changes import median_times
from evals.grid import Block, Grid
from evals.ratios import RatioEstimate, estimate_ratio, log_ratios, ratio_text
from evals.run import Run
from evals.schedule import REGIMES, Regime, Series
from evals.trials import Trial, by_task

_CONTRACT_PLACE = next(factor for factor in FACTORS if factor.after == "static")
_COLUMNS = ("prefix cache: warm, cold", "cached", "TTFT p50 in ms", "ratio of TTFT")


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the prefix cache did for one stack.

    ``warm`` and ``cold`` are the shares of the prompt tokens of first attempts that came from the cache, ``None`` where the server
    does not report that, which is not zero, and in the regimes that are ``unmeasured``. ``warm_ttft`` and ``cold_ttft`` are medians
    over the tasks' medians in seconds, and ``ratio`` is that of the first to the second over the same tasks.
    """

    stack: str
    warm: float | None
    cold: float | None
    warm_ttft: float | None
    cold_ttft: float | None
    ratio: RatioEstimate | None
    unmeasured: tuple[Regime, ...] = ()


@dataclass(frozen=True, slots=True)
class ContractPlace:
    """What the contract in the static prefix changes against the contract at the end of the same stack, in the warm regime.

    ``share`` is the change of the share of cached prompt tokens, ``None`` where it is not reported; ``ttft`` the ratio of TTFT.
    """

    last: str
    static: str
    share: Difference | None
    ttft: RatioEstimate | None


def cache_use(run: Run) -> list[CacheUse]:
    """What the prefix cache did for every stack of a run that measured both regimes."""
    return [_use(run, stack) for stack in run.settings.stacks]


def contract_places(run: Run) -> list[ContractPlace]:
    """What the place of the contract changes, for every two stacks of a run that differ in it alone and have a task in common."""
    found = (_place(run, last, static) for last, static in pairs_of(_CONTRACT_PLACE, stacks_of(run)))
    return [place for place in found if place is not None]


def prefix_cache_blocks(run: Run) -> list[Block]:
    """The table of a run that measured both regimes, with its sentences; nothing for another run."""
    if len(run.settings.regimes) < 2:
        return []
    uses = cache_use(run)
    grid = Grid(_COLUMNS, tuple((use.stack, *_cells(use)) for use in uses))
    return [*map(place_sentence, contract_places(run)), grid, *_notes(run, uses)]


def _use(run: Run, stack: str) -> CacheUse:
    answered = {regime: _answered(run, stack, regime) for regime in REGIMES}
    seconds = {regime: _median_ttfts(run, stack, regime) for regime in REGIMES}
    return CacheUse(
        stack,
        warm=_mean(_shares(answered["warm"])),
        cold=_mean(_shares(answered["cold"])),
        warm_ttft=_middle(seconds["warm"]),
        cold_ttft=_middle(seconds["cold"]),
        ratio=_ratio(seconds["cold"], seconds["warm"]),
        unmeasured=tuple(regime for regime in REGIMES if not answered[regime]),
    )


def _place(run: Run, last: str, static: str) -> ContractPlace | None:
    before, after = (_answered(run, stack, "warm") for stack in (last, static))
    if before.keys().isdisjoint(after):
        return None
    first, second = _shares(before), _shares(after)
    changes = [second[task] - first[task] for task in first if task in second]
    share = Difference.over(changes) if changes else None
    ttfts = (_median_ttfts(run, stack, "warm") for stack in (last, static))
    return ContractPlace(last, static, share, _ratio(*ttfts))


def _answered(run: Run, stack: str, regime: Regime) -> dict[str, list[Trial]]:
    """The trials by task whose first attempt met the cache as the regime says."""
    return by_task(trial for trial in run.of_series(Series(stack, regime)) if trial.timed)


def _shares(tried: Mapping[str, Sequence[Trial]]) -> dict[str, float]:
    """For every task the share of prompt tokens that came from the cache, over the trials that report it."""
    found = {}
    for task, trials in tried.items():
        seen = [trial.first.completion for trial in trials if trial.first.completion.cached_tokens is not None]
        if total := sum(completion.prompt_tokens for completion in seen):
            found[task] = sum(completion.cached_tokens or 0 for completion in seen) / total
    return found


def _mean(values: Mapping[str, float]) -> float | None:
    return fmean(values.values()) if values else None


def _middle(values: Mapping[str, float]) -> float | None:
    return median(values.values()) if values else None


def _median_ttfts(run: Run, stack: str, regime: Regime) -> dict[str, float]:
    return median_times(run, Series(stack, regime), run.settings.tasks, "ttft")


def _ratio(before: Mapping[str, float], after: Mapping[str, float]) -> RatioEstimate | None:
    logarithms = log_ratios(before, after)
    return estimate_ratio(logarithms, ONE_SIDED) if logarithms else None


def _share_text(use: CacheUse, regime: Regime) -> str:
    if regime in use.unmeasured:
        return "not measured"
    share = use.warm if regime == "warm" else use.cold
    return "not reported" if share is None else f"{share:.0%}"


def _cells(use: CacheUse) -> tuple[str, ...]:
    shares = (_share_text(use, regime) for regime in REGIMES)
    times = ("-" if seconds is None else f"{1000 * seconds:,.1f}" for seconds in (use.warm_ttft, use.cold_ttft))
    return ", ".join(shares), ", ".join(times), ratio_text(use.ratio)


def place_sentence(place: ContractPlace) -> str:
    """What the place of the contract changes, as a sentence."""
    cached = "cached tokens are not reported"
    if place.share is not None:
        points = [100 * value for value in (place.share.value, place.share.low, place.share.high)]
        cached = f"cached {points[0]:+.0f} points [{points[1]:+.0f}, {points[2]:+.0f}]"
    compared = f"{place.static} against {place.last}"
    return f"contract in the static prefix instead of last ({compared}): {cached}, TTFT {ratio_text(place.ttft)}"


def _notes(run: Run, uses: Sequence[CacheUse]) -> list[str]:
    notes = ["Shares of the prompt tokens of first attempts; ratios over tasks with 95 % intervals."]
    if run.settings.order == "alternating" and len(run.settings.stacks) > 1:
        notes.append(
            "The stacks alternated, so on a server with one slot each put out what another had cached; see --prefix-cache."
        )
    if any(use.warm is None and "warm" not in use.unmeasured for use in uses):
        notes.append("Where the server does not report cached tokens, warm against cold shows what the cache saves.")
    return notes
