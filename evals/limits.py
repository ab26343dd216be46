"""Floors under the share of valid answers, from ``limits.toml``, and their judgement."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.errors import SettingsError
from evals.stats import Share, share_of

LIMITS_FILE = Path(__file__).with_name("limits.toml")

_MOST_TASKS = 2_000


@dataclass(frozen=True, slots=True)
class Floor:
    """The least share of valid answers that a stack must show, on one kind of target or on all (``None``)."""

    stack: str
    share: float
    reason: str
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the sentence that explains it."""

    verdict: Literal["PASS", "FAIL", "INCONCLUSIVE"]
    sentence: str


def load_floors(file: Path = LIMITS_FILE) -> tuple[Floor, ...]:
    """The floors in ``file``.

    Raises:
        SettingsError: when the file cannot be read or a floor is not one.
    """
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8")).get("floor", [])
        return tuple(_floor(entry) for entry in entries)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error


def floor_for(floors: tuple[Floor, ...], stack: str, target: str) -> Floor | None:
    """The floor under ``stack`` on a kind of target: the target's own before the one for all; ``None`` without one."""
    fitting = [floor for floor in floors if floor.stack == stack and floor.target in (target, None)]
    return max(fitting, key=lambda floor: floor.target is not None, default=None)


def judge(share: Share, floor: Floor) -> Judgement:
    """PASS when the interval lies above the floor, FAIL when it lies below, otherwise INCONCLUSIVE with what would settle it."""
    measured = f"{share.value:.0%} valid [{share.low:.0%}, {share.high:.0%}] over {share.tasks} tasks"
    against = f"the floor of {floor.share:.0%} for {floor.stack} ({floor.reason})"
    if share.low > floor.share:
        return Judgement("PASS", f"PASS: {measured} lies above {against}")
    if share.high < floor.share:
        return Judgement("FAIL", f"FAIL: {measured} lies below {against}")
    return Judgement("INCONCLUSIVE", f"INCONCLUSIVE: {measured} does not clear {against}; {_what_settles(share, floor)}")


def _what_settles(share: Share, floor: Floor) -> str:
    """How many tasks with the same share of valid answers would leave the floor outside the interval."""
    for tasks in range(share.tasks + 1, _MOST_TASKS + 1):
        value = round(share.value * tasks) / tasks if share.epochs == 1 else share.value
        larger = share_of(value, tasks, share.epochs)
        if larger.low > floor.share or larger.high < floor.share:
            return f"if the share stayed the same, {tasks} tasks would settle it"
    return f"the share lies so close to the floor that {_MOST_TASKS:,} tasks would not settle it"


def _floor(entry: dict[str, Any]) -> Floor:
    floor = Floor(**entry)
    if not (isinstance(floor.share, float) and 0 < floor.share < 1 and floor.reason):
        raise ValueError(f"a floor has a stack, a reason and a share between 0 and 1; this is {entry}")
    return floor
