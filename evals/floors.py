"""Judging one run: the share of valid answers of every stack, against its floor."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from evals.limits import Floor, Limits
from evals.run import Run
from evals.schedule import ARTICLE, Series
from evals.stats import Share, share_of, valid_share
from evals.trials import Trial

_MOST_TASKS = 1_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the share of valid answers of one stack amounts to: a verdict and the sentence that explains it.

    ``share`` is ``None`` when no trial was without a fault.
    """

    verdict: Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT JUDGED"]
    sentence: str
    share: Share | None = None

    def to_dict(self) -> dict[str, Any]:
        """The judgement as JSON can hold it."""
        return asdict(self)


def judge_run(run: Run, limits: Limits) -> dict[Series, Judgement]:
    """What the share of valid answers of every series of a run amounts to; the article's one task is too few to judge anything."""
    kind, found = run.header.target.kind, {}
    for series in run.settings.series:
        judged = judge_stack(run.of_series(series), limits.floor(series.stack, kind), run.flaw)
        if run.settings.suite == ARTICLE and not run.flaw and judged.share is not None:
            sentence = f"{_share_sentence(judged.share)}; the article's one task is too few to judge anything"
            judged = Judgement("NOT JUDGED", sentence, judged.share)
        found[series] = judged
    return found


def judge_stack(trials: Sequence[Trial], floor: Floor | None, flaw: str) -> Judgement:
    """Judge the trials of one stack that no fault ended. A run with a ``flaw`` (see :attr:`evals.run.Run.flaw`) is INCONCLUSIVE,
    whatever its trials show, and so is one that fails by answers alone that are no fault of the model's; a stack without a floor is
    NOT JUDGED.
    """
    if not trials:
        return Judgement("INCONCLUSIVE", flaw or "nothing was measured")
    share = valid_share(trials)
    if flaw:
        return Judgement("INCONCLUSIVE", flaw, share)
    if floor is None:
        return Judgement("NOT JUDGED", f"{_share_sentence(share)}; it has no floor", share)
    judgement = judge(share, floor)
    if judgement.verdict == "FAIL" and judge(valid_share(trials, excused_is_valid=True), floor).verdict != "FAIL":
        return Judgement("INCONCLUSIVE", f"{_share_sentence(share)}, and {'; '.join(excuses(trials))}", share)
    return judgement


def excuses(trials: Sequence[Trial]) -> list[str]:
    """What spoiled answers and is no fault of the model, each with the number of them and what to do about it."""
    cut, ignored = sum(trial.cut_off for trial in trials), sum(trial.decoding_ignored for trial in trials)
    return [
        *([f"{cut} answer(s) were cut off at their limit of tokens; raise --max-tokens"] if cut else []),
        *([f"{ignored} answer(s) were not held to the decoding asked for; the server does not honour it"] if ignored else []),
    ]


def judge(share: Share, floor: Floor) -> Judgement:
    """PASS when the interval lies above the floor, FAIL when it lies below, otherwise INCONCLUSIVE with what would settle it."""
    against = f"the floor of {floor.share:.0%} ({floor.reason})"
    if share.low > floor.share:
        return Judgement("PASS", f"{_share_sentence(share)} lies above {against}", share)
    if share.high < floor.share:
        return Judgement("FAIL", f"{_share_sentence(share)} lies below {against}", share)
    return Judgement("INCONCLUSIVE", f"{_share_sentence(share)} does not clear {against}; {_what_settles(share, floor)}", share)


def _share_sentence(share: Share) -> str:
    tasks = f"{share.tasks} task{'' if share.tasks == 1 else 's'}"
    return f"{share.value:.0%} valid [{share.low:.0%}, {share.high:.0%}] over {tasks}"


@functools.cache
def _what_settles(share: Share, floor: Floor) -> str:
    """The number of tasks from which on the same share would always leave the floor outside the interval."""
    if share.value == 0:
        return "no answer was valid at all, so look at the reasons (-rx) first"
    open_at = [tasks for tasks in range(share.tasks, _MOST_TASKS + 1) if not _settles(share, floor, tasks)]
    if open_at[-1] == _MOST_TASKS:
        return f"the share lies so close to the floor that {_MOST_TASKS:,} tasks would not settle it"
    return f"if the share stayed the same, {open_at[-1] + 1} tasks would settle it"


def _settles(share: Share, floor: Floor, tasks: int) -> bool:
    toward_floor = math.floor if share.value > floor.share else math.ceil
    value = toward_floor(share.value * tasks) / tasks if share.epochs == 1 else share.value
    larger = share_of(value, tasks, share.epochs)
    return larger.low > floor.share or larger.high < floor.share
