"""The report in a real browser: Debian's Chromium, driven by Playwright, with axe-core for what a screen reader needs."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.stacks import ABLATION_STACKS
from evals.limits import LIMITS_FILE, load_limits
from evals.report.page import page
from evals.report.report import judged_report
from evals.run import Run
from evals.selftest.report.conftest import Visit
from evals.selftest.report.hostile import MEGABYTE, TEXTS, hostile_run
from evals.selftest.report.sample import sample_run
from evals.trials import Trial

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

HEAD = sample_run(regimes=("warm", "cold"), faults=2)
BASE = sample_run(regimes=("warm", "cold"), seed=1, name="20260101-000000-ba5e0000")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two runs of 144 trials each."""
    return written(tmp_path_factory.mktemp("report") / "report.html", HEAD, BASE)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two runs of a few trials, with everything in it that the larger one has."""
    runs = (sample_run(regimes=("warm", "cold"), tasks=5, epochs=1, faults=1, seed=seed, name=f"run-{seed}") for seed in (0, 1))
    return written(tmp_path_factory.mktemp("small") / "report.html", *runs)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 10,000 hostile trials."""
    return written(tmp_path_factory.mktemp("hostile") / "report.html", hostile_run())


def written(file: Path, run: Run, base: Run | None = None) -> Path:
    """The page of a run."""
    file.write_text(page(judged_report(run, load_limits(LIMITS_FILE), base)), encoding="utf-8")
    return file


def first_failing() -> Trial:
    """The first trial of HEAD in the order of the page that has no valid answer."""
    return next(trial for trial in HEAD.trials if trial.fault is None and not trial.last.valid)


def open_failing(shown: Page) -> Locator:
    """What is shown of the first failing trial, after three clicks of a person: the filter, its choice, the trial."""
    shown.get_by_label("outcome", exact=True).select_option("not valid")
    shown.locator("#rows button.open").first.click()
    return shown.locator("#rows tr.detail")


def test_the_page_needs_nothing_and_says_nothing(any_visit: Visit, report: Path) -> None:
    """From the disk the page loads itself alone, and no message or error comes of it, at any width and in either scheme."""
    shown = any_visit.open(report)
    open_failing(shown)
    assert any_visit.requests == [report.as_uri()]
    assert any_visit.messages == []


def test_the_page_fits_its_width(any_visit: Visit, report: Path) -> None:
    """Nothing stands out of the page to the side, opened trials included; wide tables scroll by themselves."""
    shown = any_visit.open(report)
    open_failing(shown)
    assert shown.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0


@pytest.mark.parametrize("width", [360])
def test_long_names_fit_a_phone(any_visit: Visit, tmp_path: Path) -> None:
    """Names of stacks that are wider than the screen make neither filters nor plots stand out of the page."""
    shown = any_visit.open(written(tmp_path / "report.html", sample_run(tasks=2, epochs=1, stacks=ABLATION_STACKS)))
    assert shown.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0


def test_plots_are_as_wide_as_they_are_shown(any_visit: Visit, report: Path) -> None:
    """No plot is shrunk by more than a tenth, so that its text can be read on a phone, and every one is seen."""
    shown = any_visit.open(report)
    sizes = shown.evaluate(
        "[...document.querySelectorAll('figure svg')].map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"
    )
    assert len(sizes) > 20
    assert min(sizes) > 0.8


def test_axe_finds_no_violation(any_visit: Visit, small: Path) -> None:
    """axe-core has nothing against the page, with a failing trial and all data of plots open."""
    from axe_playwright_python.sync_playwright import Axe

    shown = any_visit.open(small)
    open_failing(shown)
    shown.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    found = Axe().run(shown)
    assert found.violations_count == 0, found.generate_report()


def test_three_clicks_tell_why_an_answer_failed(visit: Visit, report: Path) -> None:
    """Filter, choice and trial: then the raw answer, what broke in it, the reason, and the exact messages are there."""
    detail = open_failing(visit.open(report))
    failing = first_failing()
    completion = failing.last.completion
    assert visit.page.locator("#rows button.open").first.text_content() == failing.task
    assert detail.locator("pre:has(mark)").text_content() == completion.text
    assert str(failing.last.outcome.failure) in str(detail.locator(".reason").text_content())
    sent = [HEAD.messages[name].content for name in failing.last.messages]
    assert detail.locator("details pre").all_text_contents() == sent
    assert f"{1000 * completion.latency:.0f} ms" in str(detail.text_content())


