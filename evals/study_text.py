"""What a run says about the questions that it can answer: the article's, whether the code obeys, the ablation, the prefix cache,
growth.
"""

from __future__ import annotations

from evals.ablation_text import ablation_blocks
from evals.funnel_text import funnel_blocks
from evals.grid import Block
from evals.growth_text import growth_blocks
from evals.prefix_cache import prefix_cache_blocks
from evals.published import published_blocks
from evals.run import Run
from evals.studies import GROWTH


def study_blocks(run: Run, width: int) -> list[list[Block]]:
    """For every question that the run can answer its blocks: the finding in a sentence, and the table it follows from; ``width``
    chooses a layout.
    """
    if run.settings.study == GROWTH:
        return [growth_blocks(run)]
    regimes = run.settings.regimes
    found = [
        published_blocks(run),
        *(funnel_blocks(run, regime) for regime in regimes),
        *(ablation_blocks(run, regime, width) for regime in regimes),
        prefix_cache_blocks(run),
    ]
    return [blocks for blocks in found if blocks]
