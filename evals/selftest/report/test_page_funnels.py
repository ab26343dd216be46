"""What the page says of preferences, counted once more from the saved run."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from evals.selftest.report.page_reader import Figure
from evals.selftest.report.read_twice import FIXTURES, STACKS, Read, obeys, preferences_of_tasks
from evals.selftest.report.recount import Trial, reaches


def funnel_figures(read: Read) -> dict[str, Figure]:
    """By stack the plot of how far preferences come."""
    figures = read.page.sections[f"Does the code obey, {read.regime}"].figures
    return {stack: figures[f"{stack}: how far preferences come"] for stack in STACKS}


def funnel(read: Read, stack: str) -> list[tuple[str, ...]]:
    """Of every preference that applies to a task: the answers to such tasks, those whose memory gave it, those whose first prompt
    told it, and those that were found to be about it and to obey it.
    """
    preferences = tomllib.loads((FIXTURES / "preferences.toml").read_text(encoding="utf-8"))["preference"]
    shown = {key(one): one for one in read.page.trials()["trials"]}
    rows = []
    for one in preferences:
        about = [trial for trial in read.trials[stack] if one["id"] in preferences_of_tasks()[trial["task"]]]
        stored, retrieved = ("-", "-") if stack == "naive" else (len(about), sum(one["text"] in trial["facts"] for trial in about))
        told = sum(one["text"] in text or one["told"] in text for trial in about for text in [context(read.saved, trial)])
        verdicts = [text for trial in about for text in shown[key(trial)]["preferences"] if text.startswith(f"{one['id']}: ")]
        obeyed = sum(text.startswith(f"{one['id']}: obeyed") for text in verdicts)
        rows.append(tuple(map(str, (one["id"], len(about), stored, retrieved, told, len(verdicts), obeyed))))
    return [row for row in rows if row[1] != "0"]


def context(saved: dict[str, Any], trial: Trial) -> str:
    """What the first prompt says before the request."""
    return "\n".join(saved["messages"][name]["content"] for name in trial["attempts"][0]["messages"][:-1])


def key(trial: Trial) -> tuple[Any, ...]:
    """What tells a trial from the others of its run."""
    return trial["epoch"], trial["task"], trial["stack"], trial["regime"]


@pytest.mark.parametrize("stack", STACKS)
def test_funnels(read: Read, stack: str) -> None:
    """The funnel counts answers, look-ups and prompts as the saved run has them, and obedience as the page's trials have it."""
    figure, rows = funnel_figures(read)[stack], funnel(read, stack)
    assert figure.table == [("preference", "answers", "stored", "retrieved", "in prompt", "applicable", "obeyed"), *rows]
    texts = figure.texts()
    assert texts == [
        *(cell for _, _, *cells in rows for cell in cells),
        *(f"{name} (n = {answers})" for name, answers, *_ in rows),
        *figure.table[0][2:],
    ]


@pytest.mark.parametrize("stack", STACKS)
def test_violations(read: Read, stack: str) -> None:
    """The answers that were made to violate a preference, and no others, are those of the funnel that do not obey."""
    violated = [trial for trial in read.trials[stack] if reaches("code parses")(trial) and not obeys(trial)]
    applicable, obeyed = next(row[-2:] for row in funnel(read, stack) if row[0] == "python-annotations")
    assert (len(violated) > 0, int(applicable) - int(obeyed)) == (True, len(violated))
    others = [row for row in funnel(read, stack) if row[0] != "python-annotations"]
    assert all(row[-2] == row[-1] for row in others)
