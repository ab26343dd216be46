"""What a run says about the questions that it can answer: the article's, whether the code obeys, the ablation, the prefix cache,
growth.
"""

from __future__ import annotations

from evals.ablation_text import ablation_lines
from evals.funnel_text import funnel_lines
from evals.growth_text import growth_lines
from evals.prefix_cache import prefix_cache_lines
from evals.published import published_lines
from evals.run import Run
from evals.studies import GROWTH


def study_lines(run: Run, width: int) -> list[list[str]]:
    """For every question that the run can answer its lines: the finding in a sentence, and the table it follows from."""
    if run.settings.study == GROWTH:
        return [growth_lines(run, width)]
    regimes = run.settings.regimes
    found = [
        published_lines(run, width),
        *(funnel_lines(run, regime, width) for regime in regimes),
        *(ablation_lines(run, regime, width) for regime in regimes),
        prefix_cache_lines(run, width),
    ]
    return [lines for lines in found if lines]
