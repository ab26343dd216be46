"""Findings: what holds for every checker and every artifact, and how a violation is shown."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.artifact import Artifact
from agent.errors import SettingsError
from agent.printable import one_line
from evals import syntax
from evals.obedience import CHECKERS, Finding, check, check_all
from evals.selftest.obedience.test_cases import CASES, Case
from fixtures.data import LANGUAGES

SCRIPTS = ("tsx", "ts", "js")
NOISE = ' .then(f) any export default style={x} <style> className="card" def f(x): a; async b. C! D? '
ADDITIONS = {
    **dict.fromkeys(SCRIPTS, ("//" + NOISE, "/*" + NOISE + "*/", "const noise = '" + NOISE + "';")),
    "py": ("#" + NOISE, "noise = '" + NOISE + "'"),
    "css": ("/*" + NOISE + "*/",),
    "sh": ("#" + NOISE,),
}
DEEP = {
    "arrows": ("ts", "export const f: F = " + "(a) => " * 3_000 + "1;"),
    "untyped arrows": ("ts", "export const f = " + "(a) => " * 3_000 + "1;"),
    "a chain": ("js", "p" + ".then(f)" * 3_000 + ";"),
    "calls of render": ("tsx", "ReactDOM" + ".render()" * 3_000 + ";"),
    "elements": ("tsx", "export const A = " + "<a>" * 3_000 + "</a>" * 3_000 + ";"),
    "parentheses": ("ts", "export const a = " + "(" * 3_000 + "1" + ")" * 3_000 + ";"),
    "objects": ("ts", "export const a = " + "{ a: " * 3_000 + "1" + "}" * 3_000 + ";"),
    "callbacks": ("ts", "useCallback(" * 3_000 + "1" + ")" * 3_000 + ";"),
    "members": ("js", "module.exports" + ".a" * 3_000 + " = 1;"),
    "classes": ("tsx", "export const A = () => <p className={" + "a ? " * 2_000 + "'p-4'" + " : 'x'" * 2_000 + "} />;"),
    "a long class": ("tsx", "export const A = () => <p className='" + "a-" * 100_000 + "' />;"),
    "Python": ("py", "def f(x): " + "return " + "(" * 90 + "1" + ")" * 90),
    "Python beyond its parser": ("py", "(" * 10_000),
}


def artifact(code: str, language: str = "ts", explanation: str = "") -> Artifact:
    return Artifact(code, language, f"a.{language}", explanation)


def assert_sound(found: Finding, code: str) -> None:
    """A violation of the code has a line within it, and whatever is shown is one printable line."""
    assert found.line is None or (found.verdict == "violated" and 1 <= found.line <= code.count("\n") + code.count("\r") + 1)
    assert (found.reason == "") == (found.verdict == "obeyed")
    assert one_line(str(found)) == str(found)
    assert len(found.excerpt) <= 80
    assert len(found.reason) <= 160


@pytest.mark.parametrize("language", LANGUAGES)
@given(code=st.text(), explanation=st.text())
def test_any_text_has_a_finding(language: str, code: str, explanation: str) -> None:
    """Whatever code and explanation are, lone surrogates included, every checker gives a sound finding and raises nothing."""
    for found in check_all(artifact(code, language, explanation)).values():
        assert_sound(found, code)


@given(data=st.data())
def test_any_damage_to_code_has_a_finding(data: st.DataObject) -> None:
    """Whatever piece is cut out of the code of a case, or doubled, every checker gives a sound finding."""
    case = data.draw(st.sampled_from(CASES))
    code = case.artifact.code
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(code)), st.integers(0, len(code)))))
    middle = data.draw(st.sampled_from(["", code[start:end] * 2, "\x1b[2J", "'", "\n"]))
    damaged = code[:start] + middle + code[end:]
    for found in check_all(artifact(damaged, case.artifact.language, damaged)).values():
        assert_sound(found, damaged)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.preference}-{case.name}")
def test_comments_and_strings_change_nothing(case: Case) -> None:
    """What only looks like code, in a comment or a string behind it, leaves every finding as it is."""
    given_artifact = case.artifact
    before = check_all(given_artifact)
    for addition in ADDITIONS[given_artifact.language]:
        code = f"{given_artifact.code}\n{addition}\n"
        assert syntax.flaw(code, given_artifact.language) is None
        assert check_all(artifact(code, given_artifact.language, given_artifact.explanation)) == before


@pytest.mark.parametrize("case", [case for case in CASES if case.line], ids=lambda case: f"{case.preference}-{case.name}")
def test_lines_above_move_a_violation_down(case: Case) -> None:
    """Seven empty lines above the code add seven to the line of its violation and change nothing else."""
    before = check(case.preference, case.artifact)
    after = check(case.preference, artifact("\n" * 7 + case.artifact.code, case.artifact.language))
    assert case.line is not None
    assert (after.line, after.excerpt, after.reason) == (case.line + 7, before.excerpt, before.reason)


@pytest.mark.parametrize(("language", "code"), DEEP.values(), ids=DEEP)
def test_deep_and_long_code_has_a_finding(language: str, code: str) -> None:
    """Thousands of levels of anything neither recurse nor take long."""
    for found in check_all(artifact(code, language)).values():
        assert_sound(found, code)


@pytest.mark.parametrize("text", ["e.g. ", ". ", "...", "`", "a\n", "- a\n", "1. ", "!?", "“”", "。", "a.b", "J. "])
def test_long_explanations_are_counted(text: str) -> None:
    """A hundred thousand characters of one thing over and over are counted at once."""
    assert_sound(check("short-explanations", artifact("x", explanation=text * (100_000 // len(text)))), "x")


def test_a_violation_shows_its_line_and_its_reason() -> None:
    """A violation reads as a user looks it up: the line, what stands there and why that is wrong."""
    found = check("async-await", artifact("\nfetch(url).then(render);"))
    assert str(found) == "violated, line 2: fetch(url).then(render): a .then() chain; use async/await"


def test_an_explanation_shows_no_line() -> None:
    """A violation of the explanation shows the first sentence too many."""
    found = check("short-explanations", artifact("x", explanation="A. B. C. D."))
    assert str(found) == "violated: C.: the explanation has 4 sentences; the user wants at most 2"


def test_what_is_not_applicable_says_why() -> None:
    """A preference that is not applicable gives its reason, and one that is obeyed needs none."""
    assert str(check("async-await", artifact("const a = 1;"))) == "not applicable: nothing in it is asynchronous"
    assert str(check("short-explanations", artifact("x"))) == "obeyed"


def test_an_excerpt_cannot_command_a_terminal() -> None:
    """Control characters of the model are shown as what they are, in the excerpt and in the reason."""
    found = check("named-exports", artifact("export default '\x1b[2J\u202e';"))
    assert found.excerpt == "export default '�[2J�';"
    assert "\x1b" not in str(check("react-strict", artifact("export function f(\u2028a /*\x1b*/) {}")))


def test_an_excerpt_of_a_long_line_shows_the_violation() -> None:
    """From a line that is too long, the part around the violation is shown."""
    found = check("async-await", artifact("const ü = 'ü'; " * 200 + "load().then(show); " + "f(); " * 200))
    assert "load().then(show)" in found.excerpt
    assert (found.excerpt[0], found.excerpt[-1]) == ("…", "…")


def test_an_excerpt_is_the_code_as_it_was_written() -> None:
    """What stands in for an ampersand while the code is parsed is never shown."""
    assert check("async-await", artifact("a && b & c.then(d);")).excerpt == "a && b & c.then(d);"


def test_the_first_of_several_violations_is_named() -> None:
    """Of several violations the one that stands first is named, whichever rule it breaks."""
    found = check("react-strict", artifact("// fine\nfunction f(x) {}\nlet a: any;\n"))
    assert (found.line, found.reason) == (2, "the parameter x has no type")


def test_an_unknown_preference_names_those_that_exist() -> None:
    """An id that no checker has is refused with a list of those that there are."""
    with pytest.raises(SettingsError, match="'tabs'; there are async-await, react-strict, tailwind"):
        check("tabs", artifact("const a = 1;"))


def test_every_checker_finds_something() -> None:
    """All checkers together find one thing for each preference, in the order of the preferences."""
    assert list(check_all(artifact("const a = 1;"))) == list(CHECKERS)


def test_importing_the_checkers_is_cheap() -> None:
    """The grammars are imported when the first code is checked, so that collecting tests needs none."""
    program = "import sys, evals.obedience; sys.exit('tree_sitter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_long_chain_of_exports_is_judged_by_its_value() -> None:
    """Six thousand assignments in a row are judged by the one value at their end."""
    code = "module.exports = " * 6_000
    assert check("named-exports", Artifact(f"{code}{{ a }};", "js", "a.js", "One.")).verdict == "obeyed"
    assert check("named-exports", Artifact(f"{code}a;", "js", "a.js", "One.")).verdict == "violated"