def test_what_broke_is_marked(visit: Visit, report: Path) -> None:
    """Of a bad escape the mark is the escape itself, and its text stands there where it stood in the answer."""
    shown = visit.open(report)
    shown.get_by_label("cause", exact=True).select_option("bad escape or quote")
    shown.locator("#rows button.open").first.click()
    assert shown.locator("#rows mark").first.text_content() == "\\d"


def test_a_retry_is_told(visit: Visit, report: Path) -> None:
    """A trial that was corrected shows both attempts, and what the correction said to the model."""
    shown = visit.open(report)
    shown.get_by_label("outcome", exact=True).select_option("valid after the retry alone")
    shown.locator("#rows button.open").first.click()
    corrected = next(trial for trial in HEAD.trials if len(trial.attempts) == 2)
    detail = shown.locator("#rows tr.detail")
    assert [text.partition(":")[0] for text in detail.locator("h3").all_text_contents()][:2] == [
        "First attempt",
        "Corrective retry",
    ]
    assert HEAD.messages[corrected.last.messages[-1]].content in detail.locator("pre").all_text_contents()


def test_valid_answers_that_do_not_count_are_told_apart(visit: Visit, report: Path) -> None:
    """Valid code that does not parse and valid code in another language are two filters, each with its own cause."""
    shown = visit.open(report)
    valid = [trial.last.outcome for run in (HEAD, BASE) for trial in run.trials if trial.fault is None]
    for option, causes in (("does not parse", {"syntax"}), ("in another language", {"other"})):
        label = next(text for text in shown.locator("#filter-outcome option").all_text_contents() if option in text)
        shown.get_by_label("outcome", exact=True).select_option(label)
        expected = sum(outcome.rung == "schema-valid" and outcome.cause in causes for outcome in valid)
        assert expected > 0
        assert shown.locator("#number").text_content() == f"{expected} of 288 trials"


def test_names_that_are_white_space_can_be_filtered(visit: Visit, tmp_path: Path) -> None:
    """A task whose name begins, ends and goes on with spaces is found by its filter."""
    run = sample_run(tasks=2, epochs=1)
    odd = {run.settings.tasks[0]: " a  b ", run.settings.tasks[1]: "a b"}
    trials = tuple(replace(trial, task=odd[trial.task]) for trial in run.trials)
    header = replace(run.header, settings=replace(run.settings, tasks=tuple(odd.values())))
    shown = visit.open(written(tmp_path / "report.html", replace(run, header=header, trials=trials)))
    shown.get_by_label("task", exact=True).select_option(index=1)
    assert shown.locator("#number").text_content() == "2 of 4 trials"


@pytest.mark.parametrize("title", ["stack", "prefix cache", "task", "cause", "run"])
def test_every_filter_leaves_what_it_names(visit: Visit, report: Path, title: str) -> None:
    """A filter leaves the trials of the value chosen, as many as both runs have, and says how many."""
    shown = visit.open(report)
    value = str(shown.get_by_label(title, exact=True).locator("option").nth(1).text_content())
    read: dict[str, Callable[[str, Trial], str | None]] = {
        "stack": lambda side, trial: trial.stack,
        "prefix cache": lambda side, trial: trial.regime,
        "task": lambda side, trial: trial.task,
        "cause": lambda side, trial: trial.fault.kind if trial.fault else trial.last.outcome.cause,
        "run": lambda side, trial: side,
    }
    sides = [*(("HEAD", trial) for trial in HEAD.trials), *(("BASE", trial) for trial in BASE.trials)]
    expected = sum(read[title](side, trial) == value for side, trial in sides)
    shown.get_by_label(title, exact=True).select_option(value)
    assert shown.locator("#number").text_content() == f"{expected} of {len(sides)} trials"
    assert shown.locator("#rows tr").count() == expected


