"""Class names: the words that the ``className`` attributes of a component may hold, where they are written in the same file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from evals import syntax
from evals.obedience import scripts

if TYPE_CHECKING:
    from tree_sitter import Node

ATTRIBUTES = ("className", "class")

_FUNCTIONS = ("function_declaration", "function_expression", "arrow_function")
# What decides between classes, or finds one, and is none itself.
_NO_CLASSES = {
    "ternary_expression": "condition",
    "subscript_expression": "index",
    "switch_case": "value",
    "if_statement": "condition",
    "variable_declarator": "name",
    "arrow_function": "parameters",
}
_COMPARISONS = ("===", "!==", "==", "!=", "<", ">", "<=", ">=", "in", "instanceof")


class Word(NamedTuple):
    """One class, a NUL for each part that is put in while the program runs, and the string that it is written in."""

    name: str
    node: Node


def words(root: Node, values: list[Node]) -> Iterator[Word]:
    """The classes in the values of class attributes: in their strings, and in the variables and functions that they name.

    Each definition is looked at once. What comes from elsewhere (props, imports) holds no words.
    """
    definitions = dict(_definitions(root))
    waiting = list(reversed(values))
    while waiting:
        node = waiting.pop()
        if node.type in ("string", "template_string"):
            yield from (Word(name, node) for name in _written(node))
        if node.type in ("identifier", "shorthand_property_identifier"):
            definition = definitions.pop(scripts.text(node), None)
            waiting.extend([definition] if definition is not None else [])
        else:
            waiting.extend(reversed(_parts(node)))


def _definitions(root: Node) -> Iterator[tuple[str, Node]]:
    """What the variables and functions of a file stand for, by their names."""
    for node in syntax.nodes(root):
        name = node.child_by_field_name("name")
        if name is None or name.type != "identifier":
            continue
        value = node.child_by_field_name("value") if node.type == "variable_declarator" else node
        if value is not None and node.type in ("variable_declarator", "function_declaration"):
            yield scripts.text(name), value


def _parts(node: Node) -> list[Node]:
    """The parts of an expression in which classes may stand."""
    if node.type == "binary_expression":
        operator = node.child_by_field_name("operator")
        sides = [node.child_by_field_name("left"), node.child_by_field_name("right")]
        if operator is not None and operator.type in _COMPARISONS:
            return []
        return [side for side in (sides[1:] if operator is not None and operator.type == "&&" else sides) if side is not None]
    if node.type == "pair":
        return _parts_of_pair(node)
    if node.type in _FUNCTIONS:
        return _returned(node)
    left_out = node.child_by_field_name(_NO_CLASSES[node.type]) if node.type in _NO_CLASSES else None
    return [child for child in node.named_children if child != left_out]


def _parts_of_pair(pair: Node) -> list[Node]:
    """Of ``{ "p-4": isWide }`` the key, of ``{ wide: "p-4" }`` the value."""
    key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
    if key is not None and key.type == "string" and (value is None or not _holds_classes(value)):
        return [key]
    return [] if value is None else [value]


def _holds_classes(value: Node) -> bool:
    return value.type in ("string", "template_string", "object", "array", "ternary_expression", "arrow_function")


def _returned(function: Node) -> list[Node]:
    """What a function returns, functions inside it left alone."""
    body = function.child_by_field_name("body")
    if body is None or body.type != "statement_block":
        return [] if body is None else [body]
    found: list[Node] = []
    waiting = [body]
    while waiting:
        node = waiting.pop()
        if node.type == "return_statement":
            found.extend(node.named_children)
        elif node.type not in _FUNCTIONS:
            waiting.extend(reversed(node.named_children))
    return found


def _written(node: Node) -> list[str]:
    """The words of a string, or of a template."""
    fragments = ("\0" if child.type == "template_substitution" else scripts.text(child) for child in node.named_children)
    return [word for word in "".join(fragments).split() if word.strip("\0")]
