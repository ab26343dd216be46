"""named-exports: the user wants named exports and no default export.

Violated by ``export default``, ``export { x as default }``, ``export { default } from``, ``export * as default from``, and by
what is the same to CommonJS and TypeScript: ``module.exports = x`` for anything but an object literal, ``exports.default = x``
and ``export = x``. Obeyed by any other export, of types alone too, where ``export { default as X } from`` gives another module's
default a name and ``module.exports = { a, b }`` names what it exports. Files whose tools demand a default export (the
configuration of Vite, the pages of Next.js) are no exception. Not applicable where nothing is exported, as in ``export {}``. What
stands inside a ``declare module`` describes another module and is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.artifact import Artifact
from evals import syntax
from evals.obedience import scripts
from evals.obedience.finding import OBEYED, Finding, Offence, first_violation, not_applicable

if TYPE_CHECKING:
    from tree_sitter import Node


def check(artifact: Artifact) -> Finding:
    """Whether a module exports by name only."""
    root = scripts.program(artifact.code, artifact.language)
    if root is None:
        return not_applicable("the preference is about TypeScript and JavaScript")
    exports = [*_exports(root), *_common_exports(root)]
    if violation := first_violation(artifact.code, (found for found in exports if found.reason)):
        return violation
    return OBEYED if exports else not_applicable("it exports nothing")


def _exports(root: Node) -> Iterator[Offence]:
    """Every export of the module itself; those that are named have no reason to be blamed."""
    for statement in (node for node in root.named_children if node.type == "export_statement"):
        for token in statement.children:
            if token.type == "default":
                yield scripts.offence(token, "a default export; export it by its name")
            elif token.type == "=":
                yield scripts.offence(token, "the whole module is one export; export by name")
            elif token.type == "export_clause":
                yield from map(_specified, (node for node in token.named_children if node.type == "export_specifier"))
            elif token.type == "namespace_export":
                yield _named(token, token.named_children[-1])
            elif token.is_named:
                yield scripts.offence(token, "")


def _specified(specifier: Node) -> Offence:
    name = specifier.child_by_field_name("alias") or specifier.child_by_field_name("name")
    return _named(specifier, name or specifier)


def _named(node: Node, name: Node) -> Offence:
    is_default = (scripts.literal(name) or scripts.text(name)) == "default"
    return scripts.offence(node, "it is exported as the default; export it by its name" if is_default else "")


def _common_exports(root: Node) -> Iterator[Offence]:
    """Every export of CommonJS, in the same way."""
    values: dict[int, Node] = {}
    for node in syntax.nodes(root):
        left = node.child_by_field_name("left") if node.type == "assignment_expression" else None
        if left is None:
            continue
        path, value, right = _path(left), values.pop(node.id, None) or _assigned(node), node.child_by_field_name("right")
        if right is not None and right.type == "assignment_expression":
            # Its value is the same; looked for anew at each, a long chain takes for ever.
            values[right.id] = value
        if path == ("module", "exports"):
            is_object = value.type == "object"
            yield scripts.offence(node, "" if is_object else "the whole module is one export; export by name")
        elif path[:-1] in (("exports",), ("module", "exports")):
            is_default = path[-1] == "default"
            yield scripts.offence(node, "it is exported as the default; export it by its name" if is_default else "")


def _path(node: Node) -> tuple[str, ...]:
    """The names of ``a.b.c``, at most three, which is all that matters here; empty when a part is no name."""
    names: list[str] = []
    while (found := scripts.member(node)) and len(names) < 3:
        names.insert(0, found[2])
        node = found[0]
    return (scripts.text(node), *names) if node.type == "identifier" else ()


def _assigned(assignment: Node) -> Node:
    """The last value of ``a = b = value``."""
    node: Node | None = assignment
    while node is not None and node.type == "assignment_expression":
        assignment, node = node, node.child_by_field_name("right")
    return assignment if node is None else scripts.unwrapped(node)
