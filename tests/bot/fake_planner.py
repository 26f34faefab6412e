"""A planner without a trainer: it finds as many votes as a test says, and plans a real cycle."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cycle_planner import Outlook, Suspicion
from storage import cycles, serving
from storage.database import Database, Session

SUSPECT = Suspicion(rater="01SUSPECT", reason="serial", num_votes=9, evidence="9 of 9 thumbs point down.")


def outlook_of(*, num_votes: int = 212, missing: str | None = None) -> Outlook:
    """Return what so many votes are enough for."""
    return Outlook(
        num_votes=num_votes,
        num_people=31,
        num_prompts=140,
        num_rated_prompts=120,
        dropped={"quarantine": 4, "burst": 2},
        suspects=(SUSPECT,),
        objective="supervised" if missing is None else "nothing",
        why="120 rated prompts are enough to imitate what was liked.",
        missing=missing,
    )


class FakePlanner:
    """Plans when `found` has enough."""

    def __init__(self, found: Outlook | None = None, *, has_keeper: bool = True) -> None:
        self.found = found or outlook_of()
        self.has_keeper = has_keeper

    async def outlook(self, database: Database) -> Outlook:
        del database
        return self.found

    async def plan(self, session: Session, base_model: str, *, asked_by: str) -> str:
        plan = await serving.plan(session, base_model)
        return await cycles.create(
            session,
            base_model=base_model,
            champion_id=plan.active.id if plan.active else None,
            config={"canary": {"share": 0.1}},
            is_automatic=False,
            asked_by=asked_by,
        )

    def gate_rows(self, gate: Mapping[str, Any]) -> Sequence[Sequence[str]]:
        rows: Sequence[Sequence[str]] = gate["rows"]
        return rows
