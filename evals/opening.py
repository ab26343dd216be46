"""Opening a live run: its place, its agent and its journal, warmed up, or one error that says what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import SettingsError, TargetError
from agent.stacks import STACKS
from agent.targets.target import Target, open_embedder, open_target, shield_loopback_from_proxies
from evals.cutoff import left_out
from evals.journal import Journal, Journalled, new_run_id
from evals.live import LiveRun
from evals.run import Header, ServedTarget
from evals.schedule import PlannedTrial, choose_tasks
from evals.served import Served, describe
from evals.settings import Settings
from evals.stores import Tell, silent
from evals.studies import STUDIES
from evals.subject import Place, longest_messages, open_model, open_subject, stacks_of


@contextlib.contextmanager
def open_run(
    settings: Settings,
    planned: Sequence[PlannedTrial],
    *,
    journals: Path,
    resumed: Path | None = None,
    tell: Tell = silent,
) -> Iterator[tuple[LiveRun, Target]]:
    """Open target, embedder, memory and model, seed memory, warm up, and yield the run with its target: a new one
    with a journal in the folder ``journals``, or the one whose journal is ``resumed``. ``tell`` takes lines on what takes long.

    A study that ends with the server's context is opened without the stacks that do not fit; the run's header says which and why.

    Raises:
        AgentError: when anything of that is not there or not fit, saying what to run next.
    """
    shield_loopback_from_proxies()
    with contextlib.ExitStack() as opened:
        journal, before = _resumed_journal(resumed, opened)
        place = opened.enter_context(open_place(settings))
        settings, left = _fitting(settings, place) if before is None else (settings, before.header.left_out)
        subject = opened.enter_context(open_subject(settings, place, tell))
        header = Header(
            run=before.header.run if before else new_run_id(),
            settings=settings,
            target=ServedTarget.of(place.target),
            fingerprint=subject.fingerprint,
            left_out=left,
            seeding=subject.seeding,
        )
        if before is not None:
            _refuse_other_run(before.header, header)
        subject.check_context()
        if journal is None:
            journal = opened.enter_context(contextlib.closing(Journal.create(journals, header.run, header)))
        messages = dict(before.messages) if before else {}
        run = LiveRun(
            header, [trial for trial in planned if trial.stack.name not in left], subject.measurer(messages), journal, messages
        )
        if before is not None:
            run.take_over(before.trials)
        yield run, place.target


@contextlib.contextmanager
def open_place(settings: Settings) -> Iterator[Place]:
    """Open the target and, where a stack asks memory, the embedder.

    Raises:
        TargetError: when one of them is not there.
    """
    with contextlib.ExitStack() as opened:
        target, served = opened.enter_context(open_served(settings.target, settings.model, settings))
        embedder = opened.enter_context(open_embedder(target, settings.embedder)) if asks_memory(settings) else None
        yield Place(target, served, embedder)


@contextlib.contextmanager
def open_served(choice: str, model: str | None, settings: Settings) -> Iterator[tuple[Target, Served]]:
    """Open a target, and ask its server what it serves: the target then has the context length that the server tells.

    Raises:
        TargetError: when it is not there.
    """
    with open_target(choice, model, embedder=settings.embedder) as target:
        served = describe(target)
        yield replace(target, context_length=served.context_length), served


def asks_memory(settings: Settings) -> bool:
    """Whether a stack of the run asks memory."""
    return any(STACKS[name].asks_memory for name in settings.stacks)


def _fitting(settings: Settings, place: Place) -> tuple[Settings, Mapping[str, str]]:
    """The settings without the stacks that do not fit into the server's context, where their study ends there, and why each of
    those does not.

    Raises:
        TargetError: when none fits.
    """
    if settings.study is None or not STUDIES[settings.study].ends_with_context:
        return settings, {}
    with open_model(settings, place.target) as model:
        longest = longest_messages(stacks_of(settings), choose_tasks(settings.tasks))
        left = left_out(model, place.target, place.served, settings.sampling, longest)
    fitting = tuple(stack for stack in settings.stacks if stack not in left)
    if not fitting:
        stack, reason = next(iter(left.items()))
        raise TargetError(f"No stack of --{settings.study} fits into the context of {place.target}. {stack}: {reason}")
    return replace(settings, stacks=fitting), left


def _resumed_journal(file: Path | None, opened: contextlib.ExitStack) -> tuple[Journal | None, Journalled | None]:
    if file is None:
        return None, None
    journal, before = Journal.resume(file)
    opened.enter_context(contextlib.closing(journal))
    if before.finished:
        raise SettingsError(f"The run {before.header.run} was completed and saved in the meantime.")
    return journal, before


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
