"""``python -m agent``: in this process where that is enough, and as a process of its own where it is not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.artifact import Artifact
from evals.selftest.qdrant_double import qdrant_double
from evals.selftest.scripted_server import ScriptedServer, as_json, chat_stream, embeddings, event, refusing_port, scripted_server

ROOT = Path(__file__).parents[2]
CHAT = "POST /v1/chat/completions"
ARTIFACT = Artifact("def one() -> int:\n    return 1\n", "py", "src/one.py", "Returns one.")
PROSE = "I would rather not."
FACT = "User prefers tabs"


@dataclass
class CommandLine:
    """The command line against a scripted server, with a memory folder of its own."""

    server: ScriptedServer
    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def options(self) -> list[str]:
        """The options that lead to the scripted server."""
        url = f"{self.server.url}/v1"
        return ["--target", url, "--embedder", f"{url}#words", "--memory-dir", str(self.folder / "memory")]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run it in this process: exit code, standard output, standard error."""
        code = main([*arguments, *self.options])
        out, err = self.capture.readouterr()
        return code, out, err

    def answers(self, *texts: str) -> None:
        """Have the model give these answers in turn."""
        left = list(texts)
        self.server.routes[CHAT] = lambda _: chat_stream([left.pop(0)])


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CommandLine]:
    """The command line; the model answers with a valid artifact."""
    with scripted_server() as server:
        server.routes["GET /v1/models"] = lambda _: as_json({"data": [{"id": "coder"}]})
        server.routes["POST /v1/embeddings"] = embeddings
        server.routes[CHAT] = lambda _: chat_stream([ARTIFACT.to_json()])
        yield CommandLine(server, tmp_path, capsys)


def _process(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[bytes]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=variables, capture_output=True, timeout=120, check=False)


def _facts(json_output: str | bytes) -> list[str]:
    facts: list[str] = json.loads(json_output)["facts"]
    return facts


def _system(server: ScriptedServer, call: int = -1) -> str:
    return str(server.bodies(CHAT)[call]["messages"][0]["content"])


def test_a_valid_answer_is_shown(cli: CommandLine) -> None:
    """The path, the code, the explanation and what the call cost are printed, and the exit code is 0."""
    code, out, _ = cli.run("Write one")
    assert code == 0
    assert [part for part in ("src/one.py", "def one() -> int:", "    return 1", "Returns one.") if part not in out] == []
    assert "coder on 127.0.0.1" in out
    assert "1 attempt(s), 10 + 1 tokens" in out


def test_a_line_of_code_stays_one_line(cli: CommandLine) -> None:
    """Lines are never broken at the terminal's width, so what is copied or piped is the code itself."""
    line = f"names = {[f'name {number}' for number in range(40)]}"
    cli.answers(replace(ARTIFACT, code=f"{line}\n\tpass\n", explanation="long " * 50).to_json())
    _, out, _ = cli.run("Write one")
    assert f"\n{line}\n" in out
    assert f"\n{'long ' * 50}\n" in out


def test_the_facts_that_were_used_are_shown(cli: CommandLine) -> None:
    """The block of facts that went into the prompt is printed too."""
    _, out, _ = cli.run("Write one", "--remember", FACT)
    assert f"[Persistent Context]\n- {FACT}" in out


def test_an_invalid_answer_is_exit_code_1(cli: CommandLine) -> None:
    """Without a valid file after the retry, the last answer and the reason are printed, and the exit code is 1."""
    cli.answers("First.", PROSE)
    code, out, _ = cli.run("Write one")
    assert code == 1
    assert PROSE in out
    assert "No valid file after 2 attempt(s): not JSON" in " ".join(out.split())


def test_naive_makes_one_attempt(cli: CommandLine) -> None:
    """``--stack naive`` sends the rules without facts or contract and does not retry."""
    cli.answers(PROSE)
    code, _, _ = cli.run("Write one", "--stack", "naive", "--remember", FACT)
    assert (code, len(cli.server.bodies(CHAT))) == (1, 1)
    assert "[" not in _system(cli.server)


def test_json_is_one_object(cli: CommandLine) -> None:
    """``--json`` prints one object with the artifact, the facts and every attempt with its counts and times, and nothing else."""
    cli.answers(PROSE, ARTIFACT.to_json())
    code, out, _ = cli.run("Write one", "--json", "--remember", FACT)
    shown: dict[str, Any] = json.loads(out)
    assert code == 0
    assert Artifact(**shown["artifact"]) == ARTIFACT
    assert (shown["failure"], shown["stack"], shown["facts"]) == (None, "optimized", [FACT])
    first, second = shown["attempts"]
    assert first["failure"].startswith("not JSON")
    assert (second["failure"], second["prompt_tokens"], second["completion_tokens"], second["cached_tokens"]) == (None, 10, 1, None)
    assert (second["finish_reason"], second["text"]) == ("stop", ARTIFACT.to_json())
    assert second["latency"] >= second["ttft"] >= 0


