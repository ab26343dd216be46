"""async-await: the user prefers async/await over ``.then()`` chains.

Violated by every call of a property ``then``, whatever it is called on, since types are not known: ``await p.then(f)`` and the
``import("./x").then(…)`` of ``React.lazy`` too, which an async function can stand for. ``.catch()`` and ``.finally()`` alone are
no chain: ``main().catch(report)`` is how a script without top-level await ends. Obeyed by code with an ``async`` or an ``await``
and no such call. Code that does neither, one with ``new Promise`` or ``Promise.all`` included, is not applicable.
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
    """Whether asynchronous code awaits."""
    root = scripts.program(artifact.code, artifact.language)
    if root is None:
        return not_applicable("the preference is about TypeScript and JavaScript")
    if violation := first_violation(artifact.code, _chains(root)):
        return violation
    awaits = any(node.type in ("async", "await") for node in syntax.nodes(root, anonymous=True))
    return OBEYED if awaits else not_applicable("nothing in it is asynchronous")


def _chains(root: Node) -> Iterator[Offence]:
    for node in syntax.nodes(root):
        called = scripts.callee(node)
        found = scripts.member(called) if called is not None else None
        if found and found[2] == "then":
            yield scripts.offence(found[1], "a .then() chain; use async/await")
