"""How a cycle ends: promoted, rejected, failed or cancelled, together with what that means for its adapter.

A cycle and its adapter change in one transaction, so a process that dies in between leaves neither without the other.
It imports nothing heavy: the chats' process decides canaries as well.
"""

from core.cycles import CycleState, CycleView
from core.errors import TrainingFailed
from storage import cycles, serving
from storage.database import Session
from storage.states import PromotionReason
from storage.training_runs import Owner

CANCELLED = "An operator cancelled it."


async def promote(session: Session, cycle: CycleView, *, reason: str, owner: Owner | None = None) -> bool:
    """Let the cycle's adapter serve; return False, with nothing changed, where the cycle has moved on already.

    Raises:
        TrainingFailed: it has none.
        NotFound: its adapter was rejected, or is gone.
    """
    if cycle.adapter is None:  # else the base alone would serve
        raise TrainingFailed(f"The cycle {cycle.id} has lost its adapter; start a new one.")
    if not await cycles.advance(
        session, cycle.id, before=cycle.state, after=CycleState.PROMOTED, owner=owner, reason=reason
    ):
        return False
    await serving.promote(
        session, cycle.adapter, base_model=cycle.base_model, reason=PromotionReason.CANARY, cycle_id=cycle.id
    )
    return True


async def end(
    session: Session,
    cycle: CycleView,
    state: CycleState,
    reason: str,
    *,
    owner: Owner | None = None,
    **values: object,
) -> bool:
    """End the cycle in `state` without a promotion; its adapter, where there is one, is rejected for the same reason.

    `values` are for the cycle's other columns, such as the gate's table.

    Return False, with nothing changed, where the cycle has moved on already.
    """
    if not await cycles.advance(
        session, cycle.id, before=cycle.state, after=state, owner=owner, reason=reason, **values
    ):
        return False
    if cycle.adapter is not None:
        await serving.reject(session, cycle.adapter, reason)
    return True