def test_json_tells_of_a_failure(cli: CommandLine) -> None:
    """``--json`` without a valid file has no artifact, says why, and exits with 1."""
    cli.answers(PROSE, PROSE)
    code, out, _ = cli.run("Write one", "--json")
    shown = json.loads(out)
    assert (code, shown["artifact"]) == (1, None)
    assert "not JSON" in shown["failure"]


def test_an_infrastructure_fault_is_exit_code_2(cli: CommandLine) -> None:
    """A fault of the server is one line on standard error and exit code 2, not a wrong answer."""
    cli.server.routes[CHAT] = lambda _: as_json({"error": {"message": "out of memory"}}, 500)
    code, out, err = cli.run("Write one")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "out of memory" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("code", ["x = 1", "x = 1\n", "x = 1\n\n"], ids=ascii)
@pytest.mark.parametrize("language", ["tsx", "css"])
def test_code_of_every_language_is_shown(cli: CommandLine, language: str, code: str) -> None:
    """Code in one language or another stands between path and explanation, whether or not it ends its last line."""
    cli.answers(Artifact(code, language, "file", "Explained.").to_json())
    whole_lines = code if code.endswith("\n") else f"{code}\n"
    assert cli.run("Write one")[1].startswith(f"file\n{whole_lines}Explained.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "There is no request. Give one, for example:"),
        (["  "], "The request is empty."),
        (["Write one", "--force"], "--force needs --write DIR"),
        (["Write one", "--user", "*"], "letters, digits"),
        (["Write one", "--remember", " "], "1 to 500 characters"),
        (["Write one", "--write", str(ROOT / "pyproject.toml")], "is a file"),
        (["Write \udcff"], "no text in this terminal's encoding"),
        (["--remember", "User prefers \udcff"], "no text in this terminal's encoding"),
        (["Write one", "--memory", "platform"], "MEM0_API_KEY"),
        (["Write one", "--memory", "cloud"], "--memory is local, platform or qdrant=URL"),
        (["Write one", "--memory", "qdrant=http://me:key@127.0.0.1"], "a key goes into QDRANT_API_KEY"),
        (["Write one", "--memories"], "leave the request out"),
    ],
)
def test_a_wrong_setting_is_exit_code_2(cli: CommandLine, arguments: list[str], words: str) -> None:
    """What was given wrongly is one line that says what is right; the model is not asked."""
    code, out, err = cli.run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert cli.server.bodies(CHAT) == []


def test_remembering_alone_asks_no_model(cli: CommandLine) -> None:
    """``--remember`` without a request stores the facts, says so and asks the model nothing."""
    code, out, err = cli.run("--remember", FACT, "--remember", "User likes tea")
    assert (code, out) == (0, "")
    assert f"remembered for me: {FACT}\n" in err
    assert cli.server.bodies(CHAT) == []
    _, out, _ = cli.run("Write one", "--json")
    assert _facts(out) == ["User likes tea", FACT]


def test_a_correction_is_told_and_listed(cli: CommandLine) -> None:
    """``--remember`` says what a correction replaced, and ``--memories`` lists what is remembered and what replaced what."""
    tailwind, modules = "User styles components with Tailwind", "use CSS modules, not Tailwind"
    cli.run("--remember", FACT, "--remember", tailwind)
    code, out, err = cli.run("--remember", modules)
    assert (code, out) == (0, "")
    assert f"replaced for me: {tailwind} -> {modules}\n" in err
    code, out, _ = cli.run("--memories")
    *facts, change = out.splitlines()
    assert (code, facts) == (0, [FACT, modules])
    assert re.fullmatch(rf"replaced on \d{{4}}-\d\d-\d\d \d\d:\d\d: {tailwind} -> {modules}", change)
    assert cli.server.bodies(CHAT) == []


def test_memories_for_programs(cli: CommandLine) -> None:
    """``--memories --json`` is one object with the facts and the changes, also where ``--remember`` was given with it."""
    corrected = ["--remember", "User prefers spaces", "--remember", "tabs, not spaces"]
    shown = json.loads(cli.run(*corrected, "--memories", "--json")[1])
    assert shown["facts"] == ["tabs, not spaces"]
    (change,) = shown["changes"]
    assert (change["old"], change["new"]) == ("User prefers spaces", "tabs, not spaces")
    assert datetime.fromisoformat(change["when"]).tzinfo is not None
    assert json.loads(cli.run("--memories", "--json", "--user", "nobody")[1]) == {"facts": [], "changes": []}


