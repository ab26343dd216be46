"""tailwind: the user styles components with Tailwind utility classes and no inline styles.

Violated by a ``style`` attribute, whatever its value (a width in per cent and a custom property too; only a component's
``style="solid"`` passes, which is a word and no style), also as a property given to ``createElement`` or spread from an object
literal; by a ``<style>`` element; and by the import of a style sheet of one's own or of a CSS-in-JS library. Style sheets of
packages pass, and so do ``index.css``, ``global.css`` and ``tailwind.css``, which bring Tailwind itself. Violated, too, when most
of the classes are none of Tailwind's, and when HTML elements are rendered and none has a class. Obeyed when at least half of the
classes look like Tailwind's, those in the variables and functions that ``className`` names included.

A style sheet obeys with ``@apply``, ``@tailwind``, ``@theme`` or ``@utility`` and is not applicable without, since it renders
nothing; so is code without elements, or whose classes all come from elsewhere. ``node.style.top = …`` is not looked at: it is how
a program measures and moves things.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from agent.artifact import Artifact
from evals import syntax
from evals.obedience import classnames, scripts, tailwind
from evals.obedience.finding import OBEYED, Finding, Offence, first_violation, not_applicable

if TYPE_CHECKING:
    from tree_sitter import Node

_TAGS = ("jsx_opening_element", "jsx_self_closing_element")
_UNSTYLED = (
    "html", "head", "body", "meta", "title", "link", "script", "base", "style", "noscript", "template", "slot",
    "svg", "g", "path", "circle", "rect", "line", "polyline", "polygon", "defs",
)  # fmt: skip
"""Elements that need no class: those that render nothing, and drawings."""
_AT_RULES = ("@apply", "@tailwind", "@theme", "@utility")
_LIBRARIES = ("styled-components", "styled-jsx", "@emotion/", "@stitches/", "@linaria/", "@vanilla-extract/", "goober")
# Names of modules, not program text.
_OWN_SHEET = re.compile(r"(?:[./~#]|@/|src/).*\.(?:css|scss|sass|less|styl)", re.DOTALL)
_SHEET_WITH_TAILWIND = re.compile(r"(?:.*/)?(?:index|globals?|tailwind[\w-]*)\.css", re.DOTALL)


class Attribute(NamedTuple):
    """An attribute of an element: its node, the name of the element, its own name, and its value if it has one."""

    node: Node
    element: str
    name: str
    value: Node | None


def check(artifact: Artifact) -> Finding:
    """Whether components are styled by Tailwind's classes alone."""
    if artifact.language == "css":
        return _sheet(artifact.code)
    root = scripts.program(artifact.code, artifact.language)
    if root is None:
        return not_applicable("the preference is about components")
    attributes = list(_attributes(root))
    offences = (*_inline_styles(attributes), *_style_elements(root), *_imports(root))
    return first_violation(artifact.code, offences) or _classes(artifact.code, root, attributes)


def _sheet(code: str) -> Finding:
    rules = (scripts.text(node) for node in syntax.nodes(syntax.tree(code, "css")) if node.type == "at_keyword")
    return OBEYED if any(rule in _AT_RULES for rule in rules) else not_applicable("a style sheet renders no component")


def _attributes(root: Node) -> Iterator[Attribute]:
    """Every attribute of every element, those in object literals that are spread into it or given to createElement included."""
    for node in syntax.nodes(root):
        if node.type in _TAGS:
            element = _name(node)
            for child in node.named_children:
                if child.type == "jsx_attribute":
                    name, *value = child.named_children
                    yield Attribute(child, element, scripts.text(name), value[0] if value else None)
                elif child.type == "jsx_expression":
                    yield from _properties(child, element)
        elif _is_create_element(node):
            element_node, *properties = scripts.arguments(node)[:2] or [node]
            for given in properties:
                yield from _properties(given, scripts.literal(element_node) or scripts.shown(element_node))


def _properties(node: Node, element: str) -> Iterator[Attribute]:
    """The properties of an object literal, with any spread or braces around it; of what is no literal, one without a name."""
    while node.type in ("jsx_expression", "spread_element", "parenthesized_expression") and node.named_children:
        node = node.named_children[0]
    if node.type not in ("object", "null", "comment"):
        yield Attribute(node, element, "", node)
    for pair in node.named_children if node.type == "object" else ():
        if pair.type == "pair":
            yield Attribute(pair, element, scripts.key(pair) or "", pair.child_by_field_name("value"))


def _is_create_element(node: Node) -> bool:
    called = scripts.callee(node)
    found = scripts.member(called) if called is not None else None
    # document.createElement makes an element that no component renders.
    return scripts.callee_name(node) == "createElement" and not (found and scripts.text(found[0]) == "document")


def _name(tag: Node) -> str:
    name = tag.child_by_field_name("name")
    return "" if name is None else scripts.text(name)


def _inline_styles(attributes: list[Attribute]) -> Iterator[Offence]:
    for node, element, name, value in attributes:
        is_word = value is not None and value.type == "string" and not element[:1].islower()
        if name == "style" and not is_word:
            yield scripts.offence(node, "an inline style; use Tailwind's classes")


def _style_elements(root: Node) -> Iterator[Offence]:
    for node in syntax.nodes(root):
        if node.type in _TAGS and _name(node) == "style":
            yield scripts.offence(node, "a <style> element; use Tailwind's classes")


def _imports(root: Node) -> Iterator[Offence]:
    for statement, module in scripts.sources(root):
        if f"{module}/".startswith(_LIBRARIES):
            yield scripts.offence(statement, f"{module} writes CSS in the program; use Tailwind's classes")
        elif _OWN_SHEET.fullmatch(module) and not _SHEET_WITH_TAILWIND.fullmatch(module):
            yield scripts.offence(statement, "a style sheet of one's own; use Tailwind's classes")


def _classes(code: str, root: Node, attributes: list[Attribute]) -> Finding:
    """What the classes tell where nothing else is wrong."""
    given = [attribute for attribute in attributes if attribute.name in (*classnames.ATTRIBUTES, "")]
    written = list(classnames.words(root, [attribute.value for attribute in given if attribute.name and attribute.value]))
    others = [word for word in written if not tailwind.is_utility(word.name)]
    if written and 2 * len(others) <= len(written):
        return OBEYED
    bare = _bare_elements(root)
    if others:
        name = others[0].name.replace("\0", "…")
        offences = [scripts.offence(others[0].node, f"{name} is no class of Tailwind")]
    elif given or not bare:
        return not_applicable("its classes come from elsewhere" if given else "it renders no HTML element")
    else:
        offences = [scripts.offence(bare[0], "no element has a class of Tailwind")]
    return first_violation(code, offences) or OBEYED


def _bare_elements(root: Node) -> list[Node]:
    """The HTML elements that a component renders, where a class could stand."""
    tags = (node for node in syntax.nodes(root) if node.type in _TAGS)
    return [tag for tag in tags if _name(tag)[:1].islower() and _name(tag) not in _UNSTYLED]
