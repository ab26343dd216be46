"""The gate's verdict as people read it: blocks for a terminal, Markdown for a pull request."""

from __future__ import annotations

from agent.printable import one_line
from evals.gate import Finding, Verdict
from evals.grid import Block, Grid, grid_markdown, listed, markdown_text
from evals.likeness import Differences

_KINDS = {
    "unlike": "differs and must not",
    "meant": "meant to differ",
    "timing": "hardware differs",
    "provenance": "provenance differs (shown only)",
}


def verdict_blocks(verdict: Verdict) -> list[Block]:
    """The verdict as paragraphs, one for each limit, reason and difference; the first one is the verdict itself."""
    findings = listed(_headline(verdict), map(str, verdict.findings))
    return [*findings, *list_blocks(verdict), *([one_line(verdict.disclaimer)] if verdict.disclaimer else [])]


def list_blocks(verdict: Verdict) -> list[Block]:
    """Why the runs cannot be compared, and what differs between them, as lists."""
    return [line for title, found in _lists(verdict).items() for line in listed(f"{title}:", found)]


def verdict_markdown(verdict: Verdict) -> str:
    """The verdict in GitHub's Markdown. Whatever comes from a model or a file is shown as it is, and is no markup."""
    table = ["", *grid_markdown(verdict_grid(verdict))] if verdict.findings else []
    lists = [
        line
        for title, found in _lists(verdict).items()
        for line in ("", f"**{markdown_text(title)}**", "", *(f"- {markdown_text(one)}" for one in found))
    ]
    disclaimer = ["", markdown_text(verdict.disclaimer)] if verdict.disclaimer else []
    return "\n".join([f"**{markdown_text(_headline(verdict))}**", *table, *lists, *disclaimer]) + "\n"


def _headline(verdict: Verdict) -> str:
    return one_line(f"{verdict.verdict}: {verdict.sentence}")


def _lists(verdict: Verdict) -> dict[str, tuple[str, ...]]:
    """What stands below the limits, by its title: why the runs cannot be compared, and what differs between them."""
    # A single reason is the verdict's own sentence.
    reasons = {"why they cannot be compared": verdict.reasons} if len(verdict.reasons) > 1 else {}
    return reasons | ({} if verdict.between is None else _differences(verdict.between, told=bool(verdict.reasons)))


def _differences(between: Differences, *, told: bool) -> dict[str, tuple[str, ...]]:
    """What differs, by what it means; what must not differ only where no reason has ``told`` it."""
    found = {title: getattr(between, kind) for kind, title in _KINDS.items() if not (told and kind == "unlike")}
    return {title: differences for title, differences in found.items() if differences}


def verdict_grid(verdict: Verdict) -> Grid:
    """What every limit amounts to."""
    return Grid(("limit", "BASE, then HEAD", "verdict"), tuple(map(_row, verdict.findings)), texts=(0, 1, 2))


def _row(finding: Finding) -> tuple[str, str, str]:
    measured = finding.change.text if finding.change else ""
    if measured and finding.sentence.startswith(measured):
        return finding.name, measured, f"{finding.verdict}: {finding.sentence.removeprefix(measured).lstrip('; ')}"
    return finding.name, finding.sentence, finding.verdict