def test_memory_on_a_qdrant_server(cli: CommandLine) -> None:
    """``--memory qdrant=URL`` keeps facts on a Qdrant server, where another memory folder finds them."""
    with qdrant_double() as qdrant:
        chosen = ["--memory", f"qdrant={qdrant.server.url}"]
        cli.run("--remember", FACT, *chosen)
        cli.folder /= "elsewhere"
        assert cli.run("--memories", *chosen)[:2] == (0, f"{FACT}\n")
    assert cli.run("--memories")[:2] == (0, "")


def test_users_have_memories_of_their_own(cli: CommandLine) -> None:
    """``--user`` chooses whose facts go into the prompt."""
    cli.run("--remember", FACT, "--user", "ann")
    assert _facts(cli.run("Write one", "--json", "--user", "bob")[1]) == []
    assert _facts(cli.run("Write one", "--json", "--user", "ann")[1]) == [FACT]


def test_a_valid_answer_leaves_a_trace_that_is_no_fact(cli: CommandLine) -> None:
    """After ten answers, the facts in the prompt are still the ones that were remembered."""
    cli.run("--remember", FACT)
    for _ in range(10):
        _, out, _ = cli.run("Write one", "--json")
    assert _facts(out) == [FACT]


def test_write_puts_the_file_under_the_folder(cli: CommandLine) -> None:
    """``--write`` shows the path, makes the folders and writes the code as it is."""
    code, _, err = cli.run("Write one", "--write", str(cli.folder / "new"))
    file = cli.folder / "new" / "src" / "one.py"
    assert code == 0
    assert file.read_bytes() == ARTIFACT.code.encode()
    assert f"writing {file}\n" in err


def test_write_leaves_a_file_that_exists(cli: CommandLine) -> None:
    """``--write`` never overwrites: the file stays, the exit code is 2, and the error names ``--force``."""
    file = cli.folder / "src" / "one.py"
    file.parent.mkdir()
    file.write_text("mine", encoding="utf-8")
    code, out, err = cli.run("Write one", "--write", str(cli.folder))
    assert (code, file.read_text(encoding="utf-8")) == (2, "mine")
    assert "exists and was left as it is. Next: the same command with --force" in err
    assert "def one" in out


def test_force_overwrites(cli: CommandLine) -> None:
    """``--force`` writes over a file that exists, and nothing of the old text stays."""
    file = cli.folder / "src" / "one.py"
    file.parent.mkdir()
    file.write_text("mine " * 100, encoding="utf-8")
    assert cli.run("Write one", "--write", str(cli.folder), "--force")[0] == 0
    assert file.read_text(encoding="utf-8") == ARTIFACT.code


@pytest.mark.parametrize("path", ["../out.py", "/tmp/out.py", "a/../../out.py", "C:/out.py"])  # noqa: S108 - must be refused
def test_an_unsafe_path_is_never_written(cli: CommandLine, path: str) -> None:
    """An answer with a path that leads out is no valid file: exit code 1, and nothing is written."""
    folder = cli.folder / "inside"
    cli.answers(*[replace(ARTIFACT, file_path=path).to_json()] * 2)
    assert cli.run("Write one", "--write", str(folder))[0] == 1
    assert list(cli.folder.rglob("*.py")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
@pytest.mark.parametrize("forced", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("name", ["src", "src/one.py"], ids=["folder", "dangling file"])
def test_a_symbolic_link_does_not_lead_out(cli: CommandLine, name: str, forced: list[str]) -> None:
    """A link in the folder that leads out of it is refused, and nothing is written there, with or without ``--force``."""
    folder, outside = cli.folder / "inside", cli.folder / "outside"
    outside.mkdir()
    link = folder / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside if name == "src" else outside / "one.py")
    code, _, err = cli.run("Write one", "--write", str(folder), *forced)
    assert code == 2
    assert "leads out of" in err
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["src", "src/one.py"], ids=["folder is a file", "file is a folder"])
@pytest.mark.parametrize("forced", [[], ["--force"]], ids=["", "force"])
def test_what_cannot_be_written_is_an_error(cli: CommandLine, path: str, forced: list[str]) -> None:
    """Where a file stands in the way of a folder, or a folder in the way of the file, the error does not offer ``--force``."""
    if path == "src":
        (cli.folder / path).write_text("mine", encoding="utf-8")
    else:
        (cli.folder / path).mkdir(parents=True)
    code, _, err = cli.run("Write one", "--write", str(cli.folder), *forced)
    assert code == 2
    assert "cannot be written" in err
    assert "--force" not in err


ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e"


