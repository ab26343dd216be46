"""Runs in which something went wrong, so that a figure which takes in what it must leave out is another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.model import Completion
from agent.prompts import Message
from evals.ladder import Outcome
from evals.messages import message_hash
from evals.run import Run
from evals.selftest.factories import EMPTY, TIMEOUT
from evals.trials import AttemptRecord, Trial

ANNOTATED, BARE = "def slug(text: str) -> str:", "def slug(text):"
"""The function of a sample run's answer in Python, and the same as the preference python-annotations does not want it."""


ODD = " \n</script><b>&amp;\u2028\u202e\x00 \n"
"""Characters that a page may lose or take for its own."""


def troubled(run: Run) -> Run:
    """The run with a fault, a trial whose times do not count, an answer of nothing and one without a count of cached tokens in each
    of its series, in other tasks for every stack. Of its answers in Python, those of odd epochs violate a preference, and no two
    tasks have the same share of their prompts from the cache. Messages end with what is no letter.
    """
    seen: Counter[str] = Counter()
    trials = []
    for trial in run.trials:
        series, position = str(trial.series), run.settings.stacks.index(trial.stack)
        trials.append(_TROUBLES.get(seen[series] - position, _usual)(trial))
        seen[series] += 1
    odd = {name: _odd(message) for name, message in run.messages.items()}
    names = {name: message_hash(message) for name, message in odd.items()}
    renamed = tuple(replace(one, attempts=tuple(_renamed(tried, names) for tried in one.attempts)) for one in trials)
    return replace(run, trials=renamed, messages={names[name]: message for name, message in odd.items()})


def _odd(message: Message) -> Message:
    return replace(message, content=f"{message.content}{ODD}") if message.role == "user" else message


def _renamed(attempt: AttemptRecord, names: Mapping[str, str]) -> AttemptRecord:
    return replace(attempt, messages=tuple(names[name] for name in attempt.messages))


def _faulted(trial: Trial) -> Trial:
    return replace(trial, attempts=(), facts=None, retrieval_seconds=None, faults=(TIMEOUT,))


def _untimed(trial: Trial) -> Trial:
    """Ten times as slow, after a fault. In the cold regime nothing can be known about a cache, so there its times count."""
    attempts = tuple(replace(one, cache="cold", completion=_slower(one)) for one in trial.attempts)
    return replace(trial, attempts=attempts, faults=(TIMEOUT,)) if trial.regime == "warm" else trial


def _slower(attempt: AttemptRecord) -> Completion:
    once = attempt.completion
    return replace(once, ttft=10 * (once.ttft or 0.0), latency=10 * once.latency, first_token=10 * (once.first_token or 0.0))


def _silent(trial: Trial) -> Trial:
    """The first attempt gave nothing at all, not even a time to its first token."""
    first, *others = trial.attempts
    nothing = replace(first.completion, completion_tokens=0, ttft=None, first_token=None, text="")
    outcome: Outcome = replace(EMPTY, language=first.outcome.language)
    return replace(trial, attempts=(replace(first, completion=nothing, outcome=outcome), *others))


def _uncounted(trial: Trial) -> Trial:
    first, *others = trial.attempts
    # An answer that broke is marked by the place that its cause has in it, so those stay as they are.
    text = first.completion.text if first.outcome.cause else f"{first.completion.text}{ODD}"
    spoken = replace(first.completion, cached_tokens=None, text=text)
    return replace(trial, attempts=(replace(first, completion=spoken), *others))


def _usual(trial: Trial) -> Trial:
    attempts = tuple(replace(one, completion=_usual_completion(trial, one.completion)) for one in trial.attempts)
    return replace(trial, attempts=attempts)


def _usual_completion(trial: Trial, once: Completion) -> Completion:
    text = once.text.replace(ANNOTATED, BARE) if trial.epoch % 2 else once.text
    return replace(once, text=text, cached_tokens=(once.cached_tokens or 0) + len(trial.task) ** 2 // 4)


_TROUBLES: dict[int, Callable[[Trial], Trial]] = {2: _faulted, 5: _untimed, 8: _silent, 11: _uncounted}
"""What happens to which trial of a series."""
