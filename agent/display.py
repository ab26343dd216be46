"""What the command line prints: a reply or a memory, for people or as one JSON object for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent.printable import printable

if TYPE_CHECKING:
    from agent.loop import Reply
    from agent.memory import Memory
    from agent.targets.target import Target


def show_reply(reply: Reply, target: Target, *, as_json: bool) -> None:
    """Print the facts that were used, the file and what it cost."""
    if as_json:
        print(json.dumps(_as_dict(reply, target), indent=2))
    else:
        _show(reply, target)


def show_memory(memory: Memory, user_id: str, *, as_json: bool) -> None:
    """Print the user's preferences, sorted, and then what replaced what, oldest first."""
    facts, changes = memory.preferences(user_id), memory.changes(user_id)
    if as_json:
        told = [asdict(change) | {"when": change.when.isoformat()} for change in changes]
        print(json.dumps({"facts": facts, "changes": told}, indent=2))
        return
    for fact in facts:
        print(printable(fact))
    for change in changes:
        print(printable(f"replaced on {change.when.astimezone():%Y-%m-%d %H:%M}: {change}"))


def _show(reply: Reply, target: Target) -> None:
    from rich.console import Console
    from rich.syntax import Syntax
    from rich.text import Text

    console = Console(soft_wrap=True)  # a line of code stays one line, also in a pipe
    last = reply.attempts[-1].completion
    if reply.context is not None and reply.context.facts:
        console.print(Text(printable(str(reply.context)), style="dim"))
    if reply.artifact is not None:
        console.print(Text(printable(reply.artifact.file_path), style="bold"))
        highlighter = Syntax("", reply.artifact.language, theme="ansi_dark", background_color="default")
        console.print(highlighter.highlight(printable(reply.artifact.code)), end="")
        console.print(Text(printable(reply.artifact.explanation)))
    else:
        console.print(Text(printable(last.text)))
        console.print(Text(f"No valid file after {len(reply.attempts)} attempt(s): {reply.failure}", style="bold red"))
    tries = f"{len(reply.attempts)} attempt(s)"
    ttft = "none" if last.ttft is None else f"{last.ttft * 1000:.0f} ms"
    console.print(
        Text(
            f"{target}: {tries}, {last.prompt_tokens} + {last.completion_tokens} tokens, TTFT {ttft}, {last.latency:.2f} s",
            style="dim",
        )
    )


def _as_dict(reply: Reply, target: Target) -> dict[str, Any]:
    return {
        "artifact": asdict(reply.artifact) if reply.artifact else None,
        "failure": str(reply.failure) if reply.failure else None,
        "stack": reply.stack.name,
        "target": str(target),
        "facts": list(reply.context.facts) if reply.context else [],
        "attempts": [asdict(attempt.completion) | {"failure": str(attempt.failure or "") or None} for attempt in reply.attempts],
    }