def test_escapes_of_a_valid_answer_are_not_printed(cli: CommandLine) -> None:
    """Control characters in code, path and explanation never reach the terminal; ``--write`` still writes the code as it is."""
    cli.answers(Artifact(f"x = '{ESCAPES}'\n", "py", "a\x9b31m.py", ESCAPES).to_json())
    code, out, err = cli.run("Write one", "--write", str(cli.folder / "new"))
    assert code == 0
    assert not set(ESCAPES[:1] + "\x07\x9b\u202e") & set(out + err)
    assert (cli.folder / "new" / "a\x9b31m.py").read_text(encoding="utf-8") == f"x = '{ESCAPES}'\n"


def test_escapes_of_an_invalid_answer_are_not_printed(cli: CommandLine) -> None:
    """Control characters of an answer that is no file never reach the terminal."""
    cli.answers(ESCAPES, ESCAPES)
    code, out, err = cli.run("Write one")
    assert code == 1
    assert not set("\x1b\x07\x9b\u202e") & set(out + err)


def test_escapes_of_a_server_are_not_printed(cli: CommandLine) -> None:
    """Control characters of a server's error never reach the terminal."""
    cli.server.routes[CHAT] = lambda _: as_json({"error": {"message": ESCAPES}}, 500)
    code, out, err = cli.run("Write one")
    assert code == 2
    assert not set("\x1b\x07\x9b\u202e") & set(out + err)


def test_markup_in_an_answer_is_text(cli: CommandLine) -> None:
    """What rich would take for markup is printed as it stands."""
    cli.answers(replace(ARTIFACT, code="x[red] = '[/nothing]'\n", explanation="Sets [bold]x[/bold].").to_json())
    _, out, _ = cli.run("Write one")
    assert "x[red] = '[/nothing]'" in out
    assert "Sets [bold]x[/bold]." in out


def test_memory_survives_into_a_second_process(cli: CommandLine) -> None:
    """What one process remembered stands in the prompt of the next."""
    first = _process("-m", "agent", "--remember", FACT, *cli.options)
    second = _process("-m", "agent", "Write one", "--json", *cli.options)
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert _facts(second.stdout) == [FACT]
    assert f"\n- {FACT}\n" in _system(cli.server)


def test_a_plain_terminal_is_enough(cli: CommandLine) -> None:
    """Where standard output takes ASCII alone, everything is printed with what is missing replaced, without a traceback."""
    cli.answers(replace(ARTIFACT, code="x = 'Grüße 🚀'\n", explanation="Grüßt.").to_json())
    ended = _process("-m", "agent", "Write one", *cli.options, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert ended.returncode == 0, ended.stderr
    assert b"x = 'Gr??e ?'" in ended.stdout
    assert ended.stderr == b""


def test_nobody_there_is_one_line() -> None:
    """An unreachable target is exit code 2 and one line that says what was tried and what to do, without a traceback."""
    with refusing_port() as port:
        ended = _process("-m", "agent", "Write one", "--target", f"http://127.0.0.1:{port}/v1")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.startswith(b"error: No OpenAI-compatible server answers: ")
    assert b"Next: start it, or check --target" in ended.stderr
    assert ended.stderr.count(b"\n") == 1


def test_help_imports_nothing_heavy() -> None:
    """``--help`` explains the options and exit codes, and imports neither mem0, openai, xllamacpp nor rich."""
    ended = _process("-X", "importtime", "-m", "agent", "--help")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.decode().splitlines()}
    assert ended.returncode == 0
    assert b"exit codes: 0 a valid file, 1 the model gave none, 2 something was wrong" in ended.stdout
    assert {"argparse", "agent"} <= imported
    assert not {"mem0", "openai", "xllamacpp", "rich", "httpx", "httpx2", "jsonschema", "numpy", "scipy", "pytest"} & imported


def test_an_unknown_option_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown stack is refused with those that exist."""
    with pytest.raises(SystemExit) as raised:
        main(["Write one", "--stack", "best"])
    assert raised.value.code == 2
    assert "'naive', 'optimized'" in capsys.readouterr().err


def test_a_target_may_come_from_the_environment(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """EVALS_TARGET and EVALS_MODEL stand in for the options, which override them."""
    monkeypatch.setenv("EVALS_TARGET", f"{cli.server.url}/v1")
    monkeypatch.setenv("EVALS_MODEL", "other")
    assert main(["Write one", *cli.options[2:]]) == 2
    assert "does not serve other; it serves coder" in cli.capture.readouterr().err
    assert main(["Write one", "--model", "coder", *cli.options[2:]]) == 0


def test_an_interrupt_is_exit_code_130(cli: CommandLine) -> None:
    """Ctrl-C while the model answers is one word and the usual exit code, without a traceback."""
    # A job in the background inherits that the signal is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(_: dict[str, Any]) -> Any:
        signal.raise_signal(signal.SIGINT)
        return chat_stream([event({}).decode()], pause=5.0)

    cli.server.routes[CHAT] = interrupt
    try:
        code, out, err = cli.run("Write one")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (code, out, err) == (130, "", "interrupted\n")
