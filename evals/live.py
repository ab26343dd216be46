"""A live run: the target, memory and agent it opens, and the trials it measures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.errors import AgentError, MemoryStoreError, ModelError, TargetError
from agent.loop import Agent
from agent.memory import Memory
from agent.model import ChatModel
from agent.prompts import Message, build_messages
from agent.sampling import Sampling, derive_seed
from agent.stacks import Stack
from agent.targets.target import Target
from evals.journal import Journal
from evals.schedule import PlannedTrial
from evals.trials import Trial
from fixtures.data import Preference, load_history, load_preferences

USER_ID = "evals"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was asked for: the options of the command line."""

    target: str
    model: str | None
    embedder: str | None
    stacks: tuple[str, ...]
    tasks: tuple[str, ...]
    epochs: int
    seed: int
    sampling: Sampling = field(default_factory=Sampling)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them."""
        return asdict(self)


@dataclass(slots=True)
class LiveRun:
    """An open run. ``trials`` are those measured so far, in order."""

    settings: Settings
    planned: Sequence[PlannedTrial]
    target: Target
    agent: Agent
    journal: Journal
    trials: list[Trial] = field(default_factory=list)

    def measure(self, planned: PlannedTrial) -> Trial:
        """Run one trial and journal it. An infrastructure fault becomes the trial's ``fault``."""
        seed = derive_seed(self.settings.seed, planned.task.id, planned.epoch)
        sampling = replace(self.settings.sampling, seed=seed)
        try:
            trial = Trial.of(planned, seed, self.agent.run(planned.stack, planned.task.request, USER_ID, sampling))
        except (ModelError, MemoryStoreError) as error:
            attempts = error.attempts if isinstance(error, ModelError) else ()
            trial = Trial.faulted(planned, seed, f"{type(error).__name__}: {error}", attempts)
        self.trials.append(trial)
        self.journal.add(trial)
        return trial

    def of_stack(self, stack: str) -> list[Trial]:
        """The trials of one stack that no fault ended."""
        return [trial for trial in self.trials if trial.stack == stack and trial.fault is None]

    @property
    def missing(self) -> list[PlannedTrial]:
        """The planned trials that have not been run."""
        done = {trial.key for trial in self.trials}
        return [planned for planned in self.planned if planned.key not in done]

    @property
    def faults(self) -> list[Trial]:
        """The trials that an infrastructure fault ended."""
        return [trial for trial in self.trials if trial.fault is not None]

    def to_dict(self) -> dict[str, Any]:
        """Our part of a saved run."""
        return {
            "version": 1,
            "partial": bool(self.missing),
            "missing": [list(planned.key) for planned in self.missing],
            **self.header(),
            "trials": [trial.to_dict() for trial in self.trials],
        }

    def header(self) -> dict[str, Any]:
        """What is known of the run before its first trial."""
        return run_header(self.settings, self.target)


def run_header(settings: Settings, target: Target) -> dict[str, Any]:
    """The settings and the target of a run, as JSON can hold them and without secrets."""
    served = {name: getattr(target, name) for name in ("kind", "base_url", "model", "server", "context_length", "disclaimer")}
    return {"settings": settings.to_dict(), "target": served}


@contextlib.contextmanager
def open_run(
    settings: Settings, planned: Sequence[PlannedTrial], *, memory_folder: Path, journal_folder: Path
) -> Iterator[LiveRun]:
    """Open target, embedder, memory and model, seed memory, warm up, and yield the run.

    Raises:
        AgentError: when anything of that is not there or not fit, saying what to run next.
    """
    from agent.targets.target import open_target, shield_loopback_from_proxies

    shield_loopback_from_proxies()
    with contextlib.ExitStack() as opened:
        target = opened.enter_context(open_target(settings.target, settings.model, embedder=settings.embedder))
        target = _preloaded(target)
        memory = opened.enter_context(_open_memory(target, settings.embedder, memory_folder))
        seed_memory(memory, load_preferences())
        model = opened.enter_context(_open_model(target))
        history = load_history()
        _warm_up(model, target, settings.sampling, planned, history)
        journal = opened.enter_context(contextlib.closing(Journal(journal_folder, run_header(settings, target))))
        yield LiveRun(settings, planned, target, Agent(model, memory, history, read_only=True), journal)


def seed_memory(memory: Memory, preferences: Sequence[Preference]) -> None:
    """Store the preferences and check that all of them, and nothing else, are there.

    Raises:
        MemoryStoreError: when they are not.
    """
    for preference in preferences:
        memory.remember(preference.text, USER_ID)
    stored = memory.preferences(USER_ID)
    if sorted(stored) != sorted(preference.text for preference in preferences):
        raise MemoryStoreError(f"Memory was given {len(preferences)} preferences and holds {len(stored)}: {'; '.join(stored)}")


def longest_messages(planned: Sequence[PlannedTrial], history: Sequence[Message]) -> dict[Stack, tuple[Message, ...]]:
    """For every stack the first messages with the longest request and, where it has memory, all preferences."""
    facts = [preference.text for preference in load_preferences()]
    longest: dict[Stack, PlannedTrial] = {}
    for trial in planned:
        if trial.stack not in longest or len(trial.task.request) > len(longest[trial.stack].task.request):
            longest[trial.stack] = trial
    return {stack: build_messages(stack, trial.task.request, history=history, facts=facts) for stack, trial in longest.items()}


def _preloaded(target: Target) -> Target:
    if target.kind != "ollama":
        return target
    from agent.targets import ollama

    return replace(target, context_length=ollama.preload(ollama.base_url(), target.model))


@contextlib.contextmanager
def _open_memory(target: Target, embedder: str | None, folder: Path) -> Iterator[Memory]:
    from agent.mem0_store import MemorySettings, open_memory
    from agent.targets.target import open_embedder

    with (
        open_embedder(target, embedder) as opened,
        contextlib.closing(open_memory(MemorySettings(folder, embedder=opened))) as memory,
    ):
        yield memory


@contextlib.contextmanager
def _open_model(target: Target) -> Iterator[ChatModel]:
    from agent.model import OpenAIModel

    with OpenAIModel(target.base_url, target.model, api_key=target.api_key) as model:
        yield model


def _warm_up(
    model: ChatModel, target: Target, sampling: Sampling, planned: Sequence[PlannedTrial], history: Sequence[Message]
) -> None:
    """Call the model once per stack with its longest prompt: connections and caches are warm, and the prompt fits or not."""
    for stack, messages in longest_messages(planned, history).items():
        try:
            completion = model.complete(messages, replace(sampling, max_tokens=1))
        except AgentError as error:
            raise TargetError(f"The warm-up of the {stack.name} stack failed: {error}. Next: check the server's own log") from error
        needed = completion.prompt_tokens + sampling.max_tokens
        if target.context_length is not None and needed > target.context_length:
            raise TargetError(_too_short(target, stack, needed))


def _too_short(target: Target, stack: Stack, needed: int) -> str:
    remedy = "set OLLAMA_CONTEXT_LENGTH higher and restart Ollama" if target.kind == "ollama" else "serve it with a longer context"
    return (
        f"{target} has a context of {target.context_length} tokens, and the longest prompt of the {stack.name} stack"
        f" needs {needed} with its answer: a server would silently drop the oldest turns. Next: {remedy}"
    )
