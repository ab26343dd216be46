"""What is told on a terminal, in a pipe and in pytest's report."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.grid import Block, Grid, block_lines, wrapped
from evals.run import Run, ServedTarget
from evals.selftest.factories import run_of, saved_file
from evals.selftest.live_session import ROOT, live_session, routes, valid
from evals.selftest.scripted_server import scripted_server
from evals.terminal import styled_lines

EVIL = "\x1b[2J\x1b]0;owned\x07 [red]x[/red] \x00 \u202eright\u202c :smile:"
HARMLESS = "\ufffd[2J\ufffd]0;owned\ufffd [red]x[/red] \ufffd \ufffdright\ufffd :smile:"
SGR = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")
RULE = "─"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two saved runs, of which the second names its model and its disclaimer with what could command a terminal."""
    storage = tmp_path_factory.mktemp("runs")
    (folder := storage / "Linux").mkdir()
    _save(run_of({"a": [True], "b": [False]}, "run-1"), folder / "0001_x.json")
    run = run_of({"a": [True], "b": [False]}, "run-2")
    target = ServedTarget("embedded", EVIL, "s", None, EVIL)
    _save(replace(run, header=replace(run.header, target=target)), folder / "0002_x.json")
    return storage


def _save(run: Run, file: Path) -> None:
    file.write_text(json.dumps(saved_file(run)), encoding="utf-8")


def _command(storage: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "evals", *arguments, "--storage", str(storage), "--baselines", str(storage)]


def _environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "TERM", "COLORTERM")}
    return kept | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | changes


def in_pipe(storage: Path, *arguments: str, **environment: str) -> str:
    """What a command prints into a pipe."""
    return subprocess.run(
        _command(storage, *arguments), cwd=ROOT, env=_environment(**environment), capture_output=True, encoding="utf-8", check=False
    ).stdout


def on_terminal(storage: Path, *arguments: str, columns: int = 100, **environment: str) -> str:
    """What a command prints on a terminal of so many columns."""
    pty = pytest.importorskip("pty", reason="there are no pseudo terminals here")
    import fcntl
    import struct
    import termios

    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = subprocess.Popen(
        _command(storage, *arguments), cwd=ROOT, env=_environment(**environment), stdout=terminal, stdin=terminal
    )
    os.close(terminal)
    with os.fdopen(reader, "rb") as printed:
        shown = b"".join(_until_hung_up(printed.fileno()))
    command.wait()
    return shown.decode().replace("\r\n", "\n")


def _until_hung_up(reader: int) -> list[bytes]:
    read = []
    try:
        while chunk := os.read(reader, 65536):
            read.append(chunk)
    except OSError:
        # How Linux says that the other end is closed.
        pass
    return read


def plain(shown: str) -> str:
    """What is left without styles and rules."""
    lines = [line.rstrip() for line in SGR.sub("", shown).splitlines() if RULE not in line]
    return "\n".join(lines)


