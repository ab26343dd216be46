"""Parameters without a type: those that TypeScript's strict mode refuses as an implicit ``any``.

A function that is written where its type is known takes the types of its parameters from there, as in ``onClick={(e) => …}`` or
``const f: Handler = (e) => …``. So a parameter is only named here when nothing around it can give it a type:

- those of declarations, of methods of classes, of signatures and of function types, which take no types from elsewhere;
- those of a function that is the value of a variable, a field, a default or ``export default`` without a type, also through
  parentheses, conditions, arrays and objects, or that is returned from a function whose result has no type;
- those of a function given to ``useCallback`` without type arguments, where that call has no type either, and those that take
  properties apart in ``memo`` and ``forwardRef``, where such properties do not exist.

All others pass, like the arguments of any other call. A parameter with a default takes its type from there, and so does a pattern
all of whose names have one; the parameter of a setter may take it from the getter. A hundred forms of functions were compared with
the compiler (TypeScript 5.9; ``selftest/obedience/parameters.tsx``): nothing that strict mode accepts is named here. What is missed
is mostly what is given to a generic function that finds no type for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from evals.obedience import scripts

if TYPE_CHECKING:
    from tree_sitter import Node

_SOMETIMES = ("arrow_function", "function_expression", "generator_function", "method_definition")
_ALWAYS = (
    "function_declaration", "generator_function_declaration", "function_signature", "method_signature", "abstract_method_signature",
    "call_signature", "construct_signature", "function_type", "constructor_type",
)  # fmt: skip
_PASSING = (
    "parenthesized_expression", "ternary_expression", "non_null_expression", "object", "pair", "array", "arguments",
)  # fmt: skip
# A method takes no types from what its class implements.
_GIVING_NOTHING = ("export_statement", "class_body")
_VALUES = ("variable_declarator", "public_field_definition", "required_parameter", "optional_parameter")
_PATTERNS = ("required_parameter", "optional_parameter")
_COMPOUND = ("object_pattern", "array_pattern")
_COMPONENTS = ("memo", "forwardRef")


class _Place(NamedTuple):
    """A node, whether its place gives it a type, and whether the function around it has a type for what is returned."""

    node: Node
    typed: bool
    returned: bool


def untyped(root: Node) -> Iterator[Node]:
    """Every parameter that has no type and can take none from where its function stands."""
    waiting = [_Place(root, typed=True, returned=True)]
    while waiting:
        place = waiting.pop()
        if place.node.type in _ALWAYS or (place.node.type in _SOMETIMES and not place.typed):
            yield from _bare(place.node)
        elif not place.typed and scripts.callee_name(place.node) in _COMPONENTS and _is_open(place.node):
            yield from _taken_apart(place.node)
        waiting.extend(_inside(place))


def _bare(function: Node) -> Iterator[Node]:
    """The parameters of a function that have neither type nor default."""
    if any(child.type == "set" for child in function.children):
        return
    alone = function.child_by_field_name("parameter")
    if alone is not None:
        yield alone
    listed = function.child_by_field_name("parameters")
    for parameter in listed.named_children if listed is not None else ():
        if parameter.type in _PATTERNS and not _has(parameter, "type", "value") and not _has_defaults(parameter):
            yield parameter


def _has_defaults(parameter: Node) -> bool:
    """Whether the parameter is ``this``, or a pattern whose names all have a default or are the rest."""
    whole = parameter.child_by_field_name("pattern")
    if whole is None or whole.type not in _COMPOUND:
        return whole is not None and whole.type == "this"
    waiting = [whole]
    while waiting:
        pattern = waiting.pop()
        if pattern.type in ("pair_pattern", *_COMPOUND):
            # Of a pair only the value is a pattern, and it stands last.
            waiting.extend(pattern.named_children[-1:] if pattern.type == "pair_pattern" else pattern.named_children)
        elif pattern.type not in ("object_assignment_pattern", "assignment_pattern", "rest_pattern", "comment"):
            return False
    return True


def _is_open(call: Node) -> bool:
    """Whether a call's type arguments are left to be found."""
    return not _has(call, "type_arguments")


def _taken_apart(call: Node) -> Iterator[Node]:
    """The parameters of a component in ``memo`` or ``forwardRef`` that take properties apart which no type has."""
    component = next(iter(scripts.arguments(call)), None)
    for parameter in _bare(component) if component is not None and component.type in _SOMETIMES else ():
        pattern = parameter.child_by_field_name("pattern")
        if pattern is not None and pattern.type in _COMPOUND:
            yield parameter


def _inside(place: _Place) -> list[_Place]:
    """The children of a node, each with what its place gives it."""
    node, typed, returned = place
    if node.type in _ALWAYS + _SOMETIMES:
        # What an arrow function without braces holds is what it returns.
        typed = returned = _has(node, "return_type") or (typed and node.type in _SOMETIMES)
    elif node.type in _VALUES:
        typed = _has(node, "type")
    elif node.type == "return_statement":
        typed = returned
    elif node.type == "call_expression":
        # Its type parameter is the very function that it is given.
        typed = typed or not (scripts.callee_name(node) == "useCallback" and _is_open(node))
    elif node.type == "binary_expression":
        # What stands left of ?? and || gives the right its type.
        typed = typed or any(child.type in ("??", "||") for child in node.children)
    elif node.type not in _PASSING:
        typed = node.type not in _GIVING_NOTHING
    is_list = node.type == "arguments"
    return [_Place(child, typed or (is_list and position > 0), returned) for position, child in enumerate(node.named_children)]


def _has(node: Node, *fields: str) -> bool:
    return any(node.child_by_field_name(field) is not None for field in fields)
