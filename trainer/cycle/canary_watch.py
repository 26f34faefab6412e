"""Looking after a canary: count its votes, decide, and let the decision hold.

Whoever looks may be any process, and several may look at once: each change is guarded by the cycle's state.
"""

from dataclasses import asdict
from datetime import datetime

from core.cycles import CycleState, CycleView, Tally
from core.logs import get_logger
from storage import clock, cycles, serving
from storage.database import Database, Session
from trainer.canary import CanaryConfig, Decision, DecisionKind, decide
from trainer.cycle import endings

log = get_logger(__name__)


async def look_after(database: Database, cycle: CycleView, config: CanaryConfig) -> Decision:
    """Decide the canary of `cycle`, which is in that state, by its votes so far, and do what was decided.

    Counting takes no write lock; there is something to write only where the count has changed. Where somebody wants
    the cycle to end, it is cancelled.

    Raises:
        TrainingFailed: the cycle has lost its adapter.
    """
    if cycle.is_cancel_wanted:
        async with database.write() as session:
            await endings.end(session, cycle, CycleState.CANCELLED, endings.CANCELLED)
        return Decision(kind=DecisionKind.ROLL_BACK, sentence=endings.CANCELLED)
    async with database.read() as session:
        trouble = None if cycle.adapter is None else await serving.trouble_of(session, cycle.adapter)
        tally, decision = await _counted(session, cycle, config)
    if trouble is not None:  # no worker can load it, so nobody would ever vote on it
        decision = Decision(kind=DecisionKind.ROLL_BACK, sentence=trouble)
    if tally == cycle.canary and decision.kind is DecisionKind.CONTINUE:
        return decision
    async with database.write() as session:
        await cycles.note(session, cycle.id, canary=tally)
        is_done = await _done(session, cycle, decision)
    if is_done:
        log.info("cycle.canary_decided", cycle=cycle.id, decision=decision.kind.value)
    return decision


async def _counted(session: Session, cycle: CycleView, config: CanaryConfig) -> tuple[dict[str, object], Decision]:
    began = _began(cycle)
    champion, challenger = await serving.canary_tallies(
        session,
        base_model=cycle.base_model,
        champion=cycle.champion,
        challenger=cycle.adapter,
        since=began,
        max_votes_per_rater=config.max_votes_per_rater,
    )
    elapsed = (clock.utc_now() - began).total_seconds()
    decision = decide(champion, challenger, elapsed_seconds=elapsed, config=config)
    return _as_json(champion, challenger, decision), decision


async def _done(session: Session, cycle: CycleView, decision: Decision) -> bool:
    """Do what was decided; say whether the cycle has ended by it."""
    match decision.kind:
        case DecisionKind.PROMOTE:
            return await endings.promote(session, cycle, reason=decision.sentence)
        case DecisionKind.ROLL_BACK:
            return await endings.end(session, cycle, CycleState.REJECTED, decision.sentence)
        case DecisionKind.CONTINUE:
            return False


def _began(cycle: CycleView) -> datetime:
    return next(moment for state, moment in reversed(cycle.history) if state is CycleState.CANARY)


def _as_json(champion: Tally, challenger: Tally, decision: Decision) -> dict[str, object]:
    return {
        "champion": asdict(champion),
        "challenger": asdict(challenger),
        "decision": decision.kind.value,
        "sentence": decision.sentence,
    }