def test_filters_hold_together(visit: Visit, report: Path) -> None:
    """Two filters leave what both name."""
    shown = visit.open(report)
    shown.get_by_label("outcome", exact=True).select_option("not valid")
    shown.get_by_label("prefix cache", exact=True).select_option("cold")
    expected = sum(
        trial.regime == "cold" and trial.fault is None and not trial.last.valid for run in (HEAD, BASE) for trial in run.trials
    )
    assert shown.locator("#rows tr").count() == expected


def test_sorting_goes_both_ways(visit: Visit, report: Path) -> None:
    """A click on a head sorts up, a second one down; what has no value comes last both times, and the order is told."""
    shown = visit.open(report)
    shown.get_by_label("run", exact=True).select_option("HEAD")
    slowest = sorted((trial.latency for trial in HEAD.trials if trial.fault is None), reverse=True)
    button = shown.get_by_role("button", name="latency", exact=True)
    for direction, values in (("ascending", sorted(slowest)), ("descending", slowest)):
        button.click()
        head = shown.locator("#heads th", has_text="latency")
        assert head.get_attribute("aria-sort") == direction
        cells = shown.locator("#rows tr td:nth-last-child(2)").all_text_contents()
        assert cells == [*(f"{1000 * value:.{1 if value < 0.09995 else 0}f} ms" for value in values), "-", "-"]


def test_an_open_trial_stays_open_when_sorted(visit: Visit, report: Path) -> None:
    """Sorting moves an open trial with what is open of it."""
    shown = visit.open(report)
    shown.get_by_label("run", exact=True).select_option("HEAD")
    shown.locator("#rows button.open").nth(3).click()
    told = shown.locator("#rows tr.detail").text_content()
    shown.get_by_role("button", name="latency", exact=True).click()
    assert shown.locator("#rows tr.detail").all_text_contents() == [told]


def test_only_what_scrolls_is_a_stop(visit: Visit, report: Path) -> None:
    """A table that is not wider than its place is no stop of the tabulator."""
    shown = visit.open(report)
    stops = shown.evaluate(
        "[...document.querySelectorAll('.scroll[tabindex]')].filter(one => one.scrollWidth <= one.clientWidth).length"
    )
    assert stops == 0


def test_the_keyboard_is_enough(visit: Visit, report: Path) -> None:
    """The first stop of the tabulator skips to the trials; a trial opens and closes by Enter, and says which it is."""
    shown = visit.open(report)
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Skip to the trials"
    button = shown.locator("#rows button.open").first
    button.focus()
    for expected in ("true", "false"):
        shown.keyboard.press("Enter")
        assert button.get_attribute("aria-expanded") == expected
        assert shown.locator("#rows tr.detail").count() == (expected == "true")


def test_every_stop_of_the_tabulator_is_seen(visit: Visit, report: Path) -> None:
    """What has the focus has an outline."""
    shown = visit.open(report)
    for _ in range(12):
        shown.keyboard.press("Tab")
        style = shown.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style != "none"


def test_more_trials_are_shown_on_demand(visit: Visit, report: Path) -> None:
    """Two hundred rows are drawn at once, and the rest by a button that goes when nothing is left; what was open stays so, and the
    focus goes to the first new trial.
    """
    shown = visit.open(report)
    assert shown.locator("#rows tr").count() == 200
    shown.locator("#rows button.open").first.click()
    shown.get_by_role("button", name="Show more").click()
    assert shown.locator("#rows tr.detail").count() == 1
    assert shown.locator("#rows tr:not(.detail)").count() == len(HEAD.trials) + len(BASE.trials)
    assert shown.evaluate("[...document.querySelectorAll('#rows button.open')].indexOf(document.activeElement)") == 200
    assert not shown.get_by_role("button", name="Show more").is_visible()


def test_a_fault_is_told_as_one(visit: Visit, report: Path) -> None:
    """A trial that a fault ended says which one, and has no answer."""
    shown = visit.open(report)
    shown.get_by_label("outcome", exact=True).select_option("fault")
    shown.locator("#rows button.open").first.click()
    assert "Infrastructure fault after 500 ms: ModelTimeoutError" in shown.locator("#rows tr.detail").all_text_contents()[0]


