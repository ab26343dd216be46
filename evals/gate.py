"""The gate: one verdict on HEAD against BASE, from the limits of every series."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from evals.changes import EARLY_PASS, Change, Matched, measure_change
from evals.evidence import excess_evidence, shortfall_evidence
from evals.floors import Judgement, judge_stack
from evals.likeness import DEFAULT_CHANGED, Changed, Differences, common_tasks, differences, obstacles
from evals.limits import Floor, Limit, Limits
from evals.pair import from_one_session
from evals.paired import holm
from evals.run import Run
from evals.schedule import Series
from evals.stats import floor_p, task_rates, valid_share
from evals.trials import Trial

GateVerdict = Literal["PASS", "FAIL", "INVALID", "INCONCLUSIVE"]
FindingVerdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT JUDGED"]

EXIT_CODES: dict[GateVerdict, int] = {"PASS": 0, "FAIL": 1, "INVALID": 2, "INCONCLUSIVE": 3}

LEVEL = 0.03
"""The level of the tests of a FAIL, over all limits together. They keep what is promised, a FAIL of at most 5 % of the HEADs that
exceed no margin, in every case that was simulated; at 5 % one reached 6.6 % (``tox run -e calibrate``)."""

CHOSEN_LEVEL = 0.0125
"""The same where BASE comes from another session. A baseline is often the best of a few runs, and what was best by luck makes the
next run look worse: for the best of three this level keeps the 5 %. An A/B session measures both sides anew."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one limit on one series amounts to. ``adjusted_p`` is its p-value after Holm's correction, ``None`` outside the
    family.
    """

    name: str
    verdict: FindingVerdict
    sentence: str
    change: Change | None = None
    p: float | None = None
    adjusted_p: float | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}, {self.sentence}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on HEAD, the sentence that says it, and what it rests on.

    ``reasons`` say why the runs cannot be compared, of an INVALID one. ``between`` is what differs between the runs' fingerprints,
    and ``disclaimer`` what must stand beside the figures.
    """

    verdict: GateVerdict
    sentence: str
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    between: Differences | None = None
    disclaimer: str = ""

    @property
    def exit_code(self) -> int:
        """The exit code of ``python -m evals gate``."""
        return EXIT_CODES[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON can hold it; an end that an interval does not have is ``None``."""
        finite: dict[str, Any] = _finite(asdict(self))
        return finite


def judge(base: Run, head: Run, limits: Limits, changed: Collection[Changed] = DEFAULT_CHANGED) -> Verdict:
    """One verdict on HEAD against BASE.

    FAIL when a limit's exact test rejects that its margin was kept, by Holm's method over all tests of the family, which is fixed
    by the limits, stacks and regimes alone; PASS when every limit that can be judged is shown to be kept; INVALID when the runs
    cannot be compared; otherwise INCONCLUSIVE.
    """
    between = differences(base, head, changed)
    if reasons := obstacles(base, head, changed):
        return invalid(reasons, between)
    pair = pair_of(base, head)
    level = LEVEL if from_one_session(base, head) else CHOSEN_LEVEL
    findings = _settled([*_measured(pair, limits), *_floors(pair, limits)], level)
    verdict = _overall(findings)
    return Verdict(verdict, _sentence(verdict, findings, pair), findings, (), between, head.header.target.disclaimer)


def invalid(reasons: Sequence[str], between: Differences | None = None) -> Verdict:
    """The verdict on runs that cannot be compared."""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return Verdict("INVALID", f"nothing can be judged: {reasons[0]}{more}", (), tuple(reasons), between)


def pair_of(base: Run, head: Run) -> Matched:
    """Two runs that are alike, cut to the tasks that both have measured."""
    tasks = common_tasks(base, head)
    sequential = base.settings.sequential or head.settings.sequential
    return Matched(base, head, tasks, sequential, stopped=len(tasks) < len(head.settings.tasks))


def _measured(pair: Matched, limits: Limits) -> list[Finding]:
    kind = pair.head.header.target.kind
    return [
        _finding(pair, limit, series)
        for series in pair.head.settings.series
        for limit in limits.of_series(series, kind)
    ]  # fmt: skip


def _finding(pair: Matched, limit: Limit, series: Series) -> Finding:
    """What a limit amounts to as far as it alone can say; INCONCLUSIVE ones may become a FAIL."""
    name, change = f"{limit.metric}, {series}", measure_change(pair, limit, series)
    if why := _why_not_judged(pair, limit):
        return Finding(name, "NOT JUDGED", f"{change.text}; {why}" if change else why, change)
    if change is None:
        return Finding(name, "INCONCLUSIVE", "nothing was measured", p=1.0)
    if change.p is None and pair.stopped:
        return Finding(name, "INCONCLUSIVE", f"{change.text}; the tasks that were not measured may cost more or less", change)
    if change.p is None:
        verdict: FindingVerdict = "PASS" if change.passes else "FAIL"
        return Finding(name, verdict, f"{change.text}; {limit} more are allowed", change)
    if change.passes:
        return Finding(name, "PASS", f"{change.text}; {change.worse} is excluded{change.at_most}", change, change.p)
    return Finding(name, "INCONCLUSIVE", f"{change.text}; {change.worse} is not excluded{change.at_most}", change, change.p)


def _why_not_judged(pair: Matched, limit: Limit) -> str:
    if not limit.is_time:
        return ""
    if not from_one_session(pair.base, pair.head):
        return "times of two sessions are shown and not judged (pytest --ab judges them)"
    return "times of a run that was stopped early are not judged" if pair.stopped else ""


def _floors(pair: Matched, limits: Limits) -> list[Finding]:
    kind, tasks = pair.head.header.target.kind, set(pair.tasks)
    found = []
    for series in pair.head.settings.series:
        floor = limits.floor(series.stack, kind)
        if floor is not None:
            trials = [trial for trial in pair.head.of_series(series) if trial.task in tasks]
            found.append(_floor_finding(pair, floor, series, trials))
    return found


def _settled(findings: Sequence[Finding], level: float) -> tuple[Finding, ...]:
    """The findings after Holm's correction: those whose test rejects are FAIL, and what is open says what would settle it."""
    adjusted = iter(holm([finding.p for finding in findings if finding.p is not None]))
    share = level / max(1, sum(finding.p is not None for finding in findings))
    corrected = [finding if finding.p is None else _corrected(finding, next(adjusted), level) for finding in findings]
    return tuple(_with_hint(finding, share) for finding in corrected)


def _with_hint(finding: Finding, level: float) -> Finding:
    if finding.verdict != "INCONCLUSIVE" or finding.change is None or finding.p is None:
        return finding
    return replace(finding, sentence=f"{finding.sentence}: {finding.change.hint(level)}")


def _corrected(finding: Finding, adjusted: float, level: float) -> Finding:
    if adjusted > level:
        return replace(finding, adjusted_p=adjusted)
    said = f"{finding.change.text}; {finding.change.worse} is shown" if finding.change else f"{finding.sentence}: below it"
    return replace(finding, verdict="FAIL", sentence=f"{said} (p = {adjusted:.2g})", adjusted_p=adjusted)


def _floor_finding(pair: Matched, floor: Floor, series: Series, trials: Sequence[Trial]) -> Finding:
    judged = judge_stack(trials, floor, "")
    lenient = valid_share(trials, excused_is_valid=True)
    if not pair.sequential:
        p, passes = floor_p(lenient, floor.share), judged.verdict == "PASS"
    else:
        p = 1 / max(1.0, shortfall_evidence(task_rates(trials, excused_is_valid=True), floor.share))
        early = excess_evidence(task_rates(trials), floor.share) >= EARLY_PASS
        passes = early if pair.stopped else judged.verdict == "PASS"
    kept = judged.sentence if passes == (judged.verdict == "PASS") and judged.verdict != "FAIL" else _floor_text(judged, floor)
    return Finding(f"floor, {series}", "PASS" if passes else "INCONCLUSIVE", kept, p=p)


def _floor_text(judged: Judgement, floor: Floor) -> str:
    """What is said of a floor when the gate's own test, among all its limits, decides otherwise than an interval alone would."""
    share = judged.share
    seen = "" if share is None else f"{share.value:.0%} valid over {_counted(share.tasks, 'task')} "
    return f"{seen}against the floor of {floor.share:.0%} ({floor.reason})"


def _overall(findings: Sequence[Finding]) -> GateVerdict:
    verdicts = [finding.verdict for finding in findings if finding.verdict != "NOT JUDGED"]
    if "FAIL" in verdicts:
        return "FAIL"
    return "PASS" if verdicts and set(verdicts) == {"PASS"} else "INCONCLUSIVE"


def _sentence(verdict: GateVerdict, findings: Sequence[Finding], pair: Matched) -> str:
    judged = [finding for finding in findings if finding.verdict != "NOT JUDGED"]
    told = [finding for finding in judged if finding.verdict == verdict]
    size = f"{_counted(len(pair.tasks), 'task')} x {_counted(pair.head.settings.epochs, 'epoch')}"
    if not judged:
        return "no limit that is about these stacks on this target can be judged, so nothing was"
    if verdict == "PASS":
        kept = "its one limit" if len(judged) == 1 else f"all {len(judged)} limits"
        return f"HEAD keeps {kept} against BASE, over {size}"
    if verdict == "FAIL":
        worst = min(told, key=lambda finding: -1.0 if finding.adjusted_p is None else finding.adjusted_p)
        others = f" ({len(told)} of {len(judged)} limits are broken)" if len(told) > 1 else ""
        return f"{worst.name}: {worst.sentence}{others}"
    first = f"{told[0].name}: {told[0].sentence}"
    open_limits = f"{len(told)} of {_counted(len(judged), 'limit')} {'is' if len(told) == 1 else 'are'} not settled by {size}"
    return f"{open_limits}, and none is broken; the first: {first}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
