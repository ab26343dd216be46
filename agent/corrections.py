"""Which remembered fact a new one corrects, told by words alone.

The rule: two facts contradict each other when a phrase that one of them negates (``not Tailwind``, ``instead of named exports``,
``stop using async/await``) stands in what the other affirms, word for word but for endings. So "use CSS modules, not Tailwind"
corrects "User styles components with Tailwind ...", and "inline styles are fine now" corrects "... and no inline styles", while
"sort Tailwind classes" and "no emojis in explanations" correct nothing.

Similarity takes no part in that, because it does not tell: with MiniLM, corrections are between 0.34 and 0.92 similar to the fact
that they correct, and sentences that merely share its topic are up to 0.67. (The nearest fact is the one that is corrected, which
is what the store's search is used for.) So the rule means the same under every embedder. It misses corrections that name nothing
that they are against ("we upgraded to React 19"): those stand beside the old fact, since a lost preference is worse than a doubled
one, until somebody says "React 19, not React 18". ``evals/selftest/test_corrections.py`` holds how often it is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NEGATION = re.compile(
    r"\b(?:no longer|no more|no|not|never|without|instead of|rather than|over|(?:do|does)(?:n't| not)|stop|drop|skip|avoids?"
    r"|leave out|(?:switched|moved|migrated) (?:away )?from)\b",
    re.IGNORECASE,
)
_END_OF_PHRASE = re.compile(
    r"[,;:!?]|\.(?:\s|$)|\b(?:and|but|or|so|to|in|for|with|on|from|as|than|beside|besides|after|because|any ?more|now|please)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(r"^\s*(?:to|in|for|with|on|from|as)\b")
_WORD = re.compile(r"\w+")
_FILLER = re.compile(
    r"an?|the|this|that|of|at|most|i|we|my|our|users?|use[sd]?|using|want(?:s|ed|ing)?|likes?|prefers?|writ(?:es?|ing)"
    r"|add(?:s|ing)?|needs?|do|does|is|are|be"
)
_ENDING = re.compile(r"(?<=\w{3})(?:ations?|ates?|ated|ating|ing|ed|es|s|e)$")


def corrected(fact: str, known: Sequence[str]) -> str | None:
    """The first of the ``known`` facts, nearest first, that ``fact`` contradicts; ``None`` where it contradicts none."""
    return next((other for other in known if contradict(fact, other)), None)


def contradict(one: str, other: str) -> bool:
    """Whether one of the two facts negates what the other affirms."""
    return _denies(one, other) or _denies(other, one)


def _denies(one: str, other: str) -> bool:
    affirmed, _ = _parts(other)
    return any(_holds(part, phrase) for phrase in _parts(one)[1] for part in affirmed)


def _parts(fact: str) -> tuple[list[list[str]], list[list[str]]]:
    """What the fact affirms and what it negates, as phrases of word stems."""
    first, *rest = _NEGATION.split(" ".join(fact.split()))
    affirmed, negated = [_stems(first)], []
    for piece in rest:
        phrase, _, remainder = _END_OF_PHRASE.sub("\n", _LEADING.sub("", piece), count=1).partition("\n")
        negated.append(_stems(phrase))
        affirmed.append(_stems(remainder))
    return affirmed, [phrase for phrase in negated if phrase]


def _stems(text: str) -> list[str]:
    return [_ENDING.sub("", word) for word in _WORD.findall(text.lower()) if not _FILLER.fullmatch(word)]


def _holds(words: list[str], phrase: list[str]) -> bool:
    return any(words[start : start + len(phrase)] == phrase for start in range(len(words)))
