"""The funnel of the preferences as people read it."""

from __future__ import annotations

from collections.abc import Iterable

from agent.printable import one_line
from evals.funnel import Funnel, Violation, funnels, obeyed_share, violations
from evals.grid import Block, Grid
from evals.run import Run
from evals.schedule import Regime, Series

MOST_STACKS = 2
"""Of more stacks nothing is told: their shares stand in the table of stacks."""

_COLUMNS = ("asked for in n answers", "n", "stored", "retrieved at 5", "in prompt", "applicable", "obeyed")


def funnel_blocks(run: Run, regime: Regime) -> list[Block]:
    """Whether the code obeys, in one regime: a sentence, the funnel of every stack, and one violation of each preference."""
    if len(run.settings.stacks) > MOST_STACKS:
        return []
    series = [Series(stack, regime) for stack in run.settings.stacks]
    found = {one: funnels(run, one) for one in series}
    if not any(funnel.applicable for rows in found.values() for funnel in rows):
        return []
    tables = [block for one, rows in found.items() for block in ("", _table(one, rows))]
    return [*_sentence(run, series), *tables, *_examples(violation for one in series for violation in violations(run, one))]


def _sentence(run: Run, series: list[Series]) -> list[str]:
    shares = {one: obeyed_share(run, one) for one in series}
    told = (f"{one} {share}" for one, share in shares.items() if share is not None)
    tasks = max((share.tasks for share in shares.values() if share is not None), default=0)
    return [f"preferences obeyed where valid code could: {', '.join(told)} over {tasks} task{'' if tasks == 1 else 's'}"]


def _table(series: Series, rows: list[Funnel]) -> Grid:
    cells = tuple((row.preference, *map(_number, _stages(row))) for row in rows)
    return Grid((f"{series}, {_COLUMNS[0]}", *_COLUMNS[1:]), cells)


def _stages(row: Funnel) -> tuple[int | None, ...]:
    return row.trials, row.stored, row.retrieved, row.in_prompt, row.applicable, row.obeyed


def _number(count: int | None) -> str:
    return "-" if count is None else str(count)


def _examples(found: Iterable[Violation]) -> list[str]:
    """The first violation of each preference, and of how many."""
    by_preference: dict[str, list[Violation]] = {}
    for violation in found:
        by_preference.setdefault(violation.preference, []).append(violation)
    if not by_preference:
        return []
    shown = (f"{told[0]}{f' and {len(told) - 1} more' if len(told) > 1 else ''}" for told in by_preference.values())
    return ["", *map(one_line, shown)]
