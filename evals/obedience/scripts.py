"""Programs in TypeScript and JavaScript: the few questions that the checkers ask of their syntax trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evals import syntax
from evals.obedience.finding import Offence

if TYPE_CHECKING:
    from tree_sitter import Node

LANGUAGES = ("tsx", "ts", "js")

_WRAPPERS = ("parenthesized_expression", "non_null_expression", "as_expression", "satisfies_expression")


def program(code: str, language: str) -> Node | None:
    """The root of the tree; ``None`` when the language is another one, or the code does not parse."""
    if language not in LANGUAGES:
        return None
    root = syntax.tree(code, language)
    return None if root.has_error else root


def text(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode(errors="replace")


def offence(node: Node, reason: str) -> Offence:
    """What is wrong at the node."""
    return Offence(node.start_point.row, node.start_point.column, reason)


def literal(node: Node | None) -> str | None:
    """The characters between the quotes of a string, or of a template without substitutions; ``None`` for other nodes."""
    if node is None or node.type not in ("string", "template_string"):
        return None
    if any(child.type == "template_substitution" for child in node.named_children):
        return None
    return text(node)[1:-1]


def unwrapped(node: Node) -> Node:
    """The expression inside parentheses, non-null assertions and type assertions."""
    while node.type in _WRAPPERS and node.named_children:
        node = node.named_children[0]
    return node


def member(node: Node) -> tuple[Node, Node, str] | None:
    """The object of ``a.b``, ``a?.b`` or ``a["b"]``, the node of its property and the property's name; ``None`` for other nodes."""
    thing = node.child_by_field_name("object")
    if node.type == "member_expression":
        name = node.child_by_field_name("property")
        return None if thing is None or name is None else (thing, name, text(name))
    if node.type == "subscript_expression":
        index = node.child_by_field_name("index")
        name_of_index = literal(index)
        return None if thing is None or index is None or name_of_index is None else (thing, index, name_of_index)
    return None


def key(pair: Node) -> str | None:
    """The name that a property of an object literal has, quoted or not."""
    name = pair.child_by_field_name("key")
    return None if name is None else literal(name) or text(name)


def callee(call: Node) -> Node | None:
    """What a call calls; ``None`` for what is no call."""
    function = call.child_by_field_name("function") if call.type == "call_expression" else None
    return None if function is None else unwrapped(function)


def callee_name(call: Node) -> str | None:
    """The last name of what a call calls: ``memo`` for ``memo(…)`` and ``React.memo(…)``."""
    called = callee(call)
    if called is None:
        return None
    found = member(called)
    return found[2] if found else text(called) if called.type in ("identifier", "import") else None


def arguments(call: Node) -> list[Node]:
    """The arguments of a call, without comments."""
    given = call.child_by_field_name("arguments")
    return [] if given is None else [node for node in given.named_children if node.type != "comment"]


def sources(root: Node) -> Iterator[tuple[Node, str]]:
    """Every import, ``require`` and dynamic ``import()`` of a module, and the name of that module."""
    for node in syntax.nodes(root):
        if node.type == "import_statement":
            name = literal(node.child_by_field_name("source"))
        elif callee_name(node) in ("require", "import"):
            name = literal(next(iter(arguments(node)), None))
        else:
            continue
        if name is not None:
            yield node, name


def whole_imports(statement: Node) -> Iterator[str]:
    """The names that an import gives to a whole module: its default and its namespace."""
    for clause in statement.named_children:
        for node in clause.named_children if clause.type == "import_clause" else ():
            if node.type == "identifier":
                yield text(node)
            elif node.type == "namespace_import":
                yield from map(text, node.named_children)


def shown(node: Node) -> str:
    """The beginning of a node's source, to name it in a sentence."""
    source = " ".join(text(node).split())
    return source if len(source) <= 30 else source[:29] + "…"
