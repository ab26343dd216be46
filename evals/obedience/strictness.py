"""react-strict: the user targets React 18 with TypeScript strict mode.

Violated in TypeScript by the type ``any``, wherever it stands; by a comment that begins with ``@ts-ignore`` or ``@ts-nocheck``
(``@ts-expect-error`` fails when it is no longer needed, so it passes); by a parameter without a type, as :mod:`.parameters`
tells; and by what React 18 replaced: ``ReactDOM.render``, ``hydrate`` and ``unmountComponentAtNode``, called or imported.
``React.FC``, class components and assertions pass. All other TypeScript obeys, with or without React in it. JavaScript is not
applicable: an answer in the wrong language is counted elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.artifact import Artifact
from evals import syntax
from evals.obedience import parameters, scripts
from evals.obedience.finding import OBEYED, Finding, Offence, first_violation, not_applicable

if TYPE_CHECKING:
    from tree_sitter import Node

_REPLACED = ("render", "hydrate", "unmountComponentAtNode")
# As the compiler reads them: at the beginning of a comment.
_SILENCER = re.compile(r"/[/*]+\s*(@ts-(?:ignore|nocheck))\b")


def check(artifact: Artifact) -> Finding:
    """Whether TypeScript keeps to strict types, and to React 18."""
    root = scripts.program(artifact.code, artifact.language) if artifact.language in ("tsx", "ts") else None
    if root is None:
        return not_applicable("the preference is about TypeScript")
    offences = (*_loose_types(root), *_untyped(root), *_replaced(root))
    return first_violation(artifact.code, offences) or OBEYED


def _loose_types(root: Node) -> Iterator[Offence]:
    for node in syntax.nodes(root):
        if node.type == "predefined_type" and scripts.text(node) == "any":
            yield scripts.offence(node, "the type any")
        elif node.type == "comment" and (silencer := _SILENCER.match(scripts.text(node))):
            yield scripts.offence(node, f"{silencer[1]} silences the compiler")


def _untyped(root: Node) -> Iterator[Offence]:
    for parameter in parameters.untyped(root):
        yield scripts.offence(parameter, f"the parameter {scripts.shown(parameter)} has no type")


def _replaced(root: Node) -> Iterator[Offence]:
    """What an application of React 18 no longer calls, and the imports of it."""
    names = {"ReactDOM"}
    for statement, module in scripts.sources(root):
        if module == "react-dom":
            names.update(scripts.whole_imports(statement))
            yield from _imported(statement)
    for node in syntax.nodes(root):
        called = scripts.callee(node)
        found = scripts.member(called) if called is not None else None
        if found and found[2] in _REPLACED and found[0].type == "identifier" and scripts.text(found[0]) in names:
            yield scripts.offence(found[1], _reason(found[2]))


def _imported(statement: Node) -> Iterator[Offence]:
    for node in syntax.nodes(statement):
        name = node.child_by_field_name("name") if node.type == "import_specifier" else None
        if name is not None and scripts.text(name) in _REPLACED:
            yield scripts.offence(node, _reason(scripts.text(name)))


def _reason(name: str) -> str:
    now = {"render": "createRoot", "hydrate": "hydrateRoot"}.get(name, "root.unmount")
    return f"{name} of react-dom; React 18 has {now}"
