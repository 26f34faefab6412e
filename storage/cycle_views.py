"""What leaves storage/ of a cycle's row."""

from datetime import datetime

from core.cycles import CycleState, CycleView
from storage.cycle_tables import CycleRow
from storage.training_runs import Trainer


def view_of(row: CycleRow) -> CycleView:
    """Return a cycle as people see it."""
    return CycleView(
        id=row.id,
        state=row.state,
        base_model=row.base_model,
        is_automatic=row.is_automatic,
        asked_by=row.asked_by,
        run_id=row.run_id,
        champion=row.champion_id,
        adapter=row.adapter_id,
        config=row.config,
        feedback=row.feedback,
        gate=row.gate,
        canary=row.canary,
        history=tuple((CycleState(state), datetime.fromisoformat(moment)) for state, moment in row.history),
        reason=row.reason,
        is_cancel_wanted=row.is_cancel_wanted,
        created_at=row.created_at,
        updated_at=row.updated_at,
        finished_at=row.finished_at,
    )


def trainer_of(row: CycleRow) -> Trainer | None:
    """Return the process that carries a cycle out; None while nobody does."""
    if row.host is None or row.process_id is None or row.heartbeat_at is None:
        return None
    return Trainer(host=row.host, process_id=row.process_id, heard_at=row.heartbeat_at)


def history_step(state: CycleState, moment: datetime) -> list[str]:
    """Return what `history` keeps of a state that begins; `view_of` reads it again."""
    return [state.value, moment.isoformat()]