def test_what_memory_gave_is_told(visit: Visit, report: Path) -> None:
    """The facts that a look-up gave are listed with how long it took, for a trial of a stack that asks memory."""
    shown = visit.open(report)
    shown.get_by_label("stack", exact=True).select_option("optimized")
    shown.locator("#rows button.open").nth(3).click()
    asked = [trial for trial in HEAD.trials if trial.stack == "optimized"][3]
    detail = shown.locator("#rows tr.detail")
    assert set(asked.facts or ()) <= set(detail.locator("li").all_text_contents())
    assert f"looked up in {1000 * (asked.retrieval_seconds or 0):.1f} ms" in str(detail.text_content())


def test_print_is_dark_on_white(visit: Visit, report: Path) -> None:
    """Printed, also from the dark scheme, text is black on white, and what only a screen can use is gone."""
    visit.page.emulate_media(color_scheme="dark", media="print")
    shown = visit.open(report)
    colours = shown.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert not shown.locator("nav").is_visible()
    assert not shown.locator("#filters").is_visible()


def test_without_scripts_the_figures_are_there(chromium: Browser, report: Path) -> None:
    """With scripts off the finding, the plots and their data are there, and the table of trials says what is missing."""
    context = chromium.new_context(java_script_enabled=False)
    shown = context.new_page()
    shown.goto(report.as_uri())
    assert shown.locator("h1").is_visible()
    assert shown.locator("figure svg").count() > 20
    assert shown.get_by_text("needs the page's own script").is_visible()
    context.close()


def test_nothing_hostile_runs_or_loads(visit: Visit, hostile: Path) -> None:
    """Of 10,000 hostile trials nothing is executed, loaded or made an element, with all their kinds of text opened."""
    shown = visit.open(hostile)
    for place in range(2 * len(TEXTS)):
        shown.locator("#rows button.open").nth(place).click()
    assert shown.locator("#rows tr.detail").count() == 2 * len(TEXTS)
    assert shown.title() != "executed"
    assert shown.locator("script").count() == 2
    assert shown.locator("img, iframe, object, embed, [onload], [onerror], [srcdoc]").count() == 0
    assert visit.requests == [hostile.as_uri()]
    assert visit.messages == []


def test_hostile_texts_are_shown(visit: Visit, hostile: Path) -> None:
    """Every hostile text is there to be read, and what cannot be seen in it is shown by its number."""
    shown = visit.open(hostile)
    assert shown.locator("#number").text_content() == "10,000 of 10,000 trials, the first 200 are shown"
    tasks = shown.locator("#rows tr:nth-child(4n+1) button.open").all_text_contents()
    assert tasks[: len(TEXTS)] == [_visible(f"{text} {place}") for place, text in enumerate(TEXTS)]


def test_an_answer_of_a_megabyte_is_cut(visit: Visit, hostile: Path) -> None:
    """A long answer is shown from its beginning, and how much is left out is said."""
    shown = visit.open(hostile)
    shown.locator("#rows button.open").first.click()
    text = str(shown.locator("#rows tr.detail pre").first.text_content())
    assert text.startswith(TEXTS[0])
    kept = len(text.partition("\n[... ")[0])
    whole = MEGABYTE // len(TEXTS[0]) * len(TEXTS[0])
    assert f"[... {whole - kept:,} characters are left out here" in text


def test_a_browser_that_cannot_unpack_says_so(visit: Visit, report: Path) -> None:
    """Where the trials cannot be unpacked, the page says that and where they are."""
    visit.page.add_init_script("delete window.DecompressionStream")
    visit.page.goto(report.as_uri())
    visit.page.wait_for_selector("#problem[role=alert]")
    assert "cannot be shown by this browser" in str(visit.page.locator("#problem").text_content())


def _visible(text: str) -> str:
    """The text as the page shows it: characters that cannot be seen, or that turn the text around them, by their numbers."""
    return "".join(f"U+{ord(one):04X}" if unicodedata.category(one) in ("Cc", "Cf") else one for one in text)
