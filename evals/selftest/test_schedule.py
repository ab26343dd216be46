"""The schedule."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from agent.stacks import STACKS, Stack
from evals.schedule import plan
from fixtures.data import Task

TASKS = [Task(f"t{number}", "py", (), "Write it") for number in range(12)]
NAIVE_AND_OPTIMIZED = list(STACKS.values())


def stacks(count: int) -> list[Stack]:
    """As many stacks as asked for."""
    return [Stack(f"s{number}", "none", contract=False, retries=0) for number in range(count)]


@given(tasks=st.integers(1, 12), epochs=st.integers(1, 4), count=st.integers(1, 4), seed=st.integers())
def test_every_combination_is_planned_once(tasks: int, epochs: int, count: int, seed: int) -> None:
    """A plan holds every (epoch, task, stack) exactly once."""
    keys = Counter(trial.key for trial in plan(TASKS[:tasks], stacks(count), epochs, seed))
    assert set(keys.values()) == {1}
    assert len(keys) == tasks * epochs * count


@given(epochs=st.integers(1, 4), count=st.integers(1, 4), seed=st.integers())
def test_stacks_of_one_task_follow_each_other(epochs: int, count: int, seed: int) -> None:
    """All stacks answer a task before the next task begins."""
    planned = plan(TASKS, stacks(count), epochs, seed)
    for start in range(0, len(planned), count):
        group = planned[start : start + count]
        assert len({(trial.epoch, trial.task.id) for trial in group}) == 1
        assert len({trial.stack.name for trial in group}) == count


@given(tasks=st.integers(1, 12), epochs=st.integers(1, 4), count=st.integers(2, 4), seed=st.integers())
def test_every_stack_goes_first_equally_often(tasks: int, epochs: int, count: int, seed: int) -> None:
    """How often the stacks go first differs by at most one."""
    first = Counter(trial.stack.name for trial in plan(TASKS[:tasks], stacks(count), epochs, seed)[::count])
    times = [first[stack.name] for stack in stacks(count)]
    assert max(times) - min(times) <= 1


def test_the_order_follows_from_the_seed() -> None:
    """Equal seeds give equal orders, and other seeds give others."""
    orders = {seed: plan(TASKS, NAIVE_AND_OPTIMIZED, 3, seed) for seed in range(5)}
    assert all(plan(TASKS, NAIVE_AND_OPTIMIZED, 3, seed) == order for seed, order in orders.items())
    assert len(set(orders.values())) == len(orders)
