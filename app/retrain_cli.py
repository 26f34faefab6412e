"""`mjprompt retrain` and `mjprompt export`: learn from the votes, and hand on what may be learned from.

Everything heavy is imported inside the command that needs it.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.command_settings import print_json, read_settings

if TYPE_CHECKING:
    from core.cycles import CycleView
    from core.settings import Settings

FormatName = Literal["jsonl", "parquet"]
FormName = Literal["ratings", "sft", "kto", "dpo"]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
ENDED_WELL = 0
NICENESS = 10  # of a training beside a worker; 19 is the politest
REFUSED = 4  # the gate or the canary said no


def retrain(
    *,
    is_plan: Annotated[bool, typer.Option("--plan", help="Say what the votes are enough for, and do nothing.")] = False,
    is_waiting: Annotated[bool, typer.Option("--wait", help="Wait until the canary is decided as well.")] = False,
    cycle_id: Annotated[str | None, typer.Option("--cycle", help="Go on with this cycle.", hidden=True)] = None,
    is_json: JsonOption = False,
) -> None:
    """Learn from the votes: train, measure, and let people decide by their votes on a share of the answers."""
    settings = read_settings()
    if is_plan:
        _plan(settings, is_json=is_json)
        return
    cycle = _carry_out(settings, cycle_id, is_waiting=is_waiting, is_quiet=is_json)
    if is_json:
        print_json(_as_json(cycle))
    else:
        _print_end(cycle)
    raise typer.Exit(_status(cycle))


def _plan(settings: "Settings", *, is_json: bool) -> None:
    from app.cycle_view import plan_lines
    from trainer.cycle.command import show_plan

    built = show_plan(settings)
    if is_json:
        print_json(built.as_dict())
    else:
        sys.stdout.write("\n".join(plan_lines(built)) + "\n")


def _carry_out(settings: "Settings", cycle_id: str | None, *, is_waiting: bool, is_quiet: bool) -> "CycleView":
    from app.cycle_view import state_line
    from falcon.source import base_name, choose_base
    from trainer.cycle.carrying_out import STEPS, carry_out
    from trainer.cycle.command import await_canary, start_cycle

    def tell(cycle: "CycleView") -> None:
        if not is_quiet:
            sys.stdout.write(state_line(cycle) + "\n")
            sys.stdout.flush()

    def tell_before_step(cycle: "CycleView") -> None:
        if cycle.state in STEPS:  # what it comes to is printed at the end
            tell(cycle)

    if cycle_id is not None:  # a child beside a worker, whose answers people wait for
        with suppress(AttributeError, OSError):  # Windows knows no such thing
            os.nice(NICENESS)
    else:
        cycle_id = start_cycle(settings, base_name(choose_base(settings.model_id)))
    cycle = carry_out(settings, cycle_id, tell=tell_before_step)
    return await_canary(settings, cycle_id, tell=tell) if is_waiting else cycle


def _print_end(cycle: "CycleView") -> None:
    from app.cycle_view import gate_lines, state_line

    if cycle.gate is not None:
        sys.stdout.write("\n".join(gate_lines(cycle.gate)) + "\n")
    sys.stdout.write(state_line(cycle) + "\n")


def _as_json(cycle: "CycleView") -> dict[str, object]:
    return {
        "id": cycle.id,
        "state": cycle.state.value,
        "reason": cycle.reason,
        "adapter": cycle.adapter,
        "champion": cycle.champion,
        "feedback": cycle.feedback,
        "gate": cycle.gate,
        "canary": cycle.canary,
        "history": [[state.value, moment.isoformat()] for state, moment in cycle.history],
    }


def _status(cycle: "CycleView") -> int:
    from core.cycles import CycleState

    if cycle.state in (CycleState.CANARY, CycleState.PROMOTED):
        return ENDED_WELL
    return REFUSED if cycle.state is CycleState.REJECTED else 1


def export(
    file: Annotated[Path, typer.Argument(help="Where to write; nothing is overwritten.")],
    *,
    kind: Annotated[FormatName, typer.Option("--format", help="jsonl or parquet.")] = "jsonl",
    form: Annotated[FormName, typer.Option("--form", help="ratings, or what TRL reads: sft, kto, dpo.")] = "ratings",
) -> None:
    """Write the rated prompts of people who agreed to it, without names, for `datasets` and TRL."""
    from trainer.cycle.command import export_rows
    from trainer.exports import ExportForm, ExportFormat, write_rows

    rows = export_rows(read_settings(log_level="WARNING"), ExportForm(form))
    write_rows(rows, file, ExportFormat(kind))
    sys.stdout.write(f"{len(rows)} rows are in {file}; nobody is named in them.\n")
