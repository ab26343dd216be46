"""``python -m agent``: the agent on the command line."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import AgentError, SettingsError
from agent.printable import printable
from agent.stacks import STACKS
from agent.targets.options import add_target_options, chosen_model, chosen_target

if TYPE_CHECKING:
    from rich.console import Console

    from agent.artifact import Artifact
    from agent.loop import Reply
    from agent.memory import Memory
    from agent.targets.target import Target

EXIT_OK, EXIT_NO_ARTIFACT, EXIT_ERROR, EXIT_INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
exit codes: 0 a valid file, 1 the model gave none, 2 something was wrong or not there

examples:
  python -m agent "Write a Python function that parses a duration such as 1h30m"
  python -m agent --remember "User prefers async/await over .then() chains"
  python -m agent "Build a login form in React" --target ollama --write src/
"""


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    options = argparse.ArgumentParser(
        prog="python -m agent",
        description="Ask a small local coding agent for one file. It remembers what you tell it to.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("request", nargs="?", help="what to write, in your own words; may be left out with --remember")
    add("--user", default="me", metavar="ID", help="whose memory to use (default: me)")
    add(
        "--stack",
        default="optimized",
        choices=sorted(STACKS),
        metavar="NAME",
        help="how to ask the model (default: optimized); naive has no history to send here and uses no memory",
    )
    add("--remember", action="append", default=[], metavar="FACT", help="store a preference first; may be given several times")
    add("--write", type=Path, metavar="DIR", help="write the file under DIR")
    add("--force", action="store_true", help="with --write: overwrite a file that exists")
    add("--json", action="store_true", help="print one JSON object for programs instead of text for people")
    add_target_options(add)
    add("--memory", default="local", choices=("local", "platform"), help="Mem0 on this disk, or Mem0's platform with MEM0_API_KEY")
    add("--memory-dir", type=Path, metavar="DIR", help="where memory is kept (default: your data folder for local-agent-evals)")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe may have an encoding that lacks the characters of an answer.
        sys.stdout.reconfigure(errors="replace")
    try:
        return _run(options)
    except AgentError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    from agent.targets.target import open_target, shield_loopback_from_proxies

    _check(options)
    shield_loopback_from_proxies()
    with open_target(chosen_target(options.target), chosen_model(options.model), embedder=options.embedder) as target:
        if target.note:
            print(target.note, file=sys.stderr)
        with _memory(options, target) as memory:
            for fact in options.remember:
                memory.remember(fact, options.user)
                print(f"remembered for {options.user}: {fact}", file=sys.stderr)
            return _ask(options, target, memory) if options.request else EXIT_OK


def _check(options: argparse.Namespace) -> None:
    if not options.request and not options.remember:
        raise SettingsError('There is no request. Give one, for example: python -m agent "Write a Python function that ..."')
    try:
        "".join([options.request or "", *options.remember]).encode()
    except UnicodeEncodeError as error:
        raise SettingsError("The request or a fact holds bytes that are no text in this terminal's encoding.") from error
    if options.force and not options.write:
        raise SettingsError("--force needs --write DIR.")
    if options.write and options.write.exists() and not options.write.is_dir():
        raise SettingsError(f"--write takes a folder, and {options.write} is a file.")


@contextlib.contextmanager
def _memory(options: argparse.Namespace, target: Target) -> Iterator[Memory]:
    import platformdirs

    from agent.mem0_store import MemorySettings, open_memory
    from agent.targets.target import open_embedder

    folder = options.memory_dir or platformdirs.user_data_path("local-agent-evals", appauthor=False) / "memory"
    with contextlib.ExitStack() as opened:
        local = options.memory == "local"
        embedder = opened.enter_context(open_embedder(target, options.embedder)) if local else None
        settings = MemorySettings(folder, options.memory, embedder, api_key=os.environ.get("MEM0_API_KEY", ""))
        yield opened.enter_context(contextlib.closing(open_memory(settings)))


def _ask(options: argparse.Namespace, target: Target, memory: Memory) -> int:
    from rich.console import Console

    from agent.loop import Agent
    from agent.model import OpenAIModel

    console = Console(stderr=True)
    with OpenAIModel(target.base_url, target.model, api_key=target.api_key) as model, _progress(console, target) as on_text:
        reply = Agent(model, memory).run(STACKS[options.stack], options.request, options.user, on_text=on_text)
    if options.json:
        print(json.dumps(_as_dict(reply, target), indent=2))
    else:
        _show(reply, target)
    if reply.warning:
        print(f"warning: {printable(reply.warning)}", file=sys.stderr)
    if reply.artifact is None:
        return EXIT_NO_ARTIFACT
    if options.write:
        _write(reply.artifact, options.write, force=options.force)
    return EXIT_OK


@contextlib.contextmanager
def _progress(console: Console, target: Target) -> Iterator[Any]:
    """Show how much text has arrived; nothing when standard error is no terminal."""
    from rich.text import Text

    received = 0

    def on_text(text: str) -> None:
        nonlocal received
        received += len(text)
        status.update(Text(f"{target} answers: {received} characters"))

    with console.status(Text(f"asking {target}")) as status:
        yield on_text


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


def _write(artifact: Artifact, folder: Path, *, force: bool) -> None:
    root = folder.resolve()
    file = (root / artifact.file_path).resolve()
    if not file.is_relative_to(root):
        raise SettingsError(f"{artifact.file_path} leads out of {root} (through a symbolic link); nothing was written.")
    print(f"writing {printable(str(file))}", file=sys.stderr)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if force else "x", encoding="utf-8", newline="\n") as opened:
            opened.write(artifact.code)
    except OSError as error:
        if isinstance(error, FileExistsError) and file.is_file():
            raise SettingsError(f"{file} exists and was left as it is. Next: the same command with --force") from error
        raise SettingsError(f"{file} cannot be written: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
