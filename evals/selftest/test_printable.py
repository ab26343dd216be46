"""Text that is safe to show."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from agent.printable import one_line, printable


@given(st.text(st.characters(codec=None)))
def test_nothing_that_commands_a_terminal_is_left(text: str) -> None:
    """No control, format or half character is left but line breaks and tabs, and the text is as long as it was."""
    shown = printable(text)
    assert len(shown) == len(text)
    assert not [c for c in shown if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs")]


@given(st.text(st.characters(codec=None)))
def test_one_line_is_one_line(text: str) -> None:
    """Whatever breaks a line is a space in it."""
    assert len(one_line(text).splitlines()) <= 1


def test_what_is_harmless_stays() -> None:
    """Letters of any script and emoji are shown as they are."""
    assert one_line("Grüße\n  an alle 🚀") == "Grüße an alle 🚀"
