"""Which remembered fact a new one corrects, told by words alone.

The rule: a new fact corrects a known one where it negates what that affirms (``not Tailwind``, ``instead of named exports``,
``stop using async/await``: the words after the negation stand in the known fact as they are, but for endings), or where it begins
with what that negates and then at most approves of it ("inline styles are fine now" against "... and no inline styles"; "inline
styles are forbidden" says the same as that). It does not where it is narrower ("no Tailwind in emails"), or merely about the same
thing ("User sorts Tailwind classes"), or a question.

Similarity takes no part in that, because it does not tell: with MiniLM, corrections are between 0.34 and 0.98 similar to the fact
that they correct, and facts that leave it standing are up to 0.93. (The nearest fact is the one that is corrected, which is what
the store's search is used for.) So the rule means the same under every embedder. It knows English alone, and it misses corrections
that name nothing that they are against ("we upgraded to React 19"): those stand beside the old fact, since a lost preference is
worse than a doubled one, until somebody says "React 19, not React 18". ``evals/selftest/test_corrections.py`` holds how often it is
right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NEGATION = re.compile(
    r"\b(?:no longer|not? more|no|not|never|without|instead of|rather than|(?:do|does)(?:n['’]?t| not)|avoids?"
    r"|(?:switched|moved|migrated) (?:away )?from)\b|^(?:please )?(?:stop|drop|skip|leave out)\b",
    re.IGNORECASE,
)
_PREFERENCE = re.compile(r"(\b(?:prefer|favou?r|choose)\w*\b.*?)\bover\b", re.IGNORECASE)
_ENDS_CLAUSE = re.compile(r"[,;:!?]|\.(?:\s|$)|\b(?:and|but|so|because)\b", re.IGNORECASE)
_ENDS_PHRASE = re.compile(r"\b(?:or|to|with|from|as|than|after|besides?)\b", re.IGNORECASE)
_BEGINS_SCOPE = re.compile(r"\b(?:in|inside|within|for|on|when|if|unless|except|where|while|during)\b", re.IGNORECASE)
_LEADING = re.compile(r"^\s*(?:to|with|from|as|in|for|on)\b")
_ENDS_STATING = re.compile(r"\b(?:is|are)\s*$", re.IGNORECASE)
_FOR_GOOD = re.compile(
    r"\b(?:from now on|for now|any ?more|now|again|please|(?:in|for|on) (?:all|any|each|every)\b.*)", re.IGNORECASE
)
_WORD = re.compile(r"\w+")
_FILLER = re.compile(
    r"an?|the|this|that|of|at|most|i|we|my|our|users?|use[sd]?|using|want(?:s|ed|ing)?|likes?|prefers?|writ(?:es?|ing)"
    r"|add(?:s|ing)?|needs?|do|does|is|are|be"
)
_APPROVAL = re.compile(
    r"fin|ok|okay|good|great|better|best|welcom|allow|accept\w*|wanted|preferr|everywher|anywher|alway|too|instead"
)
_ENDING = re.compile(r"(?<=\w{3})(?:ations?|ates?|ated|ating|ing|ed|es|s|e)$")


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Words without their endings, whether they are negated, and those that narrow them (``in emails``)."""

    words: tuple[str, ...]
    negated: bool
    scope: frozenset[str] = frozenset()


def corrected(fact: str, known: Sequence[str]) -> str | None:
    """The first of the ``known`` facts, nearest first, that ``fact`` corrects; ``None`` where it corrects none."""
    if fact.rstrip().endswith("?"):
        return None
    return next((other for other in known if _corrects(_phrases(fact), _phrases(other))), None)


def _corrects(new: Sequence[_Phrase], old: Sequence[_Phrase]) -> bool:
    return any(
        one.negated != other.negated and _same_scope(one, other, new, old) and _meet(one, other) for one in new for other in old
    )


def _meet(new: _Phrase, old: _Phrase) -> bool:
    if not new.negated:
        size = len(old.words)
        return new.words[:size] == old.words and all(map(_APPROVAL.fullmatch, new.words[size:]))
    size = len(new.words)
    return any(old.words[start : start + size] == new.words for start in range(len(old.words)))


def _same_scope(one: _Phrase, other: _Phrase, new: Sequence[_Phrase], old: Sequence[_Phrase]) -> bool:
    # "not Tailwind" also ends "Tailwind in React components", and "Tailwind is fine" does not end "no Tailwind in emails".
    return one.scope <= _vocabulary(old) and (one.negated or other.scope <= _vocabulary(new))


def _vocabulary(phrases: Sequence[_Phrase]) -> frozenset[str]:
    return frozenset().union(*({*phrase.words} | phrase.scope for phrase in phrases))


def _phrases(fact: str) -> list[_Phrase]:
    text = _PREFERENCE.sub(r"\1 rather than", _FOR_GOOD.sub("", " ".join(fact.split())))
    return [phrase for clause in _ENDS_CLAUSE.split(text) for phrase in _of_clause(clause.strip()) if phrase.words]


def _of_clause(clause: str) -> Iterator[_Phrase]:
    first, *rest = _NEGATION.split(clause)
    if not (rest and _ENDS_STATING.search(first)):
        yield _phrase(first, negated=False)
    for piece in rest:
        phrase, _, remainder = _ENDS_PHRASE.sub("\n", _LEADING.sub("", piece), count=1).partition("\n")
        yield _phrase(phrase, negated=True)
        yield _phrase(remainder, negated=False)


def _phrase(text: str, *, negated: bool) -> _Phrase:
    words, _, scope = _BEGINS_SCOPE.sub("\n", text, count=1).partition("\n")
    return _Phrase(_stems(words), negated, frozenset(_stems(scope)))


def _stems(text: str) -> tuple[str, ...]:
    return tuple(_ENDING.sub("", word) for word in _WORD.findall(text.lower()) if not _FILLER.fullmatch(word))
