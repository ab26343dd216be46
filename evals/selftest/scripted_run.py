"""Live runs inside the test's process, against a scripted server, without pytest and, unless a test gives one, without memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.loop import Agent
from agent.memory import Memory
from agent.model import OpenAIModel, Timeouts
from agent.stacks import STACKS
from evals.journal import Journal
from evals.live import LiveRun
from evals.measurer import AgentMeasurer
from evals.observer import ObservedModel
from evals.schedule import PlannedTrial, Regime, plan
from evals.selftest.factories import header, settings
from evals.truncation import TruncationWatch
from fixtures.data import Task, load_history

TASKS = tuple(Task(f"t{number}", "py", (), f"Write program number {number}") for number in range(1, 6))
HASTY = Timeouts(connect=2.0, read=0.4, deadline=1.0)


def planned_trials(tasks: int = 3, *, stack: str = "naive", regimes: Sequence[Regime] = ("warm",)) -> tuple[PlannedTrial, ...]:
    """One epoch of so many tasks with one stack."""
    return plan(TASKS[:tasks], [STACKS[stack]], 1, 0, regimes)


@contextlib.contextmanager
def scripted_run(
    url: str,
    folder: Path,
    planned: Sequence[PlannedTrial],
    *,
    timeouts: Timeouts = HASTY,
    context_length: int | None = None,
    pauses: tuple[float, ...] = (0.0, 0.0),
    memory: Memory | None = None,
) -> Iterator[LiveRun]:
    """A run on the server at ``url``, whose journal stands in ``folder``."""
    regimes = tuple(dict.fromkeys(trial.regime for trial in planned))
    stacks = tuple(dict.fromkeys(trial.stack.name for trial in planned))
    asked = settings(*dict.fromkeys(trial.task.id for trial in planned), stacks=stacks, regimes=regimes)
    head = header(asked)
    with (
        OpenAIModel(f"{url}/v1", "scripted", timeouts=timeouts) as model,
        contextlib.closing(Journal.create(folder, head.run, head)) as journal,
    ):
        observed = ObservedModel(model, TruncationWatch(context_length, "Next: serve it with a longer context"))
        agent = Agent(observed, memory, load_history(), read_only=True)
        yield LiveRun(head, planned, AgentMeasurer(asked, dict.fromkeys(stacks, agent), observed, pauses=pauses), journal)
