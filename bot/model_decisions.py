"""What operators decide about the model that everybody shares, done in the transaction that records it.

Who may decide is checked in bot/administration.py. It knows no platform and no texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.cycle_planner import CyclePlanner, needed
from core.errors import NotFound, NotPossible, TrainingBusy
from core.records import AuditAction, Destination, Identity
from core.settings import Settings
from storage import adapters, cycle_messages, cycles, serving, workers
from storage.database import Database, Session
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.overtaken import end_overtaken_canary
from storage.states import CycleMessageKind, PromotionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One confirmed decision; `adapter` is the one to promote, `follow_at` where a training shows how it goes."""

    action: AuditAction
    identity: Identity
    user_id: str
    adapter: object = None
    follow_at: Destination | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done: the text that says so with its values, and what the audit row keeps beside the decision."""

    key: str
    values: Mapping[str, object]
    details: Mapping[str, object]


class ModelDecisions:
    """Promotes, rolls back, plans and cancels over one database."""

    def __init__(self, database: Database, settings: Settings, planner: CyclePlanner | None) -> None:
        self._database = database
        self._settings = settings
        self._planner = planner

    async def require_possible(self, action: AuditAction) -> None:
        """Check what can be checked before anything is written.

        Raises:
            NotPossible: ADAPTER pins what serves, this process cannot plan, or there is too little to learn from.
        """
        if action is AuditAction.CANCEL_RETRAIN:
            return
        self._require_unpinned()
        if action is AuditAction.RETRAIN:
            outlook = await needed(self._planner).outlook(self._database)
            if outlook.num_votes == 0:
                raise NotPossible(
                    "Nobody who allowed learning has voted yet; votes count once their people allow it in /privacy."
                )
            if outlook.missing is not None:
                raise NotPossible(outlook.missing)

    async def carry_out(self, session: Session, decision: Decision) -> Done:
        """Do what was decided.

        Raises:
            NotFound: there is no such adapter, nothing served before, or nothing is there to cancel.
            NotPossible: no worker is there, or another cycle is open.
        """
        match decision.action:
            case AuditAction.PROMOTE:
                return await _promote(session, decision)
            case AuditAction.ROLLBACK:
                return await _roll_back(session, decision)
            case AuditAction.RETRAIN:
                return await self._plan(session, decision)
            case AuditAction.CANCEL_RETRAIN:
                return await _cancel(session)
            case _:
                raise ValueError(f"{decision.action} is no decision about the model")

    async def told_again(self, session: Session, decision: Decision) -> Done:
        """Return what was done when the same decision came before.

        Raises:
            NotFound: it names an adapter that there never was.
        """
        match decision.action:
            case AuditAction.ROLLBACK:
                base_model = await served_base(session)
                plan = await serving.plan(session, base_model) if base_model is not None else None
                return _back_to(plan.active.id if plan and plan.active else None)
            case AuditAction.PROMOTE:
                await adapters.lineage(session, str(decision.adapter))  # a key used again for what never was
                return _promoted(decision.adapter)
            case AuditAction.RETRAIN:
                return self._planned()
            case action:
                return Done(key=f"model.done.{action}", values={}, details={})

    async def _plan(self, session: Session, decision: Decision) -> Done:
        base_model = await _needed_base(session)
        try:
            cycle_id = await needed(self._planner).plan(session, base_model, asked_by=decision.user_id)
        except TrainingBusy as error:
            raise NotPossible(str(error)) from error
        if decision.follow_at is not None:
            await cycle_messages.add(
                session,
                cycle_id=cycle_id,
                platform=decision.identity.platform,
                key=f"live:{cycle_id}",
                kind=CycleMessageKind.LIVE,
                destination=decision.follow_at,
                user_id=decision.user_id,
            )
        return self._planned(verb="start", cycle=cycle_id)

    def _planned(self, **details: object) -> Done:
        key = "model.done.retrain" if needed(self._planner).has_keeper else "model.done.retrain_waits"
        return Done(key=key, values={}, details=details)

    def _require_unpinned(self) -> None:
        if self._settings.adapter is not None:
            raise NotPossible(
                f"ADAPTER = {self._settings.adapter} keeps the workers on that folder, so that no change would be "
                "followed; take ADAPTER out of the settings."
            )


async def served_base(session: Session) -> str | None:
    """Return the base model of a worker that is there; None while there is none."""
    live = await workers.live(session, within_seconds=WORKER_SILENCE_SECONDS)
    return next((worker.model.base for worker in live if worker.model is not None), None)


async def _needed_base(session: Session) -> str:
    base_model = await served_base(session)
    if base_model is None:
        raise NotPossible("No worker with a model is there, so that it is not known for which one; start one first.")
    return base_model


async def _promote(session: Session, decision: Decision) -> Done:
    adapter = decision.adapter
    if not isinstance(adapter, str) or adapter not in await adapters.names(session):
        raise NotFound("There is no such adapter to promote; look at the list of this command again.")
    await serving.promote(
        session,
        adapter,
        reason=PromotionReason.OPERATOR,
        base_model=await served_base(session),
        user_id=decision.user_id,
    )
    return await _with_canary(session, _promoted(adapter))


def _promoted(adapter: object) -> Done:
    return Done(key="model.done.promote", values={"adapter": adapter}, details={})


async def _with_canary(session: Session, done: Done) -> Done:
    """Return `done` with the cycle whose canary it has ended, where one ran."""
    ended = await end_overtaken_canary(session)
    return done if ended is None else replace(done, details={**done.details, "ended_cycle": ended})


async def _roll_back(session: Session, decision: Decision) -> Done:
    base_model = await _needed_base(session)
    done = _back_to(await serving.roll_back(session, base_model, user_id=decision.user_id))
    return await _with_canary(session, done)


def _back_to(adapter: str | None) -> Done:
    key = "model.done.rollback_base" if adapter is None else "model.done.rollback"
    return Done(key=key, values={"adapter": adapter}, details={"adapter": adapter})


async def _cancel(session: Session) -> Done:
    cycle = await cycles.open_cycle(session)
    if cycle is None:
        raise NotFound("No training is going on, so that there is none to cancel.")
    await cycles.request_cancel(session, cycle.id)
    return Done(key="model.done.cancel_retrain", values={}, details={"cycle": cycle.id})
