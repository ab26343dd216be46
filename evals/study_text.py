"""What a run says about the questions that it can answer: the article's, whether the code obeys, the ablation, the prefix cache."""

from __future__ import annotations

from evals.ablation_text import ablation_lines
from evals.funnel_text import funnel_lines
from evals.prefix_cache import prefix_cache_lines
from evals.published import published_lines
from evals.run import Run


def study_lines(run: Run, width: int) -> list[list[str]]:
    """For every question that the run can answer its lines: the finding in a sentence, and the table it follows from."""
    regimes = run.settings.regimes
    found = [
        published_lines(run, width),
        *(funnel_lines(run, regime, width) for regime in regimes),
        *(ablation_lines(run, regime, width) for regime in regimes),
        prefix_cache_lines(run, width),
    ]
    return [lines for lines in found if lines]
