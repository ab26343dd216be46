"""What a run says about the questions that it can answer: the article's, the ablation, the prefix cache."""

from __future__ import annotations

from evals.ablation_text import ablation_lines
from evals.prefix_cache import prefix_cache_lines
from evals.published import published_lines
from evals.run import Run


def study_lines(run: Run, width: int) -> list[list[str]]:
    """For every question that the run can answer its lines: the finding in a sentence, and the table it follows from."""
    ablations = [ablation_lines(run, regime, width) for regime in run.settings.regimes]
    return [lines for lines in (published_lines(run, width), *ablations, prefix_cache_lines(run, width)) if lines]
