"""Syntax: what parses in which language, and what only looks as if it did."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.syntax import flaw
from fixtures.data import LANGUAGES

PARSES = {
    "component": ("tsx", "export function Card({ n }: { n: number }) {\n  return <p className='x'>{n}</p>;\n}"),
    "generic": ("ts", "export const first = <T,>(items: T[]): T | undefined => items[0];"),
    "interface": ("ts", "interface User { id: string }"),
    "type assertion": ("ts", "const n = <number>value;"),
    "template literal": ("js", "console.log(`${a} and \\`b\\``);"),
    "regular expression": ("js", "const quote = /[\"'\\\\]/g;"),
    "function": ("py", "def f(x: int) -> int:\n    return x\n"),
    "bad escape in a string": ("py", "pattern = '\\d'\n"),
    "one call": ("py", "print('hi')"),
    "rule": ("css", ".a > .b:hover { color: var(--x); }"),
    "at rule": ("css", "@media (min-width: 40rem) { .a { display: grid; } }"),
    "import": ("css", '@import "a.css";'),
    "one command": ("sh", 'rm -rf "build"'),
    "loop": ("sh", '#!/usr/bin/env bash\nfor f in *.log; do echo "$f"; done'),
    "heredoc": ("sh", "cat <<'EOF'\nSure, here it is\nEOF"),
    "media range": ("css", "@media (40rem <= width < 64rem) { .a { color: red } }"),
    "named container": ("css", "@container cards (min-width: 40rem) { .a { color: red } }"),
    "nested selector": ("css", ".a { .dark & { color: red } &:hover { color: blue } }"),
    "two semicolons": ("css", ".a { color: red;; }"),
    "attribute flag": ("css", '[data-theme="dark" i] { color: red }'),
    "page": ("css", "@page :first { margin: 1cm }"),
    "layers": ("css", '@import url("x") layer(base);\n@layer a.b, c;\n@layer a.b { .a { color: red } }'),
    "empty custom property": ("css", ":root { --empty:; --b: ; color: red }"),
    "supports": ("css", "@supports (display: grid) and (not (display: inline-grid)) { .a { float: none } }"),
    "at-rule in a comment": ("css", "/* Styles for @media screens */\n.a { color: red } /* @container */\n.b { color: red }"),
    "escapes in a string": ("css", ".a::before { content: '\\201C \\' @media x {' }"),
    "at-rule in a string": ("css", ".a::before { content: '@media (a) {' }"),
    "ampersand in JSX": ("tsx", 'export const A = () => <a href="/s?q=a&page=2">Save & close</a>;'),
    "ampersands": ("ts", "type A = B & C; export const x = a && b; y &&= z; const q = a & b;"),
    "tagged template": ("js", "const page = html`<p>${x}</p>`;"),
    "unknown command below a shebang": ("sh", "#!/usr/bin/env bash\nuvicorn app:app"),
    "unknown command with an option": ("sh", "docker-compose up -d"),
    "redirect": ("sh", "pg_dump mydb > backup.sql"),
    "path as a command": ("sh", "./gradlew build"),
    "arithmetic": ("sh", "((x++))"),
    "dot": ("sh", ". ./env.sh"),
    "non-ASCII": ("js", "const größe = '🚀';"),
}

DOES_NOT_PARSE = {
    "empty body": ("ts", "function f( {", "line 1: it does not parse"),
    "jsx in ts": ("ts", "export const a = <div className='x'>hi</div>;", "does not parse"),
    "types in js": ("js", "const x: number = 1;", "does not parse"),
    "prose": ("ts", "Here is the component you asked for.", "does not parse"),
    "one word": ("ts", "Done!", "no construct of ts"),
    "words with semicolons": ("js", "a; b; c", "no construct of js"),
    "label": ("js", "Note: below", "no construct of js"),
    "comment": ("js", "// the code", "no construct of js"),
    "fence": ("py", "```python\nx = 1\n```", "line 1:"),
    "annotation only": ("py", "Note: this", "no construct of Python"),
    "docstring only": ("py", '"""Does something."""', "no construct of Python"),
    "missing colon": ("py", "def f()\n    pass", "line 1: expected ':'"),
    "NUL": ("py", "x = '\0'", "null bytes"),
    "deep": ("py", "(" * 10_000, ""),
    "fence in js": ("js", "```js\nconst x = 1;\n```", "it holds a code fence"),
    "fence around broken ts": ("ts", "```ts\nfunction broken( {\n```", "it holds a code fence"),
    "fence around prose": ("tsx", "Here:\n```\nhello world\n```", ""),
    "no value": ("css", ".a { color: ; }", "line 1"),
    "open comment": ("css", ".a { color: red } /* to do", "line 1"),
    "below a comment": ("css", "/* one\ntwo */\n.a { color: ; }", "line 3"),
    "below a condition": (
        "css",
        "@media (min-width: 1px)\n and (max-width: 2px) {\n a { color: red }\n}\n b { color: }}\n",
        "line 5",
    ),
    "below a long string": ("css", ".a { content: 'one\\\ntwo'; }\n.b { color: ; }", "line 3"),
    "open string": ("css", ".a { content: 'x; }", "line 1"),
    "open condition": ("css", "@media (min-width: 40rem { .a { color: red } }", "line 1"),
    "selector alone": ("css", "body", "does not parse"),
    "declaration alone": ("css", "color: red;", "no construct of css"),
    "open block": ("css", ".a { color: red;", "line 1"),
    "prose as a command": ("sh", "Here is a script that deletes old files.", "no construct of sh"),
    "open quote": ("sh", "echo 'hi", "does not parse"),
    "missing fi": ("sh", "if true; then\n  echo hi\n", "line 3: fi is missing"),
    "shebang alone": ("sh", "#!/bin/bash\n", "no construct of sh"),
}


@pytest.mark.parametrize(("language", "code"), PARSES.values(), ids=PARSES)
def test_code_parses(language: str, code: str) -> None:
    """Code in its language has no flaw."""
    assert flaw(code, language) is None


@pytest.mark.parametrize(("language", "code", "reason"), DOES_NOT_PARSE.values(), ids=DOES_NOT_PARSE)
def test_what_is_no_code_is_refused_with_its_reason(language: str, code: str, reason: str) -> None:
    """Broken code, and prose that happens to parse, have a flaw that says what it is and where."""
    found = flaw(code, language)
    assert found is not None
    assert reason in found


def test_prose_with_a_command_is_the_known_limit() -> None:
    """A sentence that begins with the name of a command passes for a script: the limit that the module states."""
    assert flaw("find the files that are older than a week", "sh") is None


@pytest.mark.parametrize("language", LANGUAGES)
@given(code=st.text())
def test_any_text_is_judged(language: str, code: str) -> None:
    """Whatever the text is, it parses or has a flaw, and nothing is raised, warned of or executed."""
    text = code.encode("utf-8", "replace").decode()
    with warnings.catch_warnings(action="error"):
        assert flaw(text, language) is None or flaw(text, language)


@pytest.mark.parametrize("language", LANGUAGES)
@given(data=st.data())
def test_any_damage_to_code_is_judged(language: str, data: st.DataObject) -> None:
    """Whatever piece is cut out of good code, or doubled, it parses or has a flaw."""
    code = data.draw(st.sampled_from([code for of, code in PARSES.values() if of == language]))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(code)), st.integers(0, len(code)))))
    middle = data.draw(st.sampled_from(["", code[start:end] * 2, "&", "`", ";"]))
    assert flaw(code[:start] + middle + code[end:], language) != ""


@pytest.mark.parametrize("text", ["@media ", "@import url(", "--", "-", "(", "& ", "``", "; ", "a i", "/* ", "'", '\\"'])
@pytest.mark.parametrize("language", LANGUAGES)
def test_long_nonsense_is_judged(language: str, text: str) -> None:
    """Many characters of one thing over and over are judged; none of the patterns runs away. The grammars need a time that grows
    with the square for comments that are never closed, so there are fewer of these.
    """
    characters = 10_000 if text == "/* " else 100_000
    assert flaw(text * (characters // len(text)), language) != ""


def test_characters_beyond_ascii_crash_no_shell_grammar() -> None:
    """A brace before any character of another plane, which crashes tree-sitter-bash 0.25.1, is judged like other text."""
    assert all(flaw(f"echo {{{chr(point)}", "sh") is None for point in range(0x10000, 0x110000, 0x1F1))


@pytest.mark.parametrize("language", LANGUAGES)
def test_deep_nesting_is_judged(language: str) -> None:
    """A hundred thousand open brackets neither crash nor recurse."""
    assert flaw("([{" * 33_000, language) is not None
