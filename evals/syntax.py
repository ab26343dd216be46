"""Syntax: does code parse in the language that it is declared in? It is parsed, never executed.

The grammars are tree-sitter's (https://tree-sitter.github.io), and Python's own ``ast`` for Python. What this cannot tell: types,
names and imports are not looked at; code that a newer version of a language allows may be refused; and nearly any prose parses as
shell, so a script needs a construct or a command that prose lacks, which prose with ``find`` at the start of a line still has.
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

_NON_ASCII = re.compile(r"[^\x00-\x7f]")
CONSTRUCTS_FILE = Path(__file__).with_name("syntax.toml")


def flaw(code: str, language: str) -> str | None:
    """What is wrong with the syntax of ``code``; ``None`` when it parses.

    ``language`` is one of ``tsx, ts, py, js, css, sh``. Code parses when its tree has neither an ERROR nor a MISSING node, and
    holds at least one construct that is proper to the language.
    """
    return _flaw_in_python(code) if language == "py" else _flaw_in_tree(code, language)


def _flaw_in_python(code: str) -> str | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(code)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"it cannot be parsed: {error or type(error).__name__}"
    return None if any(map(_is_python_construct, ast.walk(tree))) else _no_construct("Python")


def _is_python_construct(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        # "Note: this" is an annotation.
        return node.value is not None
    return isinstance(node, ast.Call | ast.stmt) and not isinstance(node, ast.Expr | ast.Pass)


def _flaw_in_tree(code: str, language: str) -> str | None:
    if language == "sh":
        # tree-sitter-bash 0.25.1 reads beyond a table, and may crash, where such a character follows a brace (its issue 337). To
        # the grammar of a shell they are letters like all others.
        code = _NON_ASCII.sub("x", code)
    root = _parser(language).parse(code.encode()).root_node
    if root.has_error:
        return _first_error(root)
    return None if any(_is_construct(node, language) for node in _nodes(root)) else _no_construct(language)


def _first_error(root: Node) -> str:
    node = next(node for node in _nodes(root, anonymous=True) if node.is_error or node.is_missing)
    what = f"{node.type} is missing" if node.is_missing else "it does not parse"
    return f"line {node.start_point.row + 1}: {what}"


def _is_construct(node: Node, language: str) -> bool:
    if node.type in _words("constructs", language):
        return True
    return node.type == "command_name" and (node.text or b"").decode(errors="replace") in _words("commands", language)


def _no_construct(language: str) -> str:
    return f"it holds no construct of {language}"


def _nodes(root: Node, *, anonymous: bool = False) -> Iterator[Node]:
    """All nodes, parents first, without recursion: code may be nested as deeply as its author likes."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children if anonymous else node.named_children))


@functools.cache
def _words(table: str, language: str) -> frozenset[str]:
    """One list of ``syntax.toml``."""
    return frozenset(tomllib.loads(CONSTRUCTS_FILE.read_text(encoding="utf-8"))[table][language].split())


@functools.cache
def _parser(language: str) -> Parser:
    from tree_sitter import Language, Parser

    module, function = _GRAMMARS[language]
    grammar: Callable[[], object] = getattr(import_module(module), function)
    return Parser(Language(grammar()))
