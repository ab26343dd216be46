"""The ablation as people read it: one sentence, one table, and what must be said beside them."""

from __future__ import annotations

from agent.printable import one_line
from evals.ablation import Difference, Effect, effects, ends, interaction
from evals.grid import Block, Grid
from evals.ratios import ratio_text
from evals.run import Run
from evals.schedule import Regime, balances

_LABEL = "what was changed alone"
_SHARES = ("strict JSON", "schema-valid")
_COSTS = ("prompt tokens", "TTFT", "tokens per valid")
_WIDE = 120
"""Characters that shares and costs side by side need."""


def ablation_blocks(run: Run, regime: Regime, width: int) -> list[Block]:
    """What each ingredient changed in one regime of a run; nothing where no two of its stacks differ in one ingredient alone.

    Shares and costs stand side by side where ``width`` characters are enough, or else below each other.
    """
    found = effects(run, regime)
    if not found:
        return []
    rows = [row for effect in found for row in _rows(run, regime, effect)]
    return [sentence(found, regime), "", *_tables(rows, width), *_notes(run, regime, found)]


def _tables(rows: list[tuple[str, ...]], width: int) -> list[Block]:
    if width >= _WIDE:
        return [Grid((_LABEL, *_SHARES, *_COSTS), tuple(rows))]
    shares, costs = ([(label, *cells[part]) for label, *cells in rows] for part in (slice(2), slice(2, None)))
    return [Grid((_LABEL, *_SHARES), tuple(shares)), "", Grid((_LABEL, *_COSTS), tuple(costs))]


def sentence(found: list[Effect], regime: Regime) -> str:
    """The finding: how the share of schema-valid answers changed, in points with intervals; a decoding that was not honoured
    apart.
    """
    shown = [f"{effect.factor.name}: {points_text(effect.valid) if effect.is_honoured else 'not honoured'}" for effect in found]
    return f"schema-valid answers, {regime}: {'; '.join(shown)}."


def _rows(run: Run, regime: Regime, effect: Effect) -> list[tuple[str, ...]]:
    """The effect, and below it that from each of its ends, where it has several and its decoding was not seen to be ignored."""
    rows = [(effect.factor.name, *_figures(effect))]
    if len(effect.pairs) > 1 and effect.is_honoured:
        rows += [(f"- from {end.pairs[0][0]}", *_figures(end)) for end in ends(run, regime, effect)]
    return rows


def _figures(effect: Effect) -> tuple[str, ...]:
    if not effect.is_honoured:
        return (f"not honoured in {effect.ignored} of {effect.answers}", "-", "-", "-", "-")
    return (
        points_text(effect.strict),
        points_text(effect.valid),
        "-" if effect.prompt_tokens is None else f"x{effect.prompt_tokens:.2f}",
        ratio_text(effect.ttft),
        ratio_text(effect.tokens_per_valid),
    )


def points_text(change: Difference) -> str:
    """A difference of shares in points, with its interval."""
    return f"{100 * change.value:+.0f} [{100 * change.low:+.0f}, {100 * change.high:+.0f}]"


def _notes(run: Run, regime: Regime, found: list[Effect]) -> list[str]:
    tasks = max(effect.tasks for effect in found)
    over = f"with 95 % intervals over {tasks} task{'' if tasks == 1 else 's'}, each for itself: of so many, some are wrong"
    notes = [f"Points of all answers after the retry, and ratios, {over}."]
    if regime == "warm":
        notes.append(
            f"TTFT also depends on what the server still had of the prompt before: {_met(run)}, absent in the cold regime."
        )
    if cut := [f"{effect.factor.name} {effect.cut_off}" for effect in found if effect.cut_off]:
        notes.append(f"Answers that were cut off, no fault of an ingredient, count as not valid: {', '.join(cut)}.")
    if run.stopped is not None:
        notes.append("The run stopped when its verdict was settled, and these intervals do not allow for that.")
    if run.flaw:
        notes.append(f"The run is not whole, so nothing follows: {run.flaw}.")
    return [one_line(note) for note in (*notes, *(note for effect in found for note in _notes_on(run, regime, effect)))]


def _met(run: Run) -> str:
    """How far the order of the run lets its stacks meet the same of each other's prompts."""
    asked = run.settings
    if asked.order == "blocked":
        return "the stack's own here"
    if len(asked.arms) > 1:
        return "not balanced here, by the one order of stacks that an A/B session has"
    rounds = len(run.measured_tasks) * asked.epochs
    if balances(rounds, len(asked.stacks)):
        return "balanced here up to one order"
    return f"not balanced here, by {rounds} order{'' if rounds == 1 else 's'} of {len(asked.stacks)} stacks"


def _notes_on(run: Run, regime: Regime, effect: Effect) -> list[str]:
    name = effect.factor.name
    if not effect.is_honoured:
        answers = f"{effect.ignored} of {effect.answers} answers ended by themselves and are not what was asked for"
        return [f"{name}: the server does not honour it: {answers}. That is no fault of the model, and no figure of the mode."]
    differ = interaction(run, regime, effect)
    if differ is None or differ.low <= 0 <= differ.high:
        return []
    return [f"{name}: {points_text(differ)} points more at the optimized end than at the naive one; their mean hides that."]
