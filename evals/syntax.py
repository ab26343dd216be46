"""Syntax: does code parse in the language that it is declared in? It is parsed, never executed.

The grammars are tree-sitter's (https://tree-sitter.github.io), and Python's own ``ast`` for Python. What this cannot tell: types,
names and imports are not looked at; the conditions of CSS at-rules are not; what a grammar does not know yet is refused, apart from
:data:`_GAPS`; Python's grammar is that of the Python that runs the suite. Nearly any prose parses as shell, so a script needs a
construct or a command that prose lacks, which a sentence with ``find`` or a dash before a word still has.
"""

from __future__ import annotations

import ast
import functools
import re
import tomllib
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_GRAMMARS = {
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "ts": ("tree_sitter_typescript", "language_typescript"),
    "js": ("tree_sitter_javascript", "language"),
    "css": ("tree_sitter_css", "language"),
    "sh": ("tree_sitter_bash", "language"),
}
_FAMILIES = {"tsx": "script", "ts": "script", "js": "script"}
CONSTRUCTS_FILE = Path(__file__).with_name("syntax.toml")

StandIn = str | Callable[[re.Match[str]], str]


def _without_words(match: re.Match[str]) -> str:
    """A string of CSS as a short one, and a comment as white space; both may hold what looks like a rule."""
    text = match[0]
    if text.startswith("/*"):
        return " " + "\n" * text.count("\n") if text.endswith("*/") and len(text) > 3 else text
    return '"s"' if text.endswith(text[0]) and len(text) > 1 else text


_STRING = r"{quote}(?:[^{quote}\\\n]|\\[\s\S]?)*(?:{quote}|\n|\Z)"
_PAIRED = r"\([^(){};@]*(?:\([^(){};@]*\)[^(){};@]*)*\)"
_SCRIPT_GAPS = (
    # A bare & in the text of JSX; where it is an operator or a type, | parses just the same.
    (r"(?<!&)&(?![&=])", "|"),
)
_GAPS_AS_WRITTEN: dict[str, tuple[tuple[str, StandIn], ...]] = {
    "tsx": _SCRIPT_GAPS,
    "ts": _SCRIPT_GAPS,
    "js": _SCRIPT_GAPS,
    "css": (
        # What is not closed is taken to its end, so that nothing is read twice, and left as it is.
        ("|".join((_STRING.format(quote='"'), _STRING.format(quote="'"), r"/\*[\s\S]*?(?:\*/|\Z)")), _without_words),
        # Ranges, names and layers in the conditions of at-rules, whose parentheses stand in pairs.
        (rf"@(?:media|container|supports|layer|page|scope)\b(?:[^(){{}};@]|{_PAIRED})*(?=\{{)", "@media all "),
        (r"@layer\b[\w\s,.-]*;", ""),
        (r"(@import\s+(?:url\([^)]{0,2000}\)|\"s\"))[^;{}@]*;", r"\1;"),
        # Nested selectors with & elsewhere than at the beginning, flags of attribute selectors, empty custom properties.
        (r"&", ".x"),
        (r"([\"'\w])\s+[iIsS]\]", r"\1]"),
        (r"((?<![\w-])--[\w-]+\s*:)\s*(?=[;}])", r"\1 0"),
        (r";(?:\s*;)+", ";"),
    ),
    # tree-sitter-bash 0.25.1 reads beyond a table, and may crash, where such a character follows a brace (its issue 337). To
    # the grammar of a shell they are letters like all others.
    "sh": ((r"[^\x00-\x7f]", "x"),),
}
_GAPS = {
    language: tuple((re.compile(pattern), stand_in) for pattern, stand_in in gaps) for language, gaps in _GAPS_AS_WRITTEN.items()
}
"""What the grammars do not know, or cannot bear, and what stands in for it: valid code must not be blamed for their gaps."""


