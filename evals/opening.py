"""Opening a live run: target, memory and model, seeded and warmed up, or one error that says what is missing."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import AgentError, MemoryStoreError, TargetError
from agent.loop import Agent
from agent.memory import MOST_FACTS, Memory
from agent.model import ChatModel, OpenAIModel
from agent.prompts import Message, build_messages
from agent.sampling import Sampling
from agent.stacks import Stack
from agent.targets.target import Target, open_embedder, open_target, shield_loopback_from_proxies
from evals.journal import Journal
from evals.limits import Floor
from evals.live import USER_ID, LiveRun, Settings, run_header
from evals.schedule import PlannedTrial
from fixtures.data import Preference, load_history, load_preferences

_CORRECTION_TOKENS = 200
"""Room for what a corrective retry adds besides the failed answer: the validation error is short."""


@contextlib.contextmanager
def open_run(
    settings: Settings,
    planned: Sequence[PlannedTrial],
    floors: tuple[Floor, ...],
    *,
    journal_folder: Path,
) -> Iterator[LiveRun]:
    """Open target, embedder, memory and model, seed memory, warm up, and yield the run.

    Raises:
        AgentError: when anything of that is not there or not fit, saying what to run next.
    """
    shield_loopback_from_proxies()
    with contextlib.ExitStack() as opened:
        target = opened.enter_context(open_target(settings.target, settings.model, embedder=settings.embedder))
        target = _preloaded(target)
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="evals-memory-", ignore_cleanup_errors=True))
        memory = opened.enter_context(_open_memory(target, settings.embedder, Path(folder)))
        seed_memory(memory, load_preferences())
        model = opened.enter_context(OpenAIModel(target.base_url, target.model, api_key=target.api_key))
        history = load_history()
        _warm_up(model, target, settings.sampling, planned, history)
        journal = opened.enter_context(contextlib.closing(Journal(journal_folder, run_header(settings, target))))
        yield LiveRun(settings, planned, target, Agent(model, memory, history, read_only=True), journal, floors)


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

    with (
        open_embedder(target, embedder) as opened,
        contextlib.closing(open_memory(MemorySettings(folder, embedder=opened))) as memory,
    ):
        yield memory


def _warm_up(
    model: ChatModel, target: Target, sampling: Sampling, planned: Sequence[PlannedTrial], history: Sequence[Message]
) -> None:
    """Call the model once per stack with its longest prompt: connections and caches are warm, and the prompt fits or not."""
    for stack, messages in longest_messages(planned, history).items():
        try:
            completion = model.complete(messages, replace(sampling, max_tokens=1))
        except AgentError as error:
            raise TargetError(f"The warm-up of the {stack.name} stack failed: {error}. Next: check the server's own log") from error
        needed = _needed_tokens(stack, completion.prompt_tokens, sampling)
        if target.context_length is not None and needed > target.context_length:
            raise TargetError(_too_short(target, stack, needed))


def _needed_tokens(stack: Stack, prompt_tokens: int, sampling: Sampling) -> int:
    """The prompt and its answer, and for every retry the correction and one answer more."""
    return prompt_tokens + sampling.max_tokens + stack.retries * (sampling.max_tokens + _CORRECTION_TOKENS)


def _too_short(target: Target, stack: Stack, needed: int) -> str:
    remedy = "set OLLAMA_CONTEXT_LENGTH higher and restart Ollama" if target.kind == "ollama" else "serve it with a longer context"
    return (
        f"{target} has a context of {target.context_length} tokens, and the {stack.name} stack needs {needed} for its longest"
        f" prompt, its answers and its corrections: a server would silently drop the oldest turns. Next: {remedy}"
    )
