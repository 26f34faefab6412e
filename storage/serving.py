"""What answers requests: the adapter that serves, its canary, and what served before.

Each change of an adapter's state is one guarded UPDATE, and each change of what serves is one more row of `promotions`.
It knows no files: whether an adapter's weights are sound is for whoever loads them.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Select, Subquery, case, func, or_, select, update

from core.cycles import AdapterFiles, CycleState, ServingPlan, Tally
from core.errors import NotFound
from core.records import Thumb
from storage import clock, promotions
from storage.cycle_tables import CycleRow
from storage.database import Session
from storage.learnable import agreed
from storage.promotions import PROMOTABLE_STATES
from storage.states import AdapterState, PromotionReason
from storage.tables import AdapterRow, CandidateRow, VoteRow

NO_VOTES = Tally(num_up=0, num_down=0, num_raters=0)
UNPROVEN_STATES = (AdapterState.CANDIDATE, AdapterState.CANARY)
FORGOTTEN = "It learned from votes of somebody who was forgotten since."


async def plan(session: Session, base_model: str) -> ServingPlan:
    """Return what has to answer now; a canary only while its cycle waits for votes on it."""
    active = await session.scalar(_active(base_model))
    query = (
        select(AdapterRow, CycleRow.config)
        .join(CycleRow, CycleRow.adapter_id == AdapterRow.id)
        .where(CycleRow.is_open, CycleRow.state == CycleState.CANARY, AdapterRow.state == AdapterState.CANARY)
        .where(AdapterRow.base_model == base_model)
    )
    found = (await session.execute(query)).one_or_none()
    return ServingPlan(
        active=_files_of(active) if active else None,
        canary=_files_of(found[0]) if found else None,
        canary_share=_share_of(found[1]) if found else 0.0,
    )


async def start_canary(session: Session, adapter_id: str) -> bool:
    """Let a candidate answer its share of the requests; return whether it was a candidate."""
    return await _change(session, adapter_id, AdapterState.CANDIDATE, state=AdapterState.CANARY, reason=None)


async def reject(session: Session, adapter_id: str, reason: str) -> bool:
    """Keep an adapter that has not served from serving; return whether it was one. `reason` is one sentence."""
    return await _change(session, adapter_id, *UNPROVEN_STATES, state=AdapterState.REJECTED, reason=reason)


async def promote(
    session: Session,
    adapter_id: str | None,
    *,
    reason: PromotionReason,
    base_model: str | None = None,
    cycle_id: str | None = None,
    user_id: str | None = None,
) -> bool:
    """Let an adapter serve, or the base alone where `adapter_id` is None, and retire what served.

    `base_model` has to be given for the base alone. Return False where that serves already: nothing is written then.

    Raises:
        NotFound: there is no such adapter, it is of another base model, or it is rejected.
    """
    base_model = base_model if adapter_id is None else await _base_of(session, adapter_id, base_model)
    if base_model is None:
        raise ValueError("the base alone serves for no base model; give base_model")
    present = await session.scalar(_active(base_model))
    if adapter_id == (present.id if present else None):
        return False
    await _retire(session, present, after=adapter_id)
    if adapter_id is not None and not await _change(
        session, adapter_id, *PROMOTABLE_STATES, state=AdapterState.ACTIVE, reason=None
    ):
        raise _no_such(adapter_id)
    await promotions.append(
        session, adapter_id, base_model=base_model, reason=reason, cycle_id=cycle_id, user_id=user_id
    )
    return True


async def roll_back(
    session: Session,
    base_model: str,
    *,
    user_id: str | None = None,
    cycle_id: str | None = None,
    reason: PromotionReason = PromotionReason.ROLLBACK,
) -> str | None:
    """Let serve again what served before, and return its id; None is the base alone.

    Raises:
        NotFound: nothing served before.
    """
    before = await served_before(session, base_model)
    await promote(session, before, base_model=base_model, reason=reason, user_id=user_id, cycle_id=cycle_id)
    return before


async def served_before(session: Session, base_model: str) -> str | None:
    """Return what a roll-back would let serve; None is the base alone.

    Raises:
        NotFound: nothing served before.
    """
    present = await session.scalar(_active(base_model))
    found = await promotions.earlier(session, base_model, present=present.id if present else None)
    if not found:
        raise NotFound(f"Nothing served before the model {base_model} alone, so that there is nothing to go back to.")
    return found[0]


async def retire_forgotten(session: Session, base_model: str) -> list[str]:
    """Put every adapter that learned from somebody forgotten out of reach for good, and return their ids.

    Where one of them serves, the last one before it that did not serves again, or the base alone.
    """
    touched = (AdapterRow.base_model == base_model, AdapterRow.num_forgotten > 0)
    present = await session.scalar(_active(base_model))
    if present is not None and present.num_forgotten > 0:
        good = await promotions.earlier(session, base_model, present=present.id, is_untouched=True)
        await promote(session, good[0], base_model=base_model, reason=PromotionReason.FORGOTTEN)
    change = update(AdapterRow).where(*touched, AdapterRow.state.in_(PROMOTABLE_STATES))
    values = {"state": AdapterState.REJECTED, "reason": FORGOTTEN, "updated_at": clock.utc_now()}
    return sorted(await session.scalars(change.values(**values).returning(AdapterRow.id)))


async def canary_tallies(
    session: Session,
    *,
    base_model: str,
    champion: str | None,
    challenger: str | None,
    since: datetime,
    max_votes_per_rater: int,
) -> tuple[Tally, Tally]:
    """Count the standing votes on prompts that each of the two made after `since`: the champion's, the challenger's.

    Each is named by its adapter, None for the base alone. Only votes of consenting people count, and of one person on
    one side only the earliest: nobody decides alone what serves.
    """
    is_challenger = CandidateRow.adapter.is_not_distinct_from(challenger)
    is_either = or_(is_challenger, CandidateRow.adapter.is_not_distinct_from(champion))
    side = case((is_challenger, 1), else_=0)
    place = func.row_number().over(partition_by=(side, VoteRow.user_id), order_by=VoteRow.vote_event_id)
    votes = (
        select(side.label("side"), VoteRow.user_id, VoteRow.thumb, place.label("place"))
        .join(CandidateRow, CandidateRow.id == VoteRow.candidate_id)
        .where(is_either, CandidateRow.base_model == base_model, CandidateRow.created_at >= since)
        .where(agreed(VoteRow.user_id))
        .subquery()
    )
    tallies = {side: _tally_of(*row) for side, *row in await session.execute(_counted(votes, max_votes_per_rater))}
    return tallies.get(0, NO_VOTES), tallies.get(1, NO_VOTES)


async def report_trouble(session: Session, adapter_id: str, reason: str) -> None:
    """Keep why an adapter that has to answer cannot, in one sentence; it has to until somebody acts."""
    must_answer = AdapterRow.state.in_((AdapterState.ACTIVE, AdapterState.CANARY))
    await session.execute(update(AdapterRow).where(AdapterRow.id == adapter_id, must_answer).values(reason=reason))


async def trouble_of(session: Session, adapter_id: str) -> str | None:
    """Return why an adapter cannot answer, serve or go on serving, as was told last; None where nothing was."""
    return await session.scalar(select(AdapterRow.reason).where(AdapterRow.id == adapter_id))


def _active(base_model: str) -> Select[AdapterRow]:
    return select(AdapterRow).where(AdapterRow.base_model == base_model, AdapterRow.state == AdapterState.ACTIVE)


def _files_of(row: AdapterRow) -> AdapterFiles:
    return AdapterFiles(id=row.id, folder=row.folder, sha256=row.sha256)


def _share_of(config: Mapping[str, object]) -> float:
    canary = config.get("canary")
    share = canary.get("share") if isinstance(canary, Mapping) else None
    return float(share) if isinstance(share, int | float) else 0.0


async def _base_of(session: Session, adapter_id: str, wanted: str | None) -> str:
    base_model = await session.scalar(select(AdapterRow.base_model).where(AdapterRow.id == adapter_id))
    if base_model is None or wanted not in (None, base_model):
        raise _no_such(adapter_id)
    return base_model


def _no_such(adapter_id: str) -> NotFound:
    return NotFound(f"There is no adapter {adapter_id} that could serve; choose one that is neither rejected nor gone.")


async def _retire(session: Session, present: AdapterRow | None, *, after: str | None) -> None:
    if present is not None:
        reason = f"Replaced by {after}." if after else "Replaced by the base model alone."
        await _change(session, present.id, AdapterState.ACTIVE, state=AdapterState.RETIRED, reason=reason)


async def _change(session: Session, adapter_id: str, *before: AdapterState, **values: object) -> bool:
    """Change an adapter that is in one of these states; return whether it was."""
    change = update(AdapterRow).where(AdapterRow.id == adapter_id, AdapterRow.state.in_(before))
    values["updated_at"] = clock.utc_now()
    return await session.scalar(change.values(**values).returning(AdapterRow.id)) is not None


def _counted(votes: Subquery, max_votes_per_rater: int) -> Select[int, int, int, int]:
    num_up = func.sum(case((votes.c.thumb == Thumb.UP, 1), else_=0))
    counts = select(votes.c.side, num_up, func.count(), func.count(votes.c.user_id.distinct()))
    return counts.where(votes.c.place <= max_votes_per_rater).group_by(votes.c.side)


def _tally_of(num_up: int, num_votes: int, num_raters: int) -> Tally:
    return Tally(num_up=num_up, num_down=num_votes - num_up, num_raters=num_raters)
