"""What a planned run can show and what it costs, said before it is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from agent.stacks import STACKS
from evals.changes import TIME_LEVEL
from evals.gate import CHOSEN_LEVEL
from evals.limits import Floor, Limit, Limits
from evals.paired import loss_p, upper_share
from evals.power import excludable_loss, flips_to_fail, tasks_to_exclude
from evals.run import Run
from evals.schedule import Series
from evals.settings import Settings
from evals.stats import share_of

_MOST_SERIES = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that is not yet made: its settings, the limits that it will be judged by, and the kind of its target."""

    settings: Settings
    limits: Limits
    kind: str

    @property
    def tasks(self) -> int:
        """How many tasks it has."""
        return len(self.settings.tasks)

    @property
    def tests(self) -> int:
        """How many tests its verdict rests on when it is compared with a run of another session."""
        judged = [limit for _, limit in self.changes if not limit.is_time and limit.metric != "prompt tokens"]
        return len(judged) + len(self.floors)

    @property
    def changes(self) -> list[tuple[Series, Limit]]:
        """The limits of every series."""
        return [(series, limit) for series in self.settings.series for limit in self.limits.of_series(series, self.kind)]

    @property
    def floors(self) -> list[tuple[Series, Floor]]:
        """The floors under every series."""
        found = ((series, self.limits.floor(series.stack, self.kind)) for series in self.settings.series)
        return [(series, floor) for series, floor in found if floor is not None]


def plan_lines(plan: Plan, before: Run | None) -> list[str]:
    """What the gate can and cannot show with this plan, and what it costs, going by the run ``before`` where there is one."""
    settings = plan.settings
    size = f"{_counted(plan.tasks, 'task')} x {_counted(settings.epochs, 'epoch')}"
    smallest = 100 * excludable_loss(plan.tasks)
    return [
        f"{size}, {_series(settings)}, target {plan.kind}",
        "",
        f"with {size} the smallest loss that can be excluded is {smallest:.0f} points, when not one task is lost",
        *dict.fromkeys(line for _, limit in plan.changes for line in _limit_lines(plan, limit)),
        *dict.fromkeys(_floor_line(plan, series, floor) for series, floor in plan.floors),
        "",
        *_cost_lines(settings, before),
    ]


def _series(settings: Settings) -> str:
    series = settings.series
    return ", ".join(map(str, series)) if len(series) <= _MOST_SERIES else f"{len(series)} stacks and regimes"


def _limit_lines(plan: Plan, limit: Limit) -> Iterator[str]:
    scope = "" if limit.stack is None else f" ({limit.stack})"
    if limit.is_time:
        needed = flips_to_fail(TIME_LEVEL)
        enough = "" if plan.tasks >= needed else f", and takes {needed} tasks at least, so this cannot settle it"
        yield f"{limit.metric}{scope}, at most {limit} more: judged only within one session (--ab, --ab-model){enough}"
    elif limit.unit == "percent":
        yield f"{limit.metric}{scope}, at most {limit} more: compared exactly, so any number of tasks settles it"
    else:
        yield f"{limit.metric}{scope}, at most {limit} less: {_pass_text(plan, limit)}; {_fail_text(plan, limit)}"


def _pass_text(plan: Plan, limit: Limit) -> str:
    needed = tasks_to_exclude(limit.share)
    if needed is None:
        return "PASS: never with a margin of 0"
    if plan.tasks < needed:
        return f"PASS: cannot be shown, to exclude {limit} you need {needed} tasks without a loss"
    lost = _losses_allowed(plan.tasks, limit)
    return f"PASS: at most {lost} more tasks lost than gained"


def _losses_allowed(tasks: int, limit: Limit) -> int:
    return max(lost for lost in range(tasks + 1) if lost == 0 or upper_share(lost, tasks) <= limit.share)


def _fail_text(plan: Plan, limit: Limit) -> str:
    level = CHOSEN_LEVEL / max(1, plan.tests)
    fails = (lost for lost in range(1, plan.tasks + 1) if _loss_p(plan.tasks, lost, limit) <= level)
    if (needed := next(fails, None)) is None:
        return "FAIL: cannot be shown, even when every task is lost"
    return f"FAIL: from {_counted(needed, 'task')} lost on, and none gained"


def _loss_p(tasks: int, lost: int, limit: Limit) -> float:
    return loss_p([1] * lost + [0] * (tasks - lost), 1, limit.share)


def _floor_line(plan: Plan, series: Series, floor: Floor) -> str:
    shares = [valid / plan.tasks for valid in range(plan.tasks + 1)]
    above = [share for share in shares if share_of(share, plan.tasks, plan.settings.epochs).low > floor.share]
    below = [share for share in shares if share_of(share, plan.tasks, plan.settings.epochs).high < floor.share]
    passes = f"passes from {above[0]:.0%} valid on" if above else "cannot PASS"
    fails = f"fails up to {below[-1]:.0%}" if below else "cannot FAIL"
    return f"floor of {floor.share:.0%} under {series.stack}: {passes}, {fails}"


def _cost_lines(settings: Settings, before: Run | None) -> list[str]:
    rounds = len(settings.tasks) * settings.epochs * len(settings.regimes)
    least = rounds * len(settings.stacks)
    most = sum(rounds * (1 + STACKS[stack].retries) for stack in settings.stacks)
    calls = f"{least:,} model calls" if least == most else f"{least:,} to {most:,} model calls, by how many answers are corrected"
    if before is None:
        return [calls, "how long they take is not known: no run is saved yet"]
    seconds = [_seconds_a_trial(before, stack) for stack in settings.stacks]
    if any(value is None for value in seconds):
        return [calls, f"how long they take is not known: the run {before.header.run} has not measured all these stacks"]
    minutes = rounds * sum(value for value in seconds if value is not None) / 60
    return [calls, f"about {_duration(minutes)} at the pace of run {before.header.run} ({before.header.target})"]


def _seconds_a_trial(run: Run, stack: str) -> float | None:
    """The mean over the trials of a stack, look-ups in memory included."""
    trials = [trial for trial in run.trials if trial.stack == stack and trial.fault is None]
    return fmean(trial.latency + (trial.retrieval_seconds or 0.0) for trial in trials) if trials else None


def _duration(minutes: float) -> str:
    return f"{60 * minutes:.0f} seconds" if minutes < 2 else f"{minutes:.0f} minutes"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
