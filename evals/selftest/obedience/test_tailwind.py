"""Tailwind: which classes look like its utilities."""

from __future__ import annotations

import pytest

from evals.obedience.tailwind import is_utility

UTILITIES = """
flex hidden p-4 -mt-2 mt-0.5 px-[3px] w-1/2 w-full max-w-7xl max-w-screen-lg min-h-screen text-sm text-center text-gray-500
bg-white bg-sky-500/50 bg-[#fff] bg-gradient-to-r from-blue-500 border border-b-2 border-gray-200 rounded-lg rounded-t-xl shadow-md
grid-cols-[1fr_2fr] col-span-2 items-center justify-between space-y-4 divide-y font-semibold tracking-tight leading-6 uppercase
hover:bg-blue-700 dark:md:hover:text-white focus:ring-2 disabled:opacity-50 group-hover:flex data-[state=open]:p-2 [&>svg]:h-4
before:content-['a:b'] !p-4 p-4! w-(--width) [mask-type:luminance] text-muted-foreground overflow-x-auto animate-spin
transition-colors duration-200 ease-in-out cursor-pointer z-10 inset-0 top-1/2 -translate-x-1/2 whitespace-nowrap size-4 sr-only
snap-x snap-mandatory will-change-transform touch-none scroll-smooth mix-blend-multiply bg-brand-500
"""
OTHERS = """
card card-title dashboard-card btn btn-primary container row col-md-6 header active is-active metric__value text flex-container
grid-container p- -p p-x w-card bg-hero text-title border-box d-flex mr-auto-x main-content list-group list-group-item app :p-4
hover: hover:card shadow-box table-wrapper font-title items-list content-wrapper top-bar left-panel App search-box - [] --
"""


@pytest.mark.parametrize("word", UTILITIES.split())
def test_a_utility_is_told(word: str) -> None:
    """A utility with a value that it takes looks like Tailwind, behind any variants."""
    assert is_utility(word)


@pytest.mark.parametrize("word", OTHERS.split())
def test_another_class_is_told(word: str) -> None:
    """A class of another style sheet does not, not even one that begins like a utility."""
    assert not is_utility(word)


@pytest.mark.parametrize("word", ["text-\0-500", "bg-\0", "w-\0", "grid-cols-\0"])
def test_a_value_that_is_put_in_later_may_be_any(word: str) -> None:
    """A utility whose value is put in while the program runs looks like Tailwind."""
    assert is_utility(word)