def flaw(code: str, language: str) -> str | None:
    """What is wrong with the syntax of ``code``; ``None`` when it parses.

    ``language`` is one of ``tsx, ts, py, js, css, sh``. Code parses when its tree has neither an ERROR nor a MISSING node, and
    holds at least one construct that is proper to the language.
    """
    return _flaw_in_python(code) if language == "py" else _flaw_in_tree(code, language)


def tree(code: str, language: str) -> Node:
    """The root of the syntax tree of ``code``, which may hold errors, with stand-ins for what the grammar does not know.

    ``language`` is one of ``tsx, ts, js, css, sh``. For the first three every stand-in is as long as what it stands for, so that
    places in the tree are places in the code; in the other two the lines are the same and places in a line may differ.
    """
    for gap, stand_in in _GAPS[language]:
        code = gap.sub(functools.partial(_in_as_many_lines, stand_in), code)
    return _parser(language).parse(code.encode(errors="replace")).root_node


def _in_as_many_lines(stand_in: StandIn, match: re.Match[str]) -> str:
    """What stands in for a gap, with the line breaks that it would lose behind it."""
    text = stand_in(match) if callable(stand_in) else match.expand(stand_in)
    return text + "\n" * (match[0].count("\n") - text.count("\n"))


def nodes(root: Node, *, anonymous: bool = False) -> Iterator[Node]:
    """All nodes, parents first, without recursion: code may be nested as deeply as its author likes."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children if anonymous else node.named_children))


def _flaw_in_python(code: str) -> str | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            module = ast.parse(code)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"it cannot be parsed: {error or type(error).__name__}"
    return None if any(map(_is_python_construct, ast.walk(module))) else _no_construct("Python")


def _is_python_construct(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        # "Note: this" is an annotation.
        return node.value is not None
    return isinstance(node, ast.Call | ast.stmt) and not isinstance(node, ast.Expr | ast.Pass)


def _flaw_in_tree(code: str, language: str) -> str | None:
    root = tree(code, language)
    if root.has_error:
        return _first_error(root)
    if any(map(_is_fence, nodes(root))):
        return "it holds a code fence"
    shebang = code.startswith("#!")
    return None if any(_is_construct(node, language, shebang=shebang) for node in nodes(root)) else _no_construct(language)


def _first_error(root: Node) -> str:
    node = root
    # Some missing tokens are no node's child; then the innermost node that knows of one tells the line.
    while not (node.is_error or node.is_missing):
        inner = next((child for child in node.children if child.has_error), None)
        if inner is None:
            break
        node = inner
    what = f"{node.type} is missing" if node.is_missing else "it does not parse"
    return f"line {node.start_point.row + 1}: {what}"


def _is_fence(node: Node) -> bool:
    """Whether the node is a template that is called with a template, which is how three back ticks parse."""
    function = node.child_by_field_name("function") if node.type == "call_expression" else None
    return function is not None and function.type == "template_string"


def _is_construct(node: Node, language: str, *, shebang: bool) -> bool:
    if node.type in _words("constructs", _FAMILIES.get(language, language)):
        return True
    return node.type == "command" and (shebang or _is_known_command(node))


def _is_known_command(command: Node) -> bool:
    """Whether a shell's command is no prose: a well-known one, a path, or one with an option."""
    name, *arguments = [(word.text or b"").decode(errors="replace") for word in command.named_children] or [""]
    return "/" in name or name in _words("shell", "commands") or any(re.match(r"--?\w", argument) for argument in arguments)


def _no_construct(language: str) -> str:
    return f"it holds no construct of {language}"


@functools.cache
def _words(table: str, key: str) -> frozenset[str]:
    """One list of ``syntax.toml``."""
    return frozenset(tomllib.loads(CONSTRUCTS_FILE.read_text(encoding="utf-8"))[table][key].split())


@functools.cache
def _parser(language: str) -> Parser:
    from tree_sitter import Language, Parser

    module, function = _GRAMMARS[language]
    grammar: Callable[[], object] = getattr(import_module(module), function)
    return Parser(Language(grammar()))
