"""The end of a canary whose opponent changed: its votes would be compared with something else from then on.

It knows no votes. Whoever changes what serves, other than by the canary's own decision, calls it in that transaction.
"""

from core.cycles import CycleState
from storage import cycles, serving
from storage.database import Session

OVERTAKEN = "What serves was changed while its canary ran, so that its votes would be compared with something else."
CHOSEN = "It was promoted by hand before its canary was decided."


async def end_overtaken_canary(session: Session) -> str | None:
    """End the canary that runs where what serves is no longer what it has to beat; return its cycle if so.

    The cycle counts as promoted where its own adapter serves now; else it is cancelled, and its adapter rejected.
    """
    cycle = await cycles.open_cycle(session)
    if cycle is None or cycle.state is not CycleState.CANARY:
        return None
    active = (await serving.plan(session, cycle.base_model)).active
    present = active.id if active else None
    if present == cycle.champion:
        return None
    is_chosen = present is not None and present == cycle.adapter
    after, reason = (CycleState.PROMOTED, CHOSEN) if is_chosen else (CycleState.CANCELLED, OVERTAKEN)
    if not await cycles.advance(session, cycle.id, before=CycleState.CANARY, after=after, reason=reason):
        return None
    if not is_chosen and cycle.adapter is not None:
        await serving.reject(session, cycle.adapter, reason)
    return cycle.id
