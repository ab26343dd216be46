"""The page: whatever the runs are, it is well-formed, self-contained and the same every time, and no text of theirs is markup."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis

from agent.printable import one_line
from agent.stacks import ABLATION_STACKS, GROWTH_STACKS
from evals.limits import LIMITS_FILE, Limits, load_limits
from evals.report.markdown import markdown
from evals.report.page import page
from evals.report.report import judged_report
from evals.run import Run
from evals.schedule import REGIMES
from evals.selftest.live_session import ROOT
from evals.selftest.report.hostile import MEGABYTE, TEXTS, hostile_run
from evals.selftest.report.parsed_page import parsed, text_of
from evals.selftest.report.sample import sample_run
from evals.selftest.run_pairs import any_pairs, any_runs

FEW = settings_of_hypothesis(max_examples=10)
"""Drawing a page takes some 0.3 s."""

HASHED = "import hashlib\nfrom evals.selftest.report.test_page import pair\nprint(hashlib.sha256(pair().encode()).hexdigest())\n"


def page_of(head: Run, base: Run | None = None) -> str:
    """The page of a run, or of two, judged by the limits of the suite."""
    return page(judged_report(head, load_limits(LIMITS_FILE), base))


def pair() -> str:
    """The page of two runs of both regimes, with a fault."""
    base, head = (sample_run(regimes=REGIMES, seed=seed, name=f"run-{seed}") for seed in (1, 2))
    return page_of(head, base)


def hostile_pair() -> str:
    """The page of two small runs in which every text is hostile."""
    head = hostile_run(tasks=10, epochs=2, long_answers=1)
    return page_of(head, replace(head, header=replace(head.header, run=f"base {TEXTS[0]}")))


def of_growth() -> str:
    """The page of the study of growth."""
    run = sample_run(stacks=GROWTH_STACKS, tasks=2, epochs=1, regimes=REGIMES)
    return page_of(replace(run, header=replace(run.header, settings=replace(run.settings, study="growth"))))


PAGES = {
    "a run": lambda: page_of(sample_run()),
    "a pair": pair,
    "faults": lambda: page_of(sample_run(faults=2)),
    "an ablation": lambda: page_of(sample_run(stacks=ABLATION_STACKS[:8], tasks=8, epochs=1)),
    "growth": of_growth,
    "hostile": hostile_pair,
}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """A page of every kind."""
    return {name: make() for name, make in PAGES.items()}


@pytest.fixture(params=PAGES)
def content(pages: dict[str, str], request: pytest.FixtureRequest) -> str:
    """One page after the other."""
    return pages[request.param]


@pytest.fixture(scope="module")
def roots(pages: dict[str, str]) -> dict[str, Element]:
    """The pages, parsed; that fails where the elements of one are not well nested."""
    return {name: parsed(content) for name, content in pages.items()}


@pytest.fixture(params=PAGES)
def root(roots: dict[str, Element], request: pytest.FixtureRequest) -> Element:
    """One page after the other, parsed."""
    return roots[request.param]


def source(element: Element) -> str:
    """The source of a hash in a Content-Security-Policy that allows an element's content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text_of(element).encode()).digest()).decode()}'"


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(root: Element) -> None:
    """Everything is forbidden but the one style and the one script that are in the page, by their hashes."""
    (policy,) = [meta for meta in root.iter("meta") if meta.attrib.get("http-equiv") == "Content-Security-Policy"]
    allowed = dict(directive.strip().split(" ", 1) for directive in policy.attrib["content"].split(";"))
    (style,) = root.iter("style")
    _, script = root.iter("script")
    assert allowed == {
        "default-src": "'none'",
        "script-src": source(script),
        "style-src": source(style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_policy_stands_before_what_it_is_about(content: str) -> None:
    """Nothing that could load or run anything stands before the policy, which holds from there on."""
    before = content.partition("<meta http-equiv")[0]
    assert re.findall(r"<(\w+)", before) == ["html", "head", "meta"]


def test_a_page_has_two_scripts_of_which_one_runs(root: Element) -> None:
    """The trials are data that no browser runs, and the other script is the page's own."""
    data, script = root.iter("script")
    assert data.attrib == {"type": "text/plain", "id": "data"}
    assert script.attrib == {}
    assert text_of(script) == (ROOT / "evals" / "report" / "page.js").read_text(encoding="utf-8")


def test_no_attribute_styles_runs_or_loads(root: Element) -> None:
    """There is no style, event handler, source or address in any attribute, but links to places within the page."""
    attributes = [(name, value) for element in root.iter() for name, value in element.attrib.items()]
    assert not [name for name, _ in attributes if name == "style" or name.startswith("on") or "src" in name]
    assert all(value.startswith("#") for name, value in attributes if name.endswith("href"))
    assert not [value for name, value in attributes if "url(" in value and "url(#" not in value]


def test_every_link_has_its_target(root: Element) -> None:
    """Identifiers are unique, and what a link or a label refers to is there."""
    names = Counter(element.attrib["id"] for element in root.iter() if "id" in element.attrib)
    links = [link.attrib["href"].removeprefix("#") for link in root.iter("a")]
    labels = [element.attrib["aria-labelledby"] for element in root.iter() if "aria-labelledby" in element.attrib]
    assert [name for name, number in names.items() if number > 1] == []
    assert len(links) > 2
    assert {*links, *labels} <= set(names)


def test_every_plot_says_what_it_shows(root: Element) -> None:
    """A plot is one picture with words to a screen reader, and the table of its data stands beside it."""
    figures, plots = list(root.iter("figure")), list(root.iter("svg"))
    assert len(figures) == len(plots) > 0
    for figure in figures:
        (plot,) = figure.iter("svg")
        (table,) = figure.iter("table")
        assert plot.attrib["role"] == "img"
        assert plot.attrib["aria-label"].startswith(one_line(text_of(next(figure.iter("h3"))))[:20])
        assert len(list(table.iter("tr"))) > 1
        assert len({len(row) for row in table.iter("tr")}) == 1


def test_colours_are_the_pages_own(root: Element) -> None:
    """No plot has a colour of its own but the names of the page's, so dark mode and print change all of them."""
    shades = {element.attrib.get(name, "") for plot in root.iter("svg") for element in plot.iter() for name in ("fill", "stroke")}
    assert {shade for shade in shades if not shade.startswith("var(--")} <= {"", "none", "transparent"}
    (style,) = root.iter("style")
    assert all(f"{shade[4:-1]}:" in text_of(style) for shade in shades if shade.startswith("var(--"))


def test_no_hostile_text_becomes_an_element(roots: dict[str, Element]) -> None:
    """A page whose texts are all hostile has the elements and the attributes of harmless ones, and no other."""
    harmless = [element for name, root in roots.items() if name != "hostile" for element in root.iter()]
    allowed = {(element.tag, name) for element in harmless for name in ("", *element.attrib)}
    assert {(one.tag, name) for one in roots["hostile"].iter() for name in ("", *one.attrib)} <= allowed


def test_every_hostile_text_is_shown_as_it_is(roots: dict[str, Element]) -> None:
    """Nothing of a text is lost, but what could command a terminal."""
    (body,) = roots["hostile"].iter("body")
    shown = " ".join("\n".join(text_of(element) for element in body if element.tag != "script").split())
    assert [text for text in TEXTS if one_line(text) not in shown] == []


def test_no_control_character_is_in_a_page(content: str) -> None:
    """What could turn or command the text around it was replaced."""
    assert one_line(content.replace("\n", " ")) == " ".join(content.split())


@FEW
@given(any_runs())
def test_every_run_has_a_page(run: Run) -> None:
    """Whatever a run lacks, its page is well-formed and so is its Markdown."""
    report = judged_report(run, Limits())
    root = parsed(page(report))
    assert text_of(next(root.iter("h1"))).startswith(report.finding.word)
    assert report.finding.word in markdown(report)


@FEW
@given(any_pairs())
def test_every_two_runs_have_a_page(runs: tuple[Run, Run]) -> None:
    """Whatever two runs have in common, the verdict on them is the heading of a well-formed page, and of its Markdown."""
    report = judged_report(runs[1], Limits(), runs[0])
    assert report.finding.word in ("PASS", "FAIL", "INVALID", "INCONCLUSIVE")
    assert text_of(next(parsed(page(report)).iter("h1"))).startswith(report.finding.word)
    assert markdown(report).startswith(f"### {report.finding.word}: ")


def test_the_same_runs_make_the_same_page(pages: dict[str, str]) -> None:
    """Byte by byte, also in another process in which sets have another order."""
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", HASHED]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == hashlib.sha256(pages["a pair"].encode()).hexdigest(), done.stderr


def test_a_page_of_the_full_suite_is_small() -> None:
    """384 trials take less than 2 MB."""
    run = sample_run(tasks=64)
    assert len(run.trials) == 384
    assert len(page_of(run).encode()) < 2 * MEGABYTE


def test_a_page_of_ten_thousand_trials_can_be_opened() -> None:
    """10,000 trials, of which thirty have an answer of a megabyte, take less than 10 MB."""
    run = hostile_run()
    assert len(run.trials) == 10_000
    assert len(page_of(run).encode()) < 10 * MEGABYTE
