"""The memory evals, which a live run leaves out unless it is asked for them: ``pytest evals/ -m live -k memory``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from agent.errors import ModelError
from evals.measurer import USER_ID
from evals.memory import correction, extraction, injection, isolation, persistence
from evals.memory.retrieval import SIZES, GrowingStore, changed_contexts, look_up, retrieval_table
from evals.memory.writeback import TRACES, write_back_table
from evals.progress import clock_time
from evals.recording import clock, replay
from fixtures import distractors as made_up

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from agent.prompts import Message
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
    replay(benchmark, after.seconds, **after.figures())
    bench.tell(retrieval_table([growing.measured[size] for size in sorted(growing.measured)]))
    changed = changed_contexts(before, after)
    assert not changed, f"{len(changed)} of {len(after.lookups)} contexts differ beside {distractors:,} distractors: {changed[0]}"


def test_memory_isolation(bench: Bench, tasks: tuple[Task, ...], benchmark: BenchmarkFixture) -> None:
    """Nothing that one of two opposite users told is shown to the other one, before and after a correction."""
    bench.say("memory: reading as two users, about 0:30")
    started = time.perf_counter()
    with bench.store() as store:
        seen = isolation.read_as_everybody(store, tasks)
    crossed, blind = isolation.crossings(seen), isolation.blind(seen)
    replay(benchmark, [time.perf_counter() - started], readings=len(seen), crossings=list(map(str, crossed)))
    bench.tell(isolation.isolation_table(seen, crossed))
    assert not crossed, f"{len(crossed)} marks of another user were shown: {crossed[0]}"
    assert not blind, f"{blind[0].path} showed {blind[0].user_id} nothing of their own, so it proves nothing"


def test_memory_correction(
    bench: Bench, preferences: tuple[Preference, ...], tasks: tuple[Task, ...], benchmark: BenchmarkFixture
) -> None:
    """A preference that was taken back is gone from every context that held it, the new one is there, and history tells."""
    (old,) = (preference.text for preference in preferences if preference.id == correction.CORRECTED)
    with bench.taught() as store:
        found = correction.correct(store, old, tasks)
    replay(benchmark, [found.seconds], contexts=len(found.contexts), still_old=found.still_old, without_new=found.without_new)
    bench.tell(correction.correction_table(found))
    assert not found.flaws, "; ".join(found.flaws)


def test_memory_persistence(
    bench: Bench, preferences: tuple[Preference, ...], tasks: tuple[Task, ...], benchmark: BenchmarkFixture
) -> None:
    """A new process finds the preferences and the same contexts; one that comes while the store is open is told of the lock."""
    with bench.folder() as folder:
        with bench.opened(folder) as store:
            store.remember_all([preference.text for preference in preferences], USER_ID)
            contexts = tuple(lookup.facts for lookup in look_up(store, preferences, tasks))
            locked = persistence.read_in_other_process(folder, bench.embedder)
        after = persistence.read_in_other_process(folder, bench.embedder)
    replay(benchmark, [after.seconds], code=after.code, locked=locked.complaint)
    bench.tell(persistence.persistence_table(after, locked))
    assert (after.code, after.preferences, after.contexts) == (0, tuple(sorted(p.text for p in preferences)), contexts)
    assert locked.code == 2
    assert not (missing := [words for words in persistence.WAY_OUT if words not in locked.complaint]), (missing, locked.complaint)


def test_memory_write_back(
    bench: Bench, preferences: tuple[Preference, ...], tasks: tuple[Task, ...], benchmark: BenchmarkFixture
) -> None:
    """The traces of ten tasks displace no preference: every context is what it was before."""
    seconds: list[float] = []
    with bench.taught() as store:
        before = look_up(store, preferences, tasks)
        for task, trace in zip(tasks, made_up.traces(TRACES, 1), strict=False):
            started = time.perf_counter()
            store.write_back(task.request, trace.reply, USER_ID)
            seconds.append(time.perf_counter() - started)
        after = look_up(store, preferences, tasks)
    changed = [old.task for old, new in zip(before, after, strict=True) if old.facts != new.facts]
    replay(benchmark, seconds, changed=changed)
    bench.tell(write_back_table(len(before), changed, seconds))
    assert not changed, f"{len(changed)} of {len(before)} contexts differ after {TRACES} traces, the first that of {changed[0]}"


def test_memory_extraction(
    bench: Bench, history: tuple[Message, ...], preferences: tuple[Preference, ...], benchmark: BenchmarkFixture
) -> None:
    """What Mem0 extracts from the history is recorded; an answer that it cannot use recovers nothing, and is no fault."""
    if reason := extraction.why_not(bench.target):
        pytest.skip(reason)
    bench.say("memory: Mem0 extracts facts from 18 turns, a minute or more")
    started = time.perf_counter()
    try:
        found = extraction.extract(bench, history, preferences)
    except ModelError as error:
        pytest.fail(f"infrastructure fault, not an answer: {error}", pytrace=False)
    replay(benchmark, [time.perf_counter() - started], **found.figures())
    bench.tell(extraction.extraction_table(found))


def test_memory_injection_prompts(bench: Bench, tasks: tuple[Task, ...], benchmark: BenchmarkFixture) -> None:
    """Whatever a memory poses as, the prompt keeps its roles, its headings, its contract and no control token."""
    started = time.perf_counter()
    with bench.store() as store:
        flaws = injection.prompts_of_poisons(store, tasks[0].request)
    replay(benchmark, [time.perf_counter() - started], flaws=flaws)
    bench.tell(injection.prompts_table(flaws))
    flawed = [f"{poison}: {flaw}" for poison, found in flaws.items() for flaw in found]
    assert not flawed, f"{len(flawed)} flaws of {len(flaws)} prompts: {'; '.join(flawed)}"


def test_memory_injection_answers(bench: Bench, tasks: tuple[Task, ...], benchmark: BenchmarkFixture) -> None:
    """With poisoned memory the real prompts keep their structure, and the parser alone decides what a valid answer is."""
    chosen = [task for task in tasks if task.id in injection.TASKS]
    bench.say(f"memory: answering {len(chosen)} tasks twice, with clean and with poisoned memory")
    with bench.taught() as taught, bench.store() as poisoned, bench.model() as model:
        injection.poison(poisoned, USER_ID)
        try:
            before, after = (injection.answer(memory, model, chosen, bench.settings) for memory in (taught, poisoned))
        except ModelError as error:
            pytest.fail(f"infrastructure fault, not an answer: {error}", pytrace=False)
    replay(benchmark, [one.seconds for one in after], verdicts=[one.verdict for one in after])
    bench.tell(injection.answers_table(before, after))
    flawed = [f"{one.task}: {flaw}" for one in [*before, *after] for flaw in one.flaws]
    assert not flawed, f"{len(flawed)} flaws of {len(before) + len(after)} prompts: {'; '.join(flawed)}"
    assert not (misjudged := [line for one in [*before, *after] for line in one.misjudged]), "; ".join(misjudged)
