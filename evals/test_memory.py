"""The memory evals: run with ``pytest evals/ -m live -k memory``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from evals.memory.retrieval import SIZES, GrowingStore, changed_contexts, retrieval_table
from evals.progress import clock_time
from evals.recording import clock, replay

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from evals.memory.bench import Bench
    from fixtures.data import Preference, Task

pytestmark = [pytest.mark.live, pytest.mark.memory, pytest.mark.benchmark(timer=clock)]


@pytest.fixture(scope="module")
def growing(bench: Bench, preferences: tuple[Preference, ...], tasks: tuple[Task, ...]) -> Iterator[GrowingStore]:
    """A store with the six preferences, to which distractors are added from size to size."""
    with bench.taught() as store:
        yield GrowingStore(store, preferences, tasks)


@pytest.mark.parametrize("distractors", SIZES)
def test_memory_retrieval(distractors: int, growing: GrowingStore, bench: Bench, benchmark: BenchmarkFixture) -> None:
    """Distractors of other kinds and users change no context, so recall does not fall; recall and time are recorded."""
    before = growing.at(0)
    if distractors > growing.distractors:
        left = clock_time(growing.expected(distractors))
        bench.say(f"memory: storing {distractors - growing.distractors:,} more memories, about {left}")
    after = growing.at(distractors)
    replay(benchmark, [lookup.seconds for lookup in after.lookups], **after.figures())
    bench.tell(retrieval_table([growing.measured[size] for size in sorted(growing.measured)]))
    changed = changed_contexts(before, after)
    assert not changed, f"{len(changed)} of {len(after.lookups)} contexts differ beside {distractors:,} distractors: {changed[0]}"