def controls(text: str) -> list[str]:
    """The characters of a text that could command a terminal."""
    return [character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Cs")]


def test_a_terminal_shows_styles(storage: Path) -> None:
    """On a terminal headers are bold with a rule below, and the verdict has its colour."""
    shown = on_terminal(storage, "show", "1")
    assert "\x1b[1mwarm prefix cache" in shown
    assert f"\x1b[2m{RULE * 17}" in shown
    assert "naive-warm: \x1b[2mNOT JUDGED\x1b[0m, 50% valid" in shown
    assert on_terminal(storage, "gate", "1", "1").startswith("\x1b[1;35mINVALID\x1b[0m: nothing can be judged")


@pytest.mark.parametrize("arguments", [("show", "1"), ("compare", "1", "2"), ("gate", "1", "2")])
def test_a_terminal_shows_what_a_pipe_holds(storage: Path, arguments: tuple[str, ...]) -> None:
    """But for styles and rules it is the same text, folded at the same places."""
    piped = in_pipe(storage, *arguments, COLUMNS="60")
    assert piped
    assert plain(on_terminal(storage, *arguments, columns=60)) == piped.rstrip("\n")


def test_no_color_is_honoured(storage: Path) -> None:
    """With ``NO_COLOR`` no colour is sent, and the table and its bold header are there; an empty one is none."""
    shown = on_terminal(storage, "gate", "1", "1", NO_COLOR="1") + on_terminal(storage, "show", "1", NO_COLOR="1")
    assert not COLOUR.search(shown)
    assert "\x1b[1mwarm prefix cache" in shown
    assert COLOUR.search(on_terminal(storage, "gate", "1", "1", NO_COLOR=""))


def test_a_dumb_terminal_gets_plain_text(storage: Path) -> None:
    """With ``TERM=dumb`` no escape sequence is sent."""
    shown = on_terminal(storage, "show", "1", TERM="dumb")
    assert "\x1b" not in shown
    assert "warm prefix cache" in shown


@pytest.mark.parametrize("arguments", [("show", "1"), ("compare", "1", "2"), ("gate", "1", "2")])
def test_a_pipe_gets_plain_text(storage: Path, arguments: tuple[str, ...]) -> None:
    """No escape sequence is in what another program reads."""
    piped = in_pipe(storage, *arguments)
    assert piped
    assert not controls(piped.replace("\n", ""))


def test_hostile_texts_are_shown_and_not_obeyed(storage: Path) -> None:
    """Escape sequences, markup, zero bytes and changes of direction in a saved run are shown as what they are."""
    for shown in (in_pipe(storage, "show", "2"), on_terminal(storage, "show", "2", columns=200)):
        assert shown.startswith(f"target: {HARMLESS} on s\n")
        assert shown.count(HARMLESS) == 2
        assert not controls(SGR.sub("", shown).replace("\n", ""))


def test_pytest_decides_for_its_report(tmp_path: Path) -> None:
    """With ``--color=yes`` the summary of a session has styles in a pipe, too, as pytest's own lines have."""
    with scripted_server(routes(valid)) as server:
        output = live_session(server.url, tmp_path, "--task", "retry-call", "--epochs", "1", "--color=yes").output
    assert "\x1b[1mwarm prefix cache" in output
    assert f"\x1b[2m{RULE * 17}" in output


WORDS = ("PASS", "FAIL", "INCONCLUSIVE", "INVALID", "INCOMPLETE", "UNLIKE OR INCOMPLETE", "NOT JUDGED")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("line", ["{}: why", "naive-warm: {}, why", "  latency, naive-warm: {}, why", "7 other series are {}"])
def test_a_verdict_is_styled_where_it_stands(word: str, line: str) -> None:
    """A verdict alone is styled, and without its colours the line is the same."""
    (shown,) = styled_lines([line.format(word)], 80)
    assert re.fullmatch(rf"[^\x1b]*\x1b\[[0-9;]+m{word}\x1b\[0m[^\x1b]*", shown)
    assert SGR.sub("", shown) == line.format(word)


@pytest.mark.parametrize("line", ["PASSED: why", "named-exports: violated, line 2: PASS, he said", "all PASS: no", "a: PASS word"])
def test_what_is_quoted_is_no_verdict(line: str) -> None:
    """The word of a verdict elsewhere, where a model may have written it, has no style."""
    assert styled_lines([line], 80) == [line]


def test_the_disclaimer_stands_back() -> None:
    """What is said aside is dim and italic, and the empty lines are empty."""
    assert styled_lines(["", "Not a real model."], 80, aside="Not a real model.") == ["", "\x1b[2;3mNot a real model.\x1b[0m"]
    assert styled_lines([""], 80, aside="") == [""]


def test_a_terminal_without_line_drawing_gets_dashes() -> None:
    """Where the terminal's encoding has no rule, it is of hyphens, and a character that it lacks is a question mark."""
    lines = styled_lines([Grid(("titel",), (("ж",),))], 80, encoding="latin-1")
    assert [SGR.sub("", line) for line in lines] == ["titel", "-----", "?    "]


def test_an_indent_hangs() -> None:
    """Where a paragraph is wrapped its indent is that of every line, and a table stays as it is."""
    grid = Grid(("title",), ())
    assert wrapped(["  one two", grid, ""], 6) == ["  one", "  two", grid, ""]


TEXT = st.text(st.characters(codec=None, exclude_characters=RULE), max_size=30)


def grids(columns: int) -> st.SearchStrategy[Grid]:
    """Any tables of so many columns, of which the first one has a title."""
    titles = st.tuples(TEXT.map("x".__add__), *[TEXT] * (columns - 1))
    rows = st.lists(st.tuples(*[TEXT] * columns), max_size=4).map(tuple)
    return st.builds(Grid, titles, rows, st.sets(st.integers(0, 3)))


@given(st.lists(st.one_of(TEXT, st.integers(1, 4).flatmap(grids)), max_size=4), st.integers(20, 160))
@example([EVIL, Grid((EVIL, "b"), ((EVIL, "[/]"),))], 40)
def test_nothing_that_is_told_commands_a_terminal(blocks: list[Block], width: int) -> None:
    """Whatever texts there are, no line has a control character, those of the styles left out; and both forms fold alike."""
    told, shown = block_lines(blocks, width), [SGR.sub("", line) for line in styled_lines(blocks, width)]
    assert not controls("".join(told + shown))
    assert [line.rstrip() for line in shown if RULE not in line] == [line.rstrip() for line in told]
