"""Parameters without a type: what the compiler refuses, and what it takes from the place of a function."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.obedience import parameters, scripts

FILE = Path(__file__).with_name("parameters.tsx")
CODE = FILE.read_text(encoding="utf-8")
LINES = list(enumerate(CODE.splitlines(), 1))


@pytest.fixture(scope="module")
def named() -> set[int]:
    """The lines on which the checker names a parameter."""
    root = scripts.program(CODE, "tsx")
    assert root is not None
    return {parameter.start_point.row + 1 for parameter in parameters.untyped(root)}


@pytest.mark.parametrize(("line", "text"), [pytest.param(line, text, id=str(line)) for line, text in LINES])
def test_the_checker_names_what_the_compiler_refuses(line: int, text: str, named: set[int]) -> None:
    """A line of the file has an untyped parameter just when it says that it is refused."""
    assert (line in named) == text.endswith("// refused")
