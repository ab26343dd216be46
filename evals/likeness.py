"""Which runs are alike: what may differ between BASE and HEAD, and what makes a comparison of them say nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from evals.run import Run

Changed = Literal["prompt", "model", "memory"]
"""What a comparison is meant to be about."""

CHANGED: tuple[Changed, ...] = get_args(Changed)
DEFAULT_CHANGED: tuple[Changed, ...] = ("prompt",)

_MAY_DIFFER: dict[Changed, tuple[str, ...]] = {
    "prompt": ("identity.prompts.", "identity.schema:", "identity.stacks."),
    "model": ("identity.model.",),
    "memory": ("identity.embedder", "identity.preferences:"),
}
_NEVER = ("identity.model.context_length:",)
_MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two runs, each as ``part.field: BASE's, then HEAD's``.

    ``unlike`` must not differ, ``meant`` is what the comparison is about, ``timing`` is the hardware and ``provenance`` is shown
    only.
    """

    unlike: tuple[str, ...]
    meant: tuple[str, ...]
    timing: tuple[str, ...]
    provenance: tuple[str, ...]


def differences(base: Run, head: Run, changed: Collection[Changed]) -> Differences:
    """What differs between the fingerprints of two runs, sorted by what it means when ``changed`` is meant to differ."""
    found = base.header.fingerprint.differences(head.header.fingerprint)
    allowed = tuple(prefix for change in changed for prefix in _MAY_DIFFER[change])
    identity = [one for one in found if one.startswith("identity.")]
    meant = [one for one in identity if one.startswith(allowed) and not one.startswith(_NEVER)]
    return Differences(
        unlike=tuple(one for one in identity if one not in meant),
        meant=tuple(one for one in meant if not _is_told(one, base, head)),
        timing=tuple(one for one in found if one.startswith("timing.")),
        provenance=tuple(one for one in found if one.startswith("provenance.")),
    )


def obstacles(base: Run, head: Run, changed: Collection[Changed]) -> list[str]:
    """Why nothing can be said about HEAD by comparing it with BASE, each with what to do about it; empty where something can."""
    return [*unfit("BASE", base), *unfit("HEAD", head), *unlike(base, head, changed)]


def unlike(base: Run, head: Run, changed: Collection[Changed]) -> list[str]:
    """Why two runs cannot be compared by what they are, however much of them was measured; see :func:`obstacles`."""
    return [*_same(base, head), *_unlike(base, head, changed)]


def common_tasks(base: Run, head: Run) -> tuple[str, ...]:
    """The tasks that both have measured: all, or the prefix of the order before the first of them was stopped."""
    measured = set(base.measured_tasks)
    return tuple(task for task in head.measured_tasks if task in measured)


def mend(run: Run) -> str:
    """What makes an incomplete run whole: going on with it, but for an A/B session, whose times belong together."""
    if run.settings.arms != ("head",):
        return "measure it again"
    judged = " --baseline NAME" if run.settings.sequential else ""
    return f"pytest evals/ -m live --resume={run.header.run}{judged}, or measure it again"


def default_changed(head: Run) -> tuple[Changed, ...]:
    """What is meant to differ where nothing is said: the prompt, or the model in an A/B session of two models."""
    return DEFAULT_CHANGED if head.settings.ab_model is None else ("model",)


def unfit(side: str, run: Run) -> list[str]:
    """Why nothing of one run may be judged, and what to do about it; empty for a complete one."""
    return [f"{side}: {run.flaw}. Next: {mend(run)}"] if run.flaw else []


def _same(base: Run, head: Run) -> Iterator[str]:
    if base.header.run == head.header.run:
        yield f"BASE and HEAD are the same run, {head.header.run}. Next: name two runs"


def _unlike(base: Run, head: Run, changed: Collection[Changed]) -> Iterator[str]:
    before, now = base.settings, head.settings
    yield from _sets("task", before.tasks, now.tasks, "pytest evals/ -m live with the same --suite and --task")
    yield from _sets("stack", before.stacks, now.stacks, "pytest evals/ -m live with the same --stack")
    yield from _sets("regime", before.regimes, now.regimes, "pytest evals/ -m live with the same --regime")
    if (kinds := (base.header.target.kind, head.header.target.kind)) != kinds[:1] * 2:
        yield f"BASE ran on the target {kinds[0]} and HEAD on {kinds[1]}. Next: pytest evals/ -m live with the same --target"
    if before.epochs != now.epochs:
        yield f"BASE has {before.epochs} epoch(s) and HEAD {now.epochs}. Next: pytest evals/ -m live --epochs {before.epochs}"
    if before.order != now.order:
        mend = "pytest evals/ -m live with the same study, or without one"
        yield f"the stacks of BASE ran {before.order} and those of HEAD {now.order}. Next: {mend}"
    if None not in (base.stopped, head.stopped) and not _have_a_prefix(base, head):
        yield "both runs were stopped early, in other orders of tasks. Next: measure one of them again without --sequential"
    for one in differences(base, head, changed).unlike:
        if not _is_told(one, base, head):
            yield f"{one}{_what_to_do(one)}"


def _have_a_prefix(base: Run, head: Run) -> bool:
    common = min(len(base.measured_tasks), len(head.measured_tasks))
    return base.measured_tasks[:common] == head.measured_tasks[:common]


def _sets(noun: str, before: Collection[str], now: Collection[str], mend: str) -> Iterator[str]:
    if gone := [name for name in before if name not in now]:
        yield f"HEAD lacks the {noun}(s) {_named(gone)} of BASE. Next: {mend}"
    if new := [name for name in now if name not in before]:
        yield f"BASE lacks the {noun}(s) {_named(new)} of HEAD. Next: {mend}, or bless a new baseline"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _is_told(difference: str, base: Run, head: Run) -> bool:
    """Whether a difference is that of a task or stack which one side lacks, and which is named as such."""
    before, now = base.settings, head.settings
    name = difference.partition(":")[0]
    if name.startswith("identity.tasks."):
        return name.removeprefix("identity.tasks.") in set(before.tasks) ^ set(now.tasks)
    return name.startswith("identity.stacks.") and name.split(".")[2] in set(before.stacks) ^ set(now.stacks)


def _what_to_do(difference: str) -> str:
    if difference.startswith("identity.tasks."):
        return ". Next: judge changed tasks with --ab, which puts them on both sides"
    for change, prefixes in _MAY_DIFFER.items():
        if difference.startswith(prefixes) and not difference.startswith(_NEVER):
            return f". Next: bring it back, or say that it is meant to differ: --changed {change}"
    return ". Next: measure both on the same, or bless a new baseline"
