"""The finding: what a run amounts to, in one sentence that says how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.ablation import ONE_SIDED, Effect, effects, stacks_of
from evals.ablation_text import points_text
from evals.changes import median_times
from evals.figures import Change, share_change, share_gains
from evals.gate import Verdict
from evals.growth import break_even
from evals.growth_text import crossing_words
from evals.paired import holm
from evals.prefix_cache import ContractPlace, contract_places, place_sentence
from evals.ratios import RatioEstimate, estimate_ratio, log_ratios, no_change_p, ratio_text
from evals.report.quantities import counted, points, with_interval
from evals.run import Run
from evals.schedule import ARTICLE, DEFAULT_SUITE, Regime, Series
from evals.stats import Goal, valid_share
from evals.studies import GROWTH, PREFIX_CACHE

_VALID = Goal("schema-valid")
_SHORT = (ARTICLE, DEFAULT_SUITE)
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
    found = [effect for effect in effects(run, regime) if effect.is_honoured]
    if len(found) > 1 or (found and len(run.settings.stacks) == 2):
        return _ablation(found, regime)
    return _stacks(run, regime)


def limits_of_the_finding(run: Run, verdict: Verdict | None = None) -> list[str]:
    """What the finding does not say."""
    asked, tasks = run.settings, len(run.measured_tasks)
    said = [run.header.target.disclaimer] if run.header.target.disclaimer else []
    if run.stopped is not None:
        stopped = f"It stopped after {tasks} of {len(asked.tasks)} tasks, when its verdict was settled"
        said.append(f"{stopped}: no other interval here allows for that.")
    if tasks < _FEW:
        full = " --suite full has 64." if asked.suite in _SHORT else ""
        said.append(f"{tasks} task{' is' if tasks == 1 else 's are'} few: differences that matter may not show.{full}")
    if verdict is None and len(asked.arms) > 1:
        said.append("It is one arm of an A/B session: python -m evals report RUN ab shows both.")
    if any(trial.retrieval_seconds is not None for trial in run.trials):
        said.append("TTFT and latency leave out the look-up in memory, which is shown for itself.")
    said.append("Valid answers and code that parses are not code that works: nothing is executed.")
    if verdict is None:
        said += _limits_of_stacks(run)
    return said


def _limits_of_stacks(run: Run) -> list[str]:
    number = sum(effect.is_honoured for effect in effects(run, run.settings.regimes[0]))
    if number > 1:
        return [f"The {number} intervals are not corrected for their number: about one in 20 such intervals is wrong."]
    differing = [stack for stack in stacks_of(run).values() if stack.name in run.settings.stacks]
    if len(differing) == 2 and number == 0 and not run.settings.study:
        return ["The two stacks differ in several ingredients; which one did it is not told: --ablation does that."]
    return []


def _stacks(run: Run, regime: Regime) -> Finding:
    """Every later stack against the first one, or the one there is."""
    first, *others = run.settings.stacks
    if not others:
        share = valid_share(run.of_series(Series(first, regime)))
        sentence = f"{first}, {regime}: {share} of the answers are schema-valid, over {counted(share.tasks, 'task')}"
        return Finding("FINDING", sentence)
    compared = [one for other in others if (one := _against(run, (first, other), regime)) is not None]
    if not compared:
        return Finding("NOT SHOWN", f"no stack has a task in common with {first} that both answered")
    adjusted = iter(holm([p for one in compared for p in one.ps]))
    sides = [one.sides([next(adjusted) <= LEVEL for _ in one.ps]) for one in compared]
    said = "; ".join(one.words(first, told) for one, told in zip(compared, sides, strict=True))
    corrected = f", corrected for {sum(len(one.ps) for one in compared)} tests" if len(compared) > 1 or compared[0].ttft else ""
    size = f"over {counted(compared[0].tasks, 'task')}, {regime}{corrected}"
    return Finding(_word(any(map(any, sides))), f"{said}; {size}")


@dataclass(frozen=True, slots=True)
class _Compared:
    """A stack against the first one: the change of valid answers with its p-value, and the ratio of TTFT with that, if any."""

    stack: str
    change: Change
    p: float
    ttft: RatioEstimate | None
    ttft_p: float

    @property
    def tasks(self) -> int:
        """Over how many tasks the change is."""
        return self.change.tasks

    @property
    def ps(self) -> list[float]:
        """The p-values of what is tested."""
        return [self.p, *([] if self.ttft is None else [self.ttft_p])]

    def sides(self, tested: Sequence[bool]) -> tuple[int, ...]:
        """To which side each change was shown, 0 where it was not, by what the tests say."""
        intervals = [(self.change.low, self.change.high)]
        intervals += [] if self.ttft is None else [(self.ttft.low - 1, self.ttft.high - 1)]
        return tuple(_side(*ends) if holds else 0 for ends, holds in zip(intervals, tested, strict=True))

    def words(self, first: str, sides: Sequence[int]) -> str:
        """What is said of it, by the sides to which its changes were shown."""
        interval = with_interval(self.change.value, self.change.low, self.change.high, points)
        said = f"{self.stack} {_MORE[sides[0]]} {first}, {interval} points (p {_p_text(self.p)})"
        if self.ttft is None:
            return said
        return f"{said}, and {_LONGER[sides[1]]}, {ratio_text(self.ttft)} (p {_p_text(self.ttft_p)})"


_MORE = {
    1: "gives more valid answers than",
    -1: "gives fewer valid answers than",
    0: "is not shown to differ in valid answers from",
}
_LONGER = {1: "its TTFT is longer", -1: "its TTFT is shorter", 0: "its TTFT is not shown to differ"}


def _against(run: Run, stacks: tuple[str, str], regime: Regime) -> _Compared | None:
    """The second stack against the first; ``None`` where they have no task in common that both answered."""
    before, now = (run.of_series(Series(stack, regime)) for stack in stacks)
    change = share_change(before, now, _VALID)
    if change is None:
        return None
    gains = [float(gain) for gain in share_gains(before, now, _VALID)]
    logarithms = log_ratios(*(median_times(run, Series(stack, regime), run.settings.tasks, "ttft") for stack in stacks))
    ttft = estimate_ratio(logarithms, ONE_SIDED) if logarithms else None
    return _Compared(stacks[1], change, no_change_p(gains), ttft, no_change_p(logarithms) if logarithms else 1.0)


def _ablation(found: Sequence[Effect], regime: Regime) -> Finding:
    """Which ingredients were shown to change the share of valid answers, and how many were not."""
    adjusted = holm([effect.p for effect in found])
    shown = [effect for effect, p in zip(found, adjusted, strict=True) if p <= LEVEL and _side(effect.valid.low, effect.valid.high)]
    named = ", ".join(f"{effect.factor.name} {points_text(effect.valid)}" for effect in shown)
    over = f"over {counted(max(effect.tasks for effect in found), 'task')}, {regime}"
    if not shown:
        none = f"none of {len(found)} ingredients is" if len(found) > 1 else f"{found[0].factor.name}: not"
        return Finding("NOT SHOWN", f"{none} shown to change the share of valid answers, {over}")
    rest = len(found) - len(shown)
    others = f"; {rest} other{'s are' if rest > 1 else ' is'} not shown to" if rest else ""
    corrected = f", corrected for {len(found)} ingredients" if len(found) > 1 else ""
    return Finding("FINDING", f"changes the share of valid answers, in points: {named}, {over}{corrected}{others}")


def _growth(run: Run) -> Finding:
    found = {
        f"{regime}, {what}": where
        for regime in run.settings.regimes
        for what, quantity in (("fewer prompt tokens", "prompt tokens"), ("first token sooner", "first token"))
        if (where := break_even(run, regime, quantity)) is not None  # type: ignore[arg-type]
    }
    if not found:
        return Finding("NOT SHOWN", "too few sizes were measured to say what grows")
    said = "; ".join(f"{what}: {crossing_words(where, 'turns')}" for what, where in found.items())
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


def _side(low: float | None, high: float | None) -> int:
    """1 where an interval lies above zero, -1 where it lies below, and 0 where it holds zero."""
    if low is None or high is None:
        return 0
    return 1 if low > 0 else -1 if high < 0 else 0
