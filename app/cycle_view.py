"""A cycle in words, for a terminal."""

from collections.abc import Mapping, Sequence

from core.cycles import CycleState, CycleView
from trainer.cycle.building import Built
from trainer.gate import gate_of

IN_WORDS = {
    CycleState.PLANNED: "planned",
    CycleState.BUILDING: "making examples of the votes",
    CycleState.TRAINING: "training",
    CycleState.EVALUATING: "measuring the new adapter beside what serves",
    CycleState.GATED: "passed the gate",
    CycleState.CANARY: "the new adapter answers a share of the requests; votes decide",
    CycleState.PROMOTED: "promoted: the new adapter serves",
    CycleState.REJECTED: "rejected",
    CycleState.FAILED: "failed",
    CycleState.CANCELLED: "cancelled",
}


def state_line(cycle: CycleView) -> str:
    """Return one line that says how a cycle stands."""
    line = f"{cycle.id}  {IN_WORDS[cycle.state]}"
    if cycle.state is CycleState.CANARY and cycle.canary is not None:
        line += f" ({cycle.canary['sentence']})"
    return f"{line}: {cycle.reason}" if cycle.reason else line


def gate_lines(gate: Mapping[str, object]) -> list[str]:
    """Return the gate's table as aligned lines."""
    table = gate_of(gate, where="the gate's table").as_table()
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def plan_lines(built: Built) -> Sequence[str]:
    """Return what the votes are enough for."""
    lines = built.report.as_markdown().strip().splitlines()
    if built.objective.missing is not None:
        return [*lines, "", f"Nothing would be trained: {built.objective.missing}"]
    what = f"Would train ({built.objective.kind}): {built.objective.why}"
    kept = f"{len(built.examples.rated)} examples to learn from, {len(built.examples.held_out)} held out to measure on."
    return [*lines, "", what, kept]
