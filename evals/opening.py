"""Opening a live run: target, memory and model, seeded and warmed up, or one error that says what is missing."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import MemoryStoreError, SettingsError
from agent.loop import Agent
from agent.memory import MOST_FACTS, Memory
from agent.model import OpenAIModel, Timeouts
from agent.prompts import Message, build_messages
from agent.stacks import STACKS, Stack
from agent.targets.embedder import Embedder
from agent.targets.target import Target, open_embedder, open_target, shield_loopback_from_proxies
from evals.fingerprint import Inputs, fingerprint
from evals.journal import Journal, Journalled, new_run_id
from evals.live import USER_ID, LiveRun
from evals.messages import MessageStore
from evals.observer import ObservedModel
from evals.run import Header, ServedTarget
from evals.schedule import PlannedTrial
from evals.served import describe
from evals.settings import Settings
from evals.truncation import TruncationWatch, check_context, remedy
from fixtures.data import Preference, load_history, load_preferences


@contextlib.contextmanager
def open_run(
    settings: Settings,
    planned: Sequence[PlannedTrial],
    *,
    journals: Path,
    resumed: Path | None = None,
) -> Iterator[tuple[LiveRun, Target]]:
    """Open target, embedder, memory and model, seed memory, warm up, and yield the run with its target: a new one
    with a journal in the folder ``journals``, or the one whose journal is ``resumed``.

    Raises:
        AgentError: when anything of that is not there or not fit, saying what to run next.
    """
    shield_loopback_from_proxies()
    with contextlib.ExitStack() as opened:
        journal, before = _resumed_journal(resumed, opened)
        target = opened.enter_context(open_target(settings.target, settings.model, embedder=settings.embedder))
        served = describe(target)
        target = replace(target, context_length=served.context_length)
        memory, embedder = _memory(target, settings, opened)
        timeouts = Timeouts(read=settings.deadline, deadline=settings.deadline)
        model = opened.enter_context(OpenAIModel(target.base_url, target.model, api_key=target.api_key, timeouts=timeouts))
        header = Header(
            run=before.header.run if before else new_run_id(),
            settings=settings,
            target=ServedTarget.of(target),
            fingerprint=fingerprint(target, served, embedder, _inputs(settings, planned)),
        )
        if before is not None:
            _refuse_other_run(before.header, header)
        history = load_history()
        check_context(model, target, served, settings.sampling, longest_messages(planned, history))
        if journal is None:
            journal = opened.enter_context(contextlib.closing(Journal.create(journals, header.run, header)))
        observed = ObservedModel(model, TruncationWatch(served.context_length, remedy(target, served)))
        agent = Agent(observed, memory, history, read_only=True)
        store = MessageStore(dict(before.messages) if before else {})
        run = LiveRun(header, planned, agent, observed, journal, store)
        if before is not None:
            run.take_over(before.trials)
        yield run, target


def seed_memory(memory: Memory, preferences: Sequence[Preference]) -> None:
    """Store the preferences and check that all of them, and nothing else, are there.

    Raises:
        MemoryStoreError: when they are not, or when there are so few that retrieval would have nothing to choose.
    """
    if len(preferences) <= MOST_FACTS:
        raise MemoryStoreError(f"Only {len(preferences)} preferences for {MOST_FACTS} places in a prompt: retrieval cannot choose.")
    for preference in preferences:
        memory.remember(preference.text, USER_ID)
    stored = memory.preferences(USER_ID)
    if sorted(stored) != sorted(preference.text for preference in preferences):
        raise MemoryStoreError(f"Memory was given {len(preferences)} preferences and holds {len(stored)}: {'; '.join(stored)}")


def longest_messages(planned: Sequence[PlannedTrial], history: Sequence[Message]) -> Mapping[Stack, tuple[Message, ...]]:
    """For every stack the first messages with the longest request and, where it has memory, all preferences."""
    facts = [preference.text for preference in load_preferences()]
    longest: dict[Stack, PlannedTrial] = {}
    for trial in planned:
        if trial.stack not in longest or len(trial.task.request) > len(longest[trial.stack].task.request):
            longest[trial.stack] = trial
    return {stack: build_messages(stack, trial.task.request, history=history, facts=facts) for stack, trial in longest.items()}


def _resumed_journal(file: Path | None, opened: contextlib.ExitStack) -> tuple[Journal | None, Journalled | None]:
    if file is None:
        return None, None
    journal, before = Journal.resume(file)
    opened.enter_context(contextlib.closing(journal))
    if before.finished:
        raise SettingsError(f"The run {before.header.run} was completed and saved in the meantime.")
    return journal, before


def _memory(target: Target, settings: Settings, opened: contextlib.ExitStack) -> tuple[Memory | None, Embedder | None]:
    """Memory with its preferences, where a stack asks it."""
    if all(STACKS[name].context != "memory" for name in settings.stacks):
        return None, None
    from agent.mem0_store import MemorySettings, open_memory

    folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="evals-memory-", ignore_cleanup_errors=True))
    embedder = opened.enter_context(open_embedder(target, settings.embedder))
    memory_settings = MemorySettings(Path(folder), embedder=embedder, embedding_seconds=min(60.0, settings.deadline))
    memory = opened.enter_context(contextlib.closing(open_memory(memory_settings)))
    seed_memory(memory, load_preferences())
    return memory, embedder


def _inputs(settings: Settings, planned: Sequence[PlannedTrial]) -> Inputs:
    return Inputs(
        stacks=tuple(dict.fromkeys(trial.stack for trial in planned)),
        tasks=tuple(dict.fromkeys(trial.task for trial in planned)),
        history=load_history(),
        preferences=load_preferences(),
        sampling=settings.sampling,
        seed=settings.seed,
    )


def _refuse_other_run(before: Header, now: Header) -> None:
    # A commit alone changes nothing; what may change with it is in the fingerprint, the code's hash included.
    different = [
        difference
        for difference in before.fingerprint.differences(now.fingerprint)
        if not difference.startswith(("provenance.commit:", "provenance.dirty:"))
    ]
    if different:
        raise SettingsError(
            f"The run {before.run} cannot go on, since its fingerprint changed: {'; '.join(different)}."
            " Next: bring that back, or begin a new run without --resume"
        )
