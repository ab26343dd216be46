"""short-explanations: the user wants explanations of at most two sentences.

It is the explanation that is judged, in every language, and an empty one is short. A sentence ends with ``. ! ?``, or their
counterparts in other scripts, before white space, with the paragraph, and with the item of a list; a line that is merely wrapped
goes on. No sentence ends after ``e.g.`` and the like, after an initial, inside ``1.5`` or ``foo.ts``, after the number of an
item, after an ellipsis or a quotation that goes on in lower case, or inside back ticks. What has neither letter nor digit is no
sentence.

It is counted here and not by a library. Those that split well need a trained model (Punkt, spaCy) or a large set of rules (pysbd),
and their answers change with their versions, where these few rules are read in a minute. A sentence more or less in a strange text
changes a verdict only at the limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.artifact import Artifact
from evals.obedience.finding import OBEYED, Finding, violated

MOST = 2

_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_ITEM = re.compile(r"\s*(?:[-*•–—+✓✔✅▪‣→]|\d{1,3}[.)]|#{1,6})\s+")
_MARK = re.compile(r"""([.!?…]++)(?P<closed>["'”’»)\]*_]*+)(?P<next>\s*+(?P<after>.?))|[。！？｡।॥۔؟][」』”’)]*+""")
_CLAUSE = 60
"""How far before a mark the word that it may belong to is looked for."""
_NEVER_LAST = ("e.g", "i.e", "eg", "ie", "a.k.a", "cf", "vs", "viz", "approx", "fig", "resp", "incl", "dr", "mr", "mrs")
_SELDOM_LAST = ("etc", "al", "inc", "ltd", "co", "corp", "u.s", "a.m", "p.m")


def check(artifact: Artifact) -> Finding:
    """Whether the explanation has at most two sentences."""
    found = list(sentences(artifact.explanation))
    if len(found) <= MOST:
        return OBEYED
    return violated(found[MOST], f"the explanation has {len(found)} sentences; the user wants at most {MOST}")


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, code in back ticks shown as ``code``."""
    for paragraph in _paragraphs(_CODE.sub("code", _FENCE.sub("\n\n", text))):
        start = 0
        for end in _ends(paragraph):
            if any(map(str.isalnum, paragraph[start:end])):
                yield paragraph[start:end].strip()
            start = end


def _paragraphs(text: str) -> list[str]:
    """The paragraphs and the items of lists, each as one line, without the signs that make an item of it."""
    paragraphs: list[list[str]] = [[]]
    for line in text.splitlines():
        item = _ITEM.match(line)
        if item or not line.strip():
            paragraphs.append([])
        paragraphs[-1].append(line[item.end() :] if item else line)
    return [" ".join(lines) for lines in paragraphs]


def _ends(paragraph: str) -> Iterator[int]:
    """Where its sentences end, the last one with the paragraph."""
    start = 0
    for mark in _MARK.finditer(paragraph):
        if _is_end(paragraph[max(start, mark.start() - _CLAUSE) : mark.start()], mark):
            start = mark.start("next") if mark[1] else mark.end()
            yield start
    yield len(paragraph)


def _is_end(before: str, mark: re.Match[str]) -> bool:
    """Whether a sentence ends with the mark, by what stands before and after it."""
    stop, after = mark[1], mark["after"]
    if stop is None or not after:
        return True
    if mark["next"] == after:
        return False
    if mark["closed"] or stop in ("...", "…"):
        # "What?" he asked.
        return not after.islower()
    return stop != "." or not _is_abbreviation(before.split(), after)


def _is_abbreviation(words: list[str], after: str) -> bool:
    """Whether the full stop behind these words, and before this character, belongs to the last of them."""
    written = words[-1].lstrip("([{\"'“‘*_") if words else ""
    word = written.lower()
    is_number_of_item = len(words) == 1 and word.isdigit()
    is_number = word == "no" and after.isdigit()
    # Of a person; names in code are mostly small letters ("It returns x. ...").
    is_initial = len(words) > 1 and len(written) == 1 and written.isupper() and word not in "ix"
    return word in _NEVER_LAST or is_number_of_item or is_number or is_initial or (word in _SELDOM_LAST and after.islower())
