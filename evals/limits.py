"""The limits that runs are judged by, read from ``limits.toml``: floors under one run, and margins for the change between two."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from agent.errors import SettingsError
from agent.stacks import STACKS
from agent.targets.target import Kind
from evals.schedule import Series

LIMITS_FILE = Path(__file__).with_name("limits.toml")
TARGETS: tuple[str, ...] = get_args(Kind)

JudgedMetric = Literal["schema-valid", "valid at first try", "code parses", "obeyed", "prompt tokens", "ttft", "latency"]
"""What a margin can be set for: shares of answers after the retry (schema-valid, code that parses, and such code that violates no
preference of its task) and at the first try, prompt tokens of first attempts, and two times."""

_UNITS = {
    "schema-valid": "points",
    "valid at first try": "points",
    "code parses": "points",
    "obeyed": "points",
    "prompt tokens": "percent",
    "ttft": "percent",
    "latency": "percent",
}
_DIRECTIONS = {"points": "fall", "percent": "rise"}
_MOST_OF_UNIT = {"points": 100, "percent": 1000}


@dataclass(frozen=True, slots=True)
class Floor:
    """The least share of valid answers that a stack must show, on one kind of target or on all (``None``)."""

    stack: str
    share: float
    reason: str
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a metric may change for the worse between two runs.

    ``margin`` is in ``unit``: points of a share (``points``) or percent of BASE's value (``percent``); ``direction`` is the way
    that is worse. It holds for one stack and one kind of target, or for all (``None``).
    """

    metric: JudgedMetric
    direction: Literal["fall", "rise"]
    margin: float
    unit: Literal["points", "percent"]
    reason: str
    stack: str | None = None
    target: str | None = None

    @property
    def share(self) -> Fraction:
        """The margin as an exact share."""
        return Fraction(str(self.margin)) / 100

    @property
    def is_time(self) -> bool:
        """Whether it is about a time."""
        return self.metric in ("ttft", "latency")

    def __str__(self) -> str:
        return f"{self.margin:g} points" if self.unit == "points" else f"{self.margin:g} %"


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a file."""

    floors: tuple[Floor, ...] = ()
    changes: tuple[Limit, ...] = ()

    def floor(self, stack: str, target: str) -> Floor | None:
        """The floor under a stack on a kind of target: the target's own before the one for all; ``None`` without one."""
        return _most_special(floor for floor in self.floors if floor.stack == stack and floor.target in (target, None))

    def of_series(self, series: Series, target: str) -> list[Limit]:
        """The limits of one series, one for each metric that has one: a target's own and then a stack's own before the others."""
        fitting = [limit for limit in self.changes if limit.stack in (series.stack, None) and limit.target in (target, None)]
        chosen = (_most_special(limit for limit in fitting if limit.metric == metric) for metric in get_args(JudgedMetric))
        return [limit for limit in chosen if limit is not None]


def load_limits(file: Path = LIMITS_FILE) -> Limits:
    """The limits in ``file``.

    Raises:
        SettingsError: when the file cannot be read, or holds anything but floors and limits, each complete and given once.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        if unknown := set(tables) - {"floor", "limit"}:
            raise ValueError(f"it has only [[floor]] and [[limit]] tables, and this has {', '.join(sorted(unknown))}")
        floors = tuple(map(_floor, tables.get("floor", [])))
        changes = tuple(map(_limit, tables.get("limit", [])))
        if len({(floor.stack, floor.target) for floor in floors}) < len(floors):
            raise ValueError("two floors are for the same stack and target")
        if len({(limit.metric, limit.stack, limit.target) for limit in changes}) < len(changes):
            raise ValueError("two limits are for the same metric, stack and target")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    return Limits(floors, changes)


_Scoped = TypeVar("_Scoped", Floor, Limit)


def _most_special(fitting: Iterable[_Scoped]) -> _Scoped | None:
    return max(fitting, key=lambda one: (one.target is not None, one.stack is not None), default=None)


def _floor(entry: dict[str, Any]) -> Floor:
    floor = Floor(**entry)
    if not (isinstance(floor.share, float) and 0 < floor.share < 1 and floor.reason):
        raise ValueError(f"a floor has a stack, a reason and a share between 0 and 1; this is {entry}")
    _check_scope(floor.stack, floor.target)
    return floor


def _limit(entry: dict[str, Any]) -> Limit:
    needed = {"metric", "direction", "margin", "unit", "reason"}
    allowed = {field.name for field in fields(Limit)}
    if not needed <= set(entry) <= allowed:
        raise ValueError(f"a limit has {', '.join(sorted(needed))}, and may have stack and target; this is {entry}")
    limit = Limit(**entry)
    if limit.metric not in _UNITS:
        raise ValueError(f"there is no metric {limit.metric!r}; there are {', '.join(_UNITS)}")
    unit = _UNITS[limit.metric]
    if (limit.unit, limit.direction) != (unit, _DIRECTIONS[unit]):
        raise ValueError(f"the unit of {limit.metric} is {unit!r} and its direction {_DIRECTIONS[unit]!r}; this is {entry}")
    if not _is_margin(limit.margin, _MOST_OF_UNIT[unit]) or not limit.reason:
        raise ValueError(
            f"a limit has a reason and a margin from 0 to below {_MOST_OF_UNIT[unit]} {unit} in steps of 0.1; this is {entry}"
        )
    _check_scope(limit.stack, limit.target)
    return limit


def _is_margin(margin: Any, most: int) -> bool:
    return type(margin) in (int, float) and 0 <= margin < most and (Fraction(str(margin)) * 10).denominator == 1


def _check_scope(stack: str | None, target: str | None) -> None:
    if stack not in (None, *STACKS):
        raise ValueError(f"there is no stack {stack!r}; there are {', '.join(STACKS)}")
    if target not in (None, *TARGETS):
        raise ValueError(f"there is no kind of target {target!r}; there are {', '.join(TARGETS)}")
