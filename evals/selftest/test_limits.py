"""Reading limits.toml."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from agent.errors import SettingsError
from agent.stacks import STACKS
from evals.limits import TARGETS, Floor, Limit, Limits, load_limits
from evals.schedule import Series

FLOOR = "[[floor]]\nstack = 'naive'\nshare = 0.5\nreason = 'r'\n"
LIMIT = "[[limit]]\nmetric = 'schema-valid'\ndirection = 'fall'\nmargin = 5\nunit = 'points'\nreason = 'r'\n"
HALF = Floor("optimized", 0.5, "A reason.")
VALIDITY = Limit("schema-valid", "fall", 5, "points", "A reason.")


def written(folder: Path, text: str) -> Path:
    """A limits file with this text."""
    file = folder / "limits.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_targets_own_floor_goes_first() -> None:
    """A floor for a kind of target replaces the one for all, whatever their order."""
    own = Floor("optimized", 0.1, "A reason.", "embedded")
    limits = Limits((HALF, own))
    assert limits.floor("optimized", "embedded") == Limits((own, HALF)).floor("optimized", "embedded") == own
    assert limits.floor("optimized", "ollama") == HALF
    assert limits.floor("naive", "ollama") is None


def test_the_most_special_limit_goes_first() -> None:
    """A target's own limit goes before a stack's own, and that before the one for all."""
    stacks = Limit("schema-valid", "fall", 6, "points", "A reason.", stack="naive")
    targets = Limit("schema-valid", "fall", 7, "points", "A reason.", target="ollama")
    limits = Limits((), (VALIDITY, stacks, targets))
    assert limits.of_series(Series("naive", "warm"), "ollama") == [targets]
    assert limits.of_series(Series("naive", "warm"), "url") == [stacks]
    assert limits.of_series(Series("optimized", "cold"), "url") == [VALIDITY]


def test_the_shipped_limits_can_be_read() -> None:
    """The project's own file has a floor for the optimized stack on every target, and margins for every stack."""
    limits = load_limits()
    assert all(limits.floor("optimized", target) for target in TARGETS)
    for target in TARGETS:
        judged = {stack: [limit.metric for limit in limits.of_series(Series(stack, "warm"), target)] for stack in STACKS}
        assert judged["naive"] == ["schema-valid", "code parses", "prompt tokens", "ttft", "latency"]
        assert judged["optimized"] == [*judged["naive"][:1], "valid at first try", *judged["naive"][1:]]


def test_a_margin_is_an_exact_share() -> None:
    """5 points are a twentieth and 2.5 a fortieth, without rounding."""
    assert VALIDITY.share == Fraction(1, 20)
    assert Limit("schema-valid", "fall", 2.5, "points", "A reason.").share == Fraction(1, 40)


BROKEN = {
    "share above 1": FLOOR.replace("0.5", "1.5"),
    "no reason for a floor": FLOOR.replace("reason = 'r'\n", ""),
    "empty reason": FLOOR.replace("'r'", "''"),
    "share is text": FLOOR.replace("0.5", "'x'"),
    "unknown field of a floor": FLOOR + "colour = 'red'\n",
    "unknown stack": FLOOR.replace("naive", "naif"),
    "unknown target": FLOOR + "target = 'embeded'\n",
    "floor twice": FLOOR * 2,
    "unknown table": FLOOR.replace("[[floor]]", "[[floors]]"),
    "no TOML": "not toml",
    "no reason for a limit": LIMIT.replace("reason = 'r'\n", ""),
    "unknown metric": LIMIT.replace("schema-valid", "beauty"),
    "another unit": LIMIT.replace("points", "percent"),
    "another direction": LIMIT.replace("fall", "rise"),
    "negative margin": LIMIT.replace("5", "-5"),
    "margin of everything": LIMIT.replace("5", "100"),
    "margin is no number": LIMIT.replace("5", "nan"),
    "margin is infinite": LIMIT.replace("5", "inf"),
    "margin is true": LIMIT.replace("5", "true"),
    "margin in small steps": LIMIT.replace("5", "0.01"),
    "limit twice": LIMIT * 2,
    "unknown field of a limit": LIMIT + "colour = 'red'\n",
    "limit for an unknown stack": LIMIT + "stack = 'naif'\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_limits_are_refused(tmp_path: Path, case: str) -> None:
    """A file with a floor or a limit that is none is an error that names the file."""
    with pytest.raises(SettingsError, match=r"limits\.toml"):
        load_limits(written(tmp_path, BROKEN[case]))


def test_the_model_of_the_broken_ones_is_sound(tmp_path: Path) -> None:
    """The floor and the limit that those are made of can be read."""
    limits = load_limits(written(tmp_path, FLOOR + LIMIT))
    assert limits == Limits((Floor("naive", 0.5, "r"),), (Limit("schema-valid", "fall", 5, "points", "r"),))
