"""The comparison of two runs as people read it: blocks for a terminal, Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.printable import one_line
from evals.comparison import Comparison, SeriesComparison
from evals.comparison_grids import flip_grids, series_grid, sides_grid, steady_sentence, task_grid
from evals.figures import NO_COMMON_TASK
from evals.grid import Block, folded_markdown, grid_markdown, listed, markdown_text
from evals.likeness import Differences

_MOST = 8
"""How many reasons or differences of a kind are shown; JSON has them all."""

_UNLIKE = "UNLIKE OR INCOMPLETE: no verdict can come of these two runs. What both have is compared all the same."
_HOW_TO_READ = (
    "How to read it: shares are after the retry but for the last one. Changes are HEAD - BASE in points (pts), or HEAD / BASE (x),"
    " over the tasks that both have. Intervals are over tasks, at 95 %; of a time's each end holds at 95 %, and an end of 0 or inf"
    " is one that so few tasks cannot give. Tokens are medians, prompt and completion tokens those of first attempts. The x of a"
    " time is the Hodges-Lehmann estimate over the tasks' medians, not p50 / p50."
)


def comparison_blocks(comparison: Comparison) -> list[Block]:
    """The whole comparison."""
    return [
        sides_grid(comparison),
        *_apart(listed(_UNLIKE, _shown(comparison.obstacles)) if comparison.obstacles else []),
        *_apart([line for title, found in _between(comparison.between) for line in listed(f"{title}:", _shown(found))]),
        *_apart([one_line(note) for note in _notes(comparison)]),
        *(block for series in comparison.series for block in ("", series_grid(series))),
        *(block for series in comparison.series for block in _flip_blocks(series)),
        *(block for series in comparison.series for block in _task_blocks(series)),
        *_apart([_HOW_TO_READ] if comparison.series else []),
    ]


def comparison_markdown(comparison: Comparison) -> str:
    """The whole comparison in GitHub's Markdown. Whatever comes from a model or a file is shown as it is, and is no markup."""
    lines = [
        "### HEAD against BASE",
        "",
        *grid_markdown(sides_grid(comparison)),
        "",
        *_obstacle_markdown(comparison),
        *(line for title, found in _between(comparison.between) for line in _listed_markdown(title, _shown(found))),
        *_listed_markdown("notes", _notes(comparison)),
        *(line for series in comparison.series for line in _series_markdown(series)),
        *([markdown_text(_HOW_TO_READ)] if comparison.series else []),
    ]
    return "\n".join(lines) + "\n"


def _between(between: Differences) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What differs and is no obstacle, by what it means."""
    kinds = {
        "meant to differ": between.meant,
        "hardware differs": between.timing,
        "provenance differs (shown only)": between.provenance,
    }
    return ((title, found) for title, found in kinds.items() if found)


def _shown(found: Sequence[str]) -> list[str]:
    more = [f"and {len(found) - _MOST} more (JSON has them all)"] if len(found) > _MOST else []
    return [*found[:_MOST], *more]


def _notes(comparison: Comparison) -> list[str]:
    sided = {"BASE": comparison.only_base, "HEAD": comparison.only_head}
    alone = [f"Only {side} has {', '.join(map(str, series))}." for side, series in sided.items() if series]
    nothing = [] if comparison.series else ["The two runs have no series in common."]
    unsure = dict.fromkeys(note for series in comparison.series for note in _change_notes(series))
    return [*nothing, *alone, *unsure, *comparison.notes]


def _change_notes(series: SeriesComparison) -> Iterator[str]:
    name, both = series.series, series.common_tasks
    changes = (figure.change for figure in series.figures)
    yield from (f"{name}: {change.note}." for change in changes if change is not None and change.note)
    if not both:
        yield f"{name}: {NO_COMMON_TASK}, so no change can be shown."
    elif {series.base.tasks, series.head.tasks} != {both}:
        sides = f"{series.base.tasks} tasks of BASE and {series.head.tasks} of HEAD"
        yield f"{name}: changes are over the {both} tasks that both have, the figures of each side over all its own: {sides}."


# Blocks


def _apart(lines: Sequence[str]) -> list[str]:
    """Lines with an empty one before them, if there are any."""
    return ["", *lines] if lines else []


def _flip_blocks(series: SeriesComparison) -> Iterator[Block]:
    yield from _apart(list(filter(None, [steady_sentence(series)])))
    for title, grid in flip_grids(series).items():
        yield from ("", title, grid)


def _task_blocks(series: SeriesComparison) -> list[Block]:
    return ["", f"{series.series}, every task: BASE > HEAD", task_grid(series)] if series.tasks else []


# Markdown


def _obstacle_markdown(comparison: Comparison) -> list[str]:
    if not comparison.obstacles:
        return []
    quoted = [f"> - {markdown_text(reason)}" for reason in _shown(comparison.obstacles)]
    return ["> [!WARNING]", f"> **{markdown_text(_UNLIKE)}**", ">", *quoted, ""]


def _listed_markdown(title: str, found: Sequence[str]) -> list[str]:
    return [f"**{markdown_text(title)}**", "", *(f"- {markdown_text(one)}" for one in found), ""] if found else []


def _series_markdown(series: SeriesComparison) -> list[str]:
    steady = [markdown_text(sentence), ""] if (sentence := steady_sentence(series)) else []
    grids = flip_grids(series) | ({f"{series.series}, every task: BASE > HEAD": task_grid(series)} if series.tasks else {})
    folded = [line for title, grid in grids.items() for line in folded_markdown(title, grid)]
    return [f"#### {markdown_text(str(series.series))}", "", *grid_markdown(series_grid(series)), "", *steady, *folded]
