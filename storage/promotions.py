"""The log of what served, one row for each change, and what of it could serve again.

It changes no adapter: storage/serving.py does, and appends here.
"""

from collections.abc import Sequence

from sqlalchemy import select

from storage import clock
from storage.cycle_tables import PromotionRow
from storage.database import Session
from storage.states import AdapterState, PromotionReason
from storage.tables import AdapterRow

PROMOTABLE_STATES = (AdapterState.CANDIDATE, AdapterState.CANARY, AdapterState.RETIRED)
STEPS_BACK = (PromotionReason.ROLLBACK, PromotionReason.FORGOTTEN)


async def append(
    session: Session,
    adapter_id: str | None,
    *,
    base_model: str,
    reason: PromotionReason,
    cycle_id: str | None,
    user_id: str | None,
) -> None:
    """Keep that an adapter, or the base alone, serves from now on."""
    session.add(
        PromotionRow(
            base_model=base_model,
            adapter_id=adapter_id,
            cycle_id=cycle_id,
            user_id=user_id,
            reason=reason,
            promoted_at=clock.utc_now(),
        )
    )
    await session.flush()


async def earlier(
    session: Session, base_model: str, *, present: str | None, is_untouched: bool = False
) -> list[str | None]:
    """Return what could serve again in place of `present`, the last first; the base alone (None) ends it.

    With `is_untouched`, adapters that learned from somebody forgotten are left out.
    """
    query = select(PromotionRow.adapter_id, PromotionRow.reason).where(PromotionRow.base_model == base_model)
    served = standing([(adapter, reason) for adapter, reason in await session.execute(query.order_by(PromotionRow.id))])
    possible = select(AdapterRow.id).where(AdapterRow.base_model == base_model, AdapterRow.state.in_(PROMOTABLE_STATES))
    if is_untouched:
        possible = possible.where(AdapterRow.num_forgotten == 0)
    good: set[str | None] = {None, *await session.scalars(possible)} - {present}
    return [adapter for adapter in reversed(served) if adapter in good]


def standing(promotions: Sequence[tuple[str | None, PromotionReason]]) -> list[str | None]:
    """Return what served one after the other without what was taken back; the last serves, the base alone began.

    A roll-back takes back all that came after the one it goes back to, so that the next goes further back.
    """
    served: list[str | None] = [None]
    for adapter, reason in promotions:
        if reason in STEPS_BACK and adapter in served:
            while served[-1] != adapter:
                served.pop()
        elif served[-1] != adapter:
            served.append(adapter)
    return served
