"""The finding: what a run amounts to, in one sentence that says how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.ablation import ONE_SIDED, effects
from evals.ablation_text import points_text
from evals.changes import median_times
from evals.figures import share_change, share_gains
from evals.gate import Verdict
from evals.growth import break_even
from evals.growth_text import crossing_words
from evals.paired import holm
from evals.prefix_cache import ContractPlace, contract_places, place_sentence
from evals.ratios import estimate_ratio, log_ratios, no_change_p, ratio_text
from evals.report.quantities import counted, points, with_interval
from evals.run import Run
from evals.schedule import Regime, Series
from evals.stats import Goal, valid_share
from evals.studies import GROWTH, PREFIX_CACHE

_VALID = Goal("schema-valid")
LEVEL = 0.05
"""A difference is called shown where its interval leaves zero out and the test of no change over tasks has a p-value of at most
this, after Holm's correction where there are several: the interval alone is wrong too often where few tasks changed."""

_FEW = 20
"""With fewer tasks than these little can be shown, and that is said."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A word that sums it up (a verdict, or ``FINDING``, ``NOT SHOWN``, ``INCOMPLETE``), and the sentence."""

    word: str
    sentence: str


def finding_of(run: Run, verdict: Verdict | None = None) -> Finding:
    """What a run amounts to: the verdict where it was judged against another, otherwise the answer to the question that its stacks
    can answer.
    """
    if verdict is not None:
        return Finding(verdict.verdict, verdict.sentence)
    if run.flaw:
        return Finding("INCOMPLETE", f"nothing is judged: {run.flaw}")
    regime = run.settings.regimes[0]
    if run.settings.study == GROWTH:
        return _growth(run)
    if run.settings.study == PREFIX_CACHE and (places := contract_places(run)):
        return Finding(_word(any(map(_changes, places))), "; ".join(map(place_sentence, places)))
    if found := _ablation(run, regime):
        return found
    return _stacks(run, regime)


def limits_of_the_finding(run: Run) -> list[str]:
    """What the finding does not say."""
    tasks = len(run.measured_tasks)
    said = [run.header.target.disclaimer] if run.header.target.disclaimer else []
    if tasks < _FEW:
        said.append(
            f"{tasks} task{' is' if tasks == 1 else 's are'} few: differences that matter may not show. --suite full has 64."
        )
    said.append("Valid answers and code that parses are not code that works: nothing is executed.")
    if len(run.settings.stacks) == 2 and not run.settings.study:
        said.append("Two stacks that differ in several ingredients do not tell which one did it: --ablation does.")
    if (number := len(effects(run, run.settings.regimes[0]))) > 1:
        said.append(f"Each of the {number} intervals holds at 95 % for itself: of so many, some are wrong.")
    return said


def _stacks(run: Run, regime: Regime) -> Finding:
    """The last stack against the first, or the one there is."""
    first, *_, last = [*run.settings.stacks[:1], *run.settings.stacks]
    if first == last:
        share = valid_share(run.of_series(Series(first, regime)))
        return Finding(
            "FINDING", f"{first}, {regime}: {share} of the answers are schema-valid, over {counted(share.tasks, 'task')}"
        )
    before, now = (run.of_series(Series(stack, regime)) for stack in (first, last))
    change = share_change(before, now, _VALID)
    if change is None:
        return Finding("NOT SHOWN", f"{first} and {last} have no task in common that both answered")
    p = no_change_p([float(gain) for gain in share_gains(before, now, _VALID)])
    shown = _side(change.low, change.high) if p <= LEVEL else 0
    interval = with_interval(change.value, change.low, change.high, points)
    more = {
        1: "gives more valid answers than",
        -1: "gives fewer valid answers than",
        0: "is not shown to differ in valid answers from",
    }
    ttft = _time_ratio(run, (first, last), regime)
    size = f"points over {counted(change.tasks, 'task')}, {regime}, exact p {_p_text(p)}"
    return Finding(_word(shown != 0), f"{last} {more[shown]} {first}: {interval} {size}; TTFT {ttft}")


def _ablation(run: Run, regime: Regime) -> Finding | None:
    """Which ingredients were shown to change the share of valid answers, and how many were not."""
    found = [effect for effect in effects(run, regime) if effect.is_honoured]
    if not found:
        return None
    adjusted = holm([effect.p for effect in found])
    shown = [effect for effect, p in zip(found, adjusted, strict=True) if p <= LEVEL and _side(effect.valid.low, effect.valid.high)]
    named = ", ".join(f"{effect.factor.name} {points_text(effect.valid)}" for effect in shown)
    tasks = counted(max(effect.tasks for effect in found), "task")
    if not shown:
        none = f"none of {len(found)} ingredients is" if len(found) > 1 else f"{found[0].factor.name}: not"
        return Finding("NOT SHOWN", f"{none} shown to change the share of valid answers, over {tasks}")
    rest = len(found) - len(shown)
    others = f"; {rest} other{'s are' if rest > 1 else ' is'} not shown to" if rest else ""
    corrected = f", corrected for {len(found)} ingredients" if len(found) > 1 else ""
    return Finding("FINDING", f"changes the share of valid answers, in points: {named}, over {tasks}{corrected}{others}")


def _growth(run: Run) -> Finding:
    found = {
        f"{regime}: {what}": where
        for regime in run.settings.regimes
        for what, quantity in (("fewer prompt tokens", "prompt tokens"), ("first token sooner", "first token"))
        if (where := break_even(run, regime, quantity)) is not None  # type: ignore[arg-type]
    }
    if not found:
        return Finding("NOT SHOWN", "too few sizes were measured to say what grows")
    said = "; ".join(f"{what} {crossing_words(where, 'turns')}" for what, where in found.items())
    shown = any(where.first or where.last for where in found.values())
    return Finding(_word(shown), f"optimized against naive as the history grows: {said}")


def _changes(place: ContractPlace) -> bool:
    """Whether the place of the contract was shown to change what is cached, or TTFT."""
    share, ttft = place.share, place.ttft
    cached = share is not None and _side(share.low, share.high) != 0
    return cached or (ttft is not None and _side(ttft.low - 1, ttft.high - 1) != 0)


def _p_text(p: float) -> str:
    return f"= {p:.2g}" if p >= 0.0001 else "< 0.0001"


def _word(shown: bool) -> str:
    return "FINDING" if shown else "NOT SHOWN"


def _time_ratio(run: Run, stacks: Sequence[str], regime: Regime) -> str:
    before, now = (median_times(run, Series(stack, regime), run.settings.tasks, "ttft") for stack in stacks)
    logarithms = log_ratios(before, now)
    return ratio_text(estimate_ratio(logarithms, ONE_SIDED) if logarithms else None)


def _side(low: float | None, high: float | None) -> int:
    """1 where an interval lies above zero, -1 where it lies below, and 0 where it holds zero."""
    if low is None or high is None:
        return 0
    return 1 if low > 0 else -1 if high < 0 else 0
