"""The schedule."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.stacks import DEFAULT_STACKS, STACKS, Stack
from evals.schedule import BOTH_ARMS, PlannedTrial, plan
from fixtures.data import Task

TASKS = [Task(f"t{number}", "py", (), "Write it") for number in range(12)]
NAIVE_AND_OPTIMIZED = [STACKS[name] for name in DEFAULT_STACKS]


def stacks(count: int) -> list[Stack]:
    """As many stacks as asked for."""
    return [Stack(f"s{number}", "none", "none", retries=0) for number in range(count)]


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


@given(size=st.sampled_from([2, 4, 6, 20]), seed=st.integers())
def test_every_stack_follows_every_other_equally_often(size: int, seed: int) -> None:
    """In as many groups as there are stacks, an even number, each stack follows each other one within its group exactly once."""
    tasks = [Task(f"t{number}", "py", (), "Write it") for number in range(size)]
    planned = plan(tasks, stacks(size), 1, seed)
    groups = [planned[start : start + size] for start in range(0, len(planned), size)]
    follows = Counter((before.stack.name, trial.stack.name) for group in groups for before, trial in pairwise(group))
    assert set(follows.values()) == {1}
    assert len(follows) == size * (size - 1)


@given(size=st.sampled_from([3, 5, 7]), seed=st.integers())
def test_an_odd_number_of_stacks_takes_twice_the_groups(size: int, seed: int) -> None:
    """In twice as many groups as there are stacks, an odd number, each stack follows each other one exactly twice."""
    tasks = [Task(f"t{number}", "py", (), "Write it") for number in range(size)]
    planned = plan(tasks, stacks(size), 2, seed)
    groups = [planned[start : start + size] for start in range(0, len(planned), size)]
    follows = Counter((before.stack.name, trial.stack.name) for group in groups for before, trial in pairwise(group))
    assert set(follows.values()) == {2}


@given(tasks=st.integers(1, 12), epochs=st.integers(1, 6), count=st.integers(1, 5), seed=st.integers())
def test_blocked_stacks_take_all_tasks_in_a_row(tasks: int, epochs: int, count: int, seed: int) -> None:
    """In blocked order every stack answers all tasks of an epoch in a row, every combination is there once, and which block goes
    first is balanced up to one.
    """
    planned = plan(TASKS[:tasks], stacks(count), epochs, seed, order="blocked")
    blocks = [planned[start : start + tasks] for start in range(0, len(planned), tasks)]
    assert all(len({(trial.epoch, trial.stack.name) for trial in block}) == 1 for block in blocks)
    assert len({trial.key for trial in planned}) == len(planned) == tasks * epochs * count
    first = Counter(block[0].stack.name for block in blocks[::count])
    times = [first[stack.name] for stack in stacks(count)]
    assert max(times) - min(times) <= 1
    opens = Counter(block[0].task.id for block in blocks[::count])
    assert max(opens.values()) <= -(-epochs // tasks)


def in_turns(tasks: int, count: int, epochs: int, seed: int) -> tuple[PlannedTrial, ...]:
    """An A/B plan."""
    return plan(TASKS[:tasks], stacks(count), epochs, seed, arms=BOTH_ARMS)


@given(tasks=st.integers(1, 12), epochs=st.integers(1, 4), count=st.integers(1, 4), seed=st.integers())
def test_both_arms_run_every_combination_once(tasks: int, epochs: int, count: int, seed: int) -> None:
    """In an A/B plan every (epoch, task, stack) is there once on each arm, and every trial has a name of its own."""
    planned = in_turns(tasks, count, epochs, seed)
    assert set(Counter((trial.key, trial.arm) for trial in planned).values()) == {1}
    assert len({str(trial) for trial in planned}) == len(planned) == 2 * tasks * epochs * count
    assert all(str(trial).endswith("-base") == (trial.arm == "base") for trial in planned)


@given(tasks=st.integers(1, 12), epochs=st.integers(1, 4), count=st.integers(1, 4), seed=st.integers())
def test_each_arm_goes_first_equally_often(tasks: int, epochs: int, count: int, seed: int) -> None:
    """How often the arms go first in the pairs of a stack differs by at most one, for every stack."""
    first: dict[tuple[object, ...], str] = {}
    for trial in in_turns(tasks, count, epochs, seed):
        first.setdefault(trial.key, trial.arm)
    for stack in stacks(count):
        times = Counter(arm for key, arm in first.items() if key[2] == stack.name)
        assert abs(times["base"] - times["head"]) <= 1


@given(tasks=st.integers(1, 12), epochs=st.integers(1, 4), count=st.integers(2, 4), seed=st.integers())
def test_no_stack_follows_itself(tasks: int, epochs: int, count: int, seed: int) -> None:
    """With several stacks no trial of an A/B plan finds the cache as a trial of its own stack left it."""
    planned = in_turns(tasks, count, epochs, seed)
    assert all(before.stack != trial.stack for before, trial in pairwise(planned))


@given(tasks=st.integers(2, 12), epochs=st.integers(1, 4), seed=st.integers())
def test_no_prompt_of_a_single_stack_follows_itself(tasks: int, epochs: int, seed: int) -> None:
    """With one stack and several tasks no task follows itself within an epoch, since its prompt would be cached as a whole."""
    planned = in_turns(tasks, 1, epochs, seed)
    assert not any(before.key == trial.key for before, trial in pairwise(planned))


@given(tasks=st.integers(1, 12), epochs=st.integers(1, 4), count=st.integers(2, 4), seed=st.integers())
def test_both_trials_of_a_pair_follow_the_same(tasks: int, epochs: int, count: int, seed: int) -> None:
    """Both trials of a pair follow the same stack, and both on their own arm or both on the other one, but for the very first pair
    and one in the middle of every epoch.
    """
    found: dict[object, set[object]] = {}
    for before, trial in pairwise(in_turns(tasks, count, epochs, seed)):
        found.setdefault(trial.key, set()).add((before.stack.name, before.arm == trial.arm))
    assert sum(len(followed) > 1 for followed in found.values()) <= epochs


def test_the_order_of_arms_follows_from_the_seed() -> None:
    """Equal seeds give equal A/B orders, and both arms and both stacks may begin."""
    orders = {seed: plan(TASKS, NAIVE_AND_OPTIMIZED, 2, seed, arms=BOTH_ARMS) for seed in range(20)}
    assert all(plan(TASKS, NAIVE_AND_OPTIMIZED, 2, seed, arms=BOTH_ARMS) == order for seed, order in orders.items())
    assert {(order[0].arm, order[0].stack.name) for order in orders.values()} == {
        (arm, stack.name) for arm in BOTH_ARMS for stack in NAIVE_AND_OPTIMIZED
    }
