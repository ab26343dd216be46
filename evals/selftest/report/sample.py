"""Runs made by hand that look like measured ones: real tasks and prompts, answers of every kind, judged by the real ladder."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.loop import Attempt, result_of
from agent.model import Completion
from agent.prompts import Message, build_messages, correction_messages
from agent.stacks import DEFAULT_STACKS, STACKS, Stack
from evals.ladder import climb
from evals.messages import MessageStore
from evals.run import Header, Run, ServedTarget
from evals.schedule import Regime
from evals.selftest.factories import TIMEOUT, header, settings
from evals.trials import AttemptRecord, Trial
from fixtures.data import Task, load_history, load_preferences, load_tasks

CODE = {
    "tsx": 'export function Card({ title }: { title: string }) {\n  return <p className="p-4">{title}</p>;\n}\n',
    "ts": "export async function load(url: string): Promise<Response> {\n  return await fetch(url);\n}\n",
    "py": 'def slug(text: str) -> str:\n    """Make a slug."""\n    return text.lower()\n',
    "js": "export async function load(url) {\n  return await fetch(url);\n}\n",
    "css": ".card {\n  color: #333;\n}\n",
    "sh": "#!/bin/sh\nset -eu\ngrep -r TODO .\n",
}
BROKEN = {language: code.rstrip("\n}) ") + "\n  ((\n" for language, code in CODE.items()}
KINDS = ("valid", "valid", "code fence", "valid", "bad escape", "valid", "missing key", "syntax", "valid", "truncated", "language")
"""What the answers are, one after the other."""


def answer(kind: str, language: str) -> str:
    """An answer of a kind, for a task that asks for a language."""
    artifact = {"code": CODE[language], "language": language, "file_path": f"src/a.{language}", "explanation": "It is short."}
    if kind == "syntax":
        artifact["code"] = BROKEN[language]
    elif kind == "missing key":
        del artifact["explanation"]
    elif kind == "language":
        artifact |= {"language": "py", "code": CODE["py"]} if language != "py" else {"language": "js", "code": CODE["js"]}
    text = json.dumps(artifact)
    if kind == "code fence":
        return f"Here you are:\n```json\n{text}\n```"
    if kind == "bad escape":
        return text.replace("It is short.", "It matches \\d.")
    return text[: len(text) // 2] if kind == "truncated" else text


def sample_run(
    *,
    tasks: int = 12,
    epochs: int = 3,
    stacks: Sequence[str] = DEFAULT_STACKS,
    regimes: tuple[Regime, ...] = ("warm",),
    seed: int = 0,
    name: str = "20260101-000000-5a3b1e00",
    faults: int = 0,
) -> Run:
    """A run of the first tasks of the full suite, in which the first so many trials met a fault."""
    chosen = load_tasks()[:tasks]
    asked = settings(*(task.id for task in chosen), stacks=tuple(stacks), epochs=epochs, regimes=regimes)
    made = _Trials(random.Random(seed), MessageStore())
    keys = itertools.product(range(1, epochs + 1), chosen, stacks, regimes)
    trials = [made.trial(epoch, task, STACKS[stack], regime) for epoch, task, stack, regime in keys]
    faulted = [replace(trial, attempts=(), facts=None, retrieval_seconds=None, faults=(TIMEOUT,)) for trial in trials[:faults]]
    return Run(_header(header(asked, name), stacks), (*faulted, *trials[faults:]), dict(made.store.known))


def _header(made: Header, stacks: Sequence[str]) -> Header:
    described = {stack: {field: getattr(STACKS[stack], field) for field in Stack.__dataclass_fields__} for stack in stacks}
    marks = replace(made.fingerprint, identity=dict(made.fingerprint.identity) | {"stacks": described})
    target = ServedTarget("url", "sample-model", "http://127.0.0.1:1/v1", 4096, "These answers were made by hand.")
    return replace(made, target=target, fingerprint=marks)


@dataclass
class _Trials:
    """Trials as they are made one after the other."""

    dice: random.Random
    store: MessageStore
    number: int = 0

    def trial(self, epoch: int, task: Task, stack: Stack, regime: Regime) -> Trial:
        """One more trial, with its corrective retry where its stack has one and its first answer is not valid."""
        facts = tuple(sorted(preference.text for preference in load_preferences()[:5])) if stack.asks_memory else None
        messages = build_messages(stack, task.request, history=load_history(), facts=facts or ())
        kind = KINDS[(self.number * 7 + self.dice.randrange(3)) % len(KINDS)]
        records = [self._attempt(messages, answer(kind, task.language), task.language, regime)]
        if stack.retries and not records[0].valid:
            corrected = (*messages, *correction_messages(records[0].completion.text, str(records[0].outcome.failure)))
            records.append(self._attempt(corrected, answer("valid", task.language), task.language, regime))
        self.number += 1
        return Trial(
            epoch=epoch,
            task=task.id,
            stack=stack.name,
            regime=regime,
            seed=self.dice.randrange(2**31),
            started=f"2026-01-01T00:{self.number // 60 % 60:02}:{self.number % 60:02}.000+00:00",
            facts=facts,
            retrieval_seconds=self.dice.uniform(0.01, 0.03) if stack.asks_memory else None,
            attempts=tuple(records),
        )

    def _attempt(self, messages: Sequence[Message], text: str, language: str, regime: Regime) -> AttemptRecord:
        prompt = sum(len(message.content) for message in messages) // 4
        ttft = prompt / self.dice.uniform(4_000, 6_000)
        completion = Completion(
            prompt_tokens=prompt,
            completion_tokens=len(text) // 4,
            cached_tokens=prompt // 3 if regime == "warm" else 4,
            ttft=ttft,
            latency=ttft + len(text) / self.dice.uniform(3_000, 5_000),
            finish_reason="stop" if text.endswith(("}", "`")) else "length",
            text=text,
            first_token=ttft,
        )
        outcome = climb(Attempt(completion, result_of(completion)), language)
        return AttemptRecord(completion, outcome, regime, self.store.add(messages))
