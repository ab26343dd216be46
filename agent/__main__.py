"""``python -m agent``: the agent on the command line."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.display import show_memory, show_reply
from agent.errors import AgentError, SettingsError
from agent.printable import printable
from agent.stacks import STACKS
from agent.targets.options import add_target_options, chosen_model, chosen_target

if TYPE_CHECKING:
    from rich.console import Console

    from agent.artifact import Artifact
    from agent.mem0_store import MemorySettings
    from agent.memory import Memory
    from agent.targets.target import Target

EXIT_OK, EXIT_NO_ARTIFACT, EXIT_ERROR, EXIT_INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
exit codes: 0 a valid file, 1 the model gave none, 2 something was wrong or not there

examples:
  python -m agent "Write a Python function that parses a duration such as 1h30m"
  python -m agent --remember "User prefers async/await over .then() chains"
  python -m agent --remember "use .then() chains, not async/await"      takes the place of that one
  python -m agent --memories
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
    add("request", nargs="?", help="what to write, in your own words; may be left out with --remember, and is with --memories")
    add("--user", default="me", metavar="ID", help="whose memory to use (default: me)")
    add(
        "--stack",
        default="optimized",
        choices=list(STACKS),
        metavar="NAME",
        help="how to ask the model (default: optimized); naive has no history to send here and uses no memory",
    )
    add(
        "--remember",
        action="append",
        default=[],
        metavar="FACT",
        help="store a preference first; one that names what it is against (X, not Y; no longer Y; X instead of Y) takes the place "
        "of the preference for Y; may be given several times",
    )
    add("--memories", action="store_true", help="print what is remembered and what replaced what, and ask the model nothing")
    add("--write", type=Path, metavar="DIR", help="write the file under DIR")
    add("--force", action="store_true", help="with --write: overwrite a file that exists")
    add("--json", action="store_true", help="print one JSON object for programs instead of text for people")
    add_target_options(add)
    add(
        "--memory",
        default="local",
        metavar="WHERE",
        help="local (Mem0 on this disk, for one process at a time), qdrant=URL (Mem0 on a Qdrant server that many share, with "
        "QDRANT_API_KEY where it asks for a key), or platform (Mem0's own, with MEM0_API_KEY); default: local",
    )
    add(
        "--memory-dir",
        type=Path,
        metavar="DIR",
        help="where local memory is kept, and the history of changes also with qdrant=URL (default: your data folder for "
        "local-agent-evals)",
    )
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
    from agent.mem0_store import memory_settings
    from agent.targets.target import open_target, shield_loopback_from_proxies

    _check(options)
    settings = memory_settings(options.memory, options.memory_dir or _data_folder() / "memory")
    shield_loopback_from_proxies()
    with open_target(chosen_target(options.target), chosen_model(options.model), embedder=options.embedder) as target:
        if target.note:
            print(target.note, file=sys.stderr)
        with _memory(settings, target, options.embedder) as memory:
            for fact in options.remember:
                change = memory.remember(fact, options.user)
                done = f"replaced for {options.user}: {change}" if change else f"remembered for {options.user}: {fact}"
                print(printable(done), file=sys.stderr)
            if options.memories:
                show_memory(memory, options.user, as_json=options.json)
            return _ask(options, target, memory) if options.request else EXIT_OK


def _check(options: argparse.Namespace) -> None:
    if options.request and options.memories:
        raise SettingsError("--memories asks the model nothing: leave the request out, or leave --memories out.")
    if not options.request and not options.remember and not options.memories:
        raise SettingsError('There is no request. Give one, for example: python -m agent "Write a Python function that ..."')
    try:
        "".join([options.request or "", *options.remember]).encode()
    except UnicodeEncodeError as error:
        raise SettingsError("The request or a fact holds bytes that are no text in this terminal's encoding.") from error
    if options.force and not options.write:
        raise SettingsError("--force needs --write DIR.")
    if options.write and options.write.exists() and not options.write.is_dir():
        raise SettingsError(f"--write takes a folder, and {options.write} is a file.")


def _data_folder() -> Path:
    import platformdirs

    return platformdirs.user_data_path("local-agent-evals", appauthor=False)


@contextlib.contextmanager
def _memory(settings: MemorySettings, target: Target, embedder: str | None) -> Iterator[Memory]:
    from agent.mem0_store import open_memory
    from agent.targets.target import open_embedder

    with contextlib.ExitStack() as opened:
        if settings.backend != "platform":
            settings = replace(settings, embedder=opened.enter_context(open_embedder(target, embedder)))
        yield opened.enter_context(contextlib.closing(open_memory(settings)))


def _ask(options: argparse.Namespace, target: Target, memory: Memory) -> int:
    from rich.console import Console

    from agent.loop import Agent
    from agent.model import OpenAIModel

    console = Console(stderr=True)
    with OpenAIModel(target.base_url, target.model, api_key=target.api_key) as model, _progress(console, target) as on_text:
        reply = Agent(model, memory).run(STACKS[options.stack], options.request, options.user, on_text=on_text)
    show_reply(reply, target, as_json=options.json)
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
