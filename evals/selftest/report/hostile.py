"""A run in which every text is hostile to whoever shows it, as large as runs get."""

from __future__ import annotations

import itertools
from dataclasses import replace

from agent.model import Completion
from agent.prompts import Message
from evals.fingerprint import Fingerprint
from evals.ladder import Outcome
from evals.messages import MessageStore
from evals.run import Header, Run, ServedTarget
from evals.schedule import REGIMES, TrialKey
from evals.selftest.factories import VALID, header, settings
from evals.settings import Settings
from evals.trials import AttemptRecord, Fault, Trial

ALARM = "document.title='executed'"
TEXTS = (
    f"</script><script>{ALARM}</script>",
    f'"><img src=x onerror="{ALARM}">',
    f"</style></svg><svg onload={ALARM}>",
    f"<iframe srcdoc='<script>parent.{ALARM}</script>'></iframe>",
    "]]><!--<script>",
    "{{ 7 * 7 }}{% for x in y %}",
    "\x00\x1b]0;title\x07\x1b[2J",
    "\u202eesrever\u202c \u2066isolated\u2069 \u200fmark",
    "javascript:alert(1) [red]markup[/red] | a `cell` | **bold** @somebody #1",
    "\u2028\u2029&amp;&lt;script&gt;",
)
MEGABYTE = 2**20
_STARTED = "2026-01-01T00:00:00.000+00:00"


def hostile_run(*, tasks: int = 125, epochs: int = 20, long_answers: int = 30) -> Run:
    """A run of two stacks in both regimes, 10,000 trials if nothing is said, of which so many have an answer of a megabyte."""
    names = tuple(f"{TEXTS[place % len(TEXTS)]} {place}" for place in range(tasks))
    asked = settings(*names, stacks=(f"naive{TEXTS[0]}", f"optimized{TEXTS[1]}"), epochs=epochs, regimes=REGIMES)
    store = MessageStore()
    keys = itertools.product(range(1, epochs + 1), names, asked.stacks, REGIMES)
    trials = tuple(_trial(place, key, store, long=place < long_answers) for place, key in enumerate(keys))
    return Run(_header(asked), trials, dict(store.known))


def _header(asked: Settings) -> Header:
    made = header(asked)
    target = ServedTarget("url", TEXTS[0], TEXTS[1], None, TEXTS[2])
    identity = dict(made.fingerprint.identity) | {"model": {"name": TEXTS[3], TEXTS[0]: TEXTS[7]}}
    marks = Fingerprint(identity, {TEXTS[1]: TEXTS[6]}, {"commit": TEXTS[0], "dirty": True})
    return replace(made, target=target, fingerprint=marks)


def _trial(place: int, key: TrialKey, store: MessageStore, *, long: bool) -> Trial:
    epoch, task, stack, regime = key
    hostile = TEXTS[place % len(TEXTS)]
    if place % 97 == 96:
        fault = Fault("ModelTimeoutError", hostile, 0.5, (), hostile)
        return Trial(epoch, task, stack, regime, 7, _STARTED, faults=(fault,))
    names = store.add([Message("system", f"[{place}] {hostile} {'rules ' * 150}"), Message("user", hostile)])
    text = hostile * (MEGABYTE // len(hostile)) if long else f"{hostile} {place}"
    ttft, latency = 0.01 + (place * 7919 % 1000) / 1e5, 0.05 + (place * 104729 % 1000) / 1e5
    completion = Completion(100 + place % 50, 20, None, ttft, latency, "stop", text, first_token=ttft)
    outcome = Outcome("answered", "py", "other", f"not JSON: {hostile}") if place % 3 else VALID
    facts, seconds = ((hostile,), 0.001) if stack.startswith("optimized") else (None, None)
    return Trial(epoch, task, stack, regime, 7, _STARTED, facts, seconds, (AttemptRecord(completion, outcome, regime, names),))
