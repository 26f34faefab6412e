"""A cycle of learning with all that people are shown of it, read at one moment."""

from dataclasses import dataclass

from bot.cards import SECONDS_A_MINUTE
from bot.cycle_planner import CyclePlanner
from core.cycles import CycleState, CycleView, Tally
from core.errors import NotFound
from core.records import TrainingProgress
from storage import adapters, clock, cycles, training_runs
from storage.database import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleStatus:
    """One cycle; what is not there (yet) is None or empty.

    `num_waiting_minutes` are whole ones for which it has been planned and nobody has begun it; `progress` is that of
    its training while it goes on. `gate_rows` are the gate's tests as text, `champion` and
    `challenger` the canary's votes. `num_votes` of `num_people` are what its adapter learned from.
    """

    cycle: CycleView
    num_waiting_minutes: int = 0
    progress: TrainingProgress | None = None
    gate_rows: tuple[tuple[str, ...], ...] = ()
    champion: Tally | None = None
    challenger: Tally | None = None
    num_votes: int = 0
    num_people: int = 0


async def read_status(session: Session, cycle: CycleView, planner: CyclePlanner | None) -> CycleStatus:
    """Read what belongs to a cycle."""
    progress = None
    if cycle.state is CycleState.TRAINING and cycle.run_id is not None:
        progress = (await training_runs.view(session, cycle.run_id)).progress
    num_votes, num_people = await _learned_from(session, cycle)
    rows = planner.gate_rows(cycle.gate) if planner is not None and cycle.gate is not None else ()
    return CycleStatus(
        cycle=cycle,
        num_waiting_minutes=await _num_waiting_minutes(session, cycle),
        progress=progress,
        gate_rows=tuple(tuple(row) for row in rows),
        champion=_tally(cycle, "champion"),
        challenger=_tally(cycle, "challenger"),
        num_votes=num_votes,
        num_people=num_people,
    )


async def _num_waiting_minutes(session: Session, cycle: CycleView) -> int:
    if cycle.state is not CycleState.PLANNED or await cycles.owner_of(session, cycle.id) is not None:
        return 0
    return max(0, int((clock.utc_now() - cycle.created_at).total_seconds() // SECONDS_A_MINUTE))


async def _learned_from(session: Session, cycle: CycleView) -> tuple[int, int]:
    """Count the votes and people behind the cycle's adapter; none while it has no adapter."""
    if cycle.adapter is None:
        return 0, 0
    try:
        lineage = await adapters.lineage(session, cycle.adapter)
    except NotFound:
        return 0, 0
    return lineage.num_votes, lineage.num_people


def _tally(cycle: CycleView, side: str) -> Tally | None:
    kept = (cycle.canary or {}).get(side)
    return Tally(**kept) if isinstance(kept, dict) else None
