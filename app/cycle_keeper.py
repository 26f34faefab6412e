"""Cycles of learning beside `mjprompt run`: each open one has a process that carries it out, canaries are looked after.

It plans cycles by itself where the policy says so. It never imports torch: a training lives and dies in a process of
its own, which is started again after a fault; a cycle that somebody else's process carries out is left alone.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.cycle_process import CycleProcess
from bot.model_decisions import served_base
from core.backoff import backoff_seconds
from core.cycles import CycleState, CycleView
from core.errors import ConfigError, MjpromptError, TrainingBusy
from core.logs import get_logger
from storage import cycles, ratings, serving
from storage.database import Database
from storage.overtaken import end_overtaken_canary
from trainer.cycle import canary_watch, endings
from trainer.cycle.folder import CYCLES_FOLDER
from trainer.cycle.leftovers import delete_leftovers
from trainer.cycle.planning import plan_cycle
from trainer.cycle_config import CycleConfig
from trainer.policy import is_due
from trainer.run.owner import is_alive

TICK_SECONDS = 2.0
MAX_ENDS = 3  # of the process in one state of one cycle
GAVE_UP = "The process that trains ended {count} times without getting further; its log says why."
log = get_logger(__name__)


@dataclass(slots=True)
class _Trouble:
    """How often the process has ended while the cycle stood in one state, and when to start it again."""

    where: tuple[str, CycleState] | None = None
    num_ends: int = 0
    not_before: float = 0.0  # by the monotonic clock

    def count(self, where: tuple[str, CycleState]) -> None:
        self.num_ends = self.num_ends + 1 if where == self.where else 1
        self.where = where
        self.not_before = time.monotonic() + backoff_seconds(self.num_ends)


class CycleKeeper:
    """Looks after the cycles of one database until cancelled."""

    def __init__(
        self, database: Database, config: CycleConfig, process: CycleProcess, *, root: Path = CYCLES_FOLDER
    ) -> None:
        self._database, self._config, self._process, self._root = database, config, process, root
        self._trouble = _Trouble()
        self._num_ends_seen = 0
        self._why_unplanned = ""

    async def run(self) -> None:
        """Look after the cycles until cancelled; a training is asked to save and end then."""
        try:
            while True:
                try:
                    await self.tick()
                except MjpromptError as error:  # a busy database; the next look may come through
                    log.warning("cycle.not_looked_after", error=str(error))
                except Exception:  # the chats go on whatever happens to a cycle
                    log.exception("cycle.keeper_crashed")
                await asyncio.sleep(TICK_SECONDS)
        finally:
            await self._process.stop()

    async def tick(self) -> None:
        """Do what is due at this moment."""
        async with self._database.read() as session:
            cycle = await cycles.open_cycle(session)
        self._note_end(cycle)
        if self._config.policy.on_forget == "retire":
            await self._retire_forgotten()
        if cycle is None:
            await self._plan_where_due()
        elif cycle.state is CycleState.CANARY:
            await canary_watch.look_after(self._database, cycle, self._config.canary)
        else:
            await self._carry_out(cycle)
        await delete_leftovers(self._database, self._root)

    def _note_end(self, cycle: CycleView | None) -> None:
        """Count an end of the process, against the state of the cycle that it has left undone."""
        if self._process.is_running or self._process.num_ended == self._num_ends_seen:
            return
        self._num_ends_seen = self._process.num_ended
        if cycle is not None and cycle.state is not CycleState.CANARY:
            self._trouble.count((cycle.id, cycle.state))

    async def _carry_out(self, cycle: CycleView) -> None:
        """See to it that a process carries the cycle out, or end it where nobody does and somebody wants that."""
        if self._process.is_running or await self._has_owner(cycle):
            return
        where = (cycle.id, cycle.state)
        if cycle.is_cancel_wanted:
            await self._end(cycle, CycleState.CANCELLED, endings.CANCELLED)
        elif self._trouble.where == where and self._trouble.num_ends >= MAX_ENDS:
            await self._end(cycle, CycleState.FAILED, GAVE_UP.format(count=MAX_ENDS))
        elif time.monotonic() >= self._trouble.not_before:
            await self._process.start(cycle.id)

    async def _has_owner(self, cycle: CycleView) -> bool:
        async with self._database.read() as session:
            owner = await cycles.owner_of(session, cycle.id)
        return owner is not None and is_alive(owner)

    async def _end(self, cycle: CycleView, state: CycleState, reason: str) -> None:
        async with self._database.write() as session:
            if await endings.end(session, cycle, state, reason):
                log.warning("cycle.ended", cycle=cycle.id, state=state.value, reason=reason)

    async def _plan_where_due(self) -> None:
        """Plan a cycle where the policy wants one: enough new votes, a pause since the last one, a quiet hour."""
        if not self._config.policy.is_automatic:
            return
        async with self._database.read() as session:
            latest = await cycles.latest(session)
            reason = is_due(
                self._config.policy,
                now_local=datetime.now().astimezone(),
                last_cycle_at=latest.created_at if latest else None,
                num_new_votes=await ratings.votes_since(session, latest.created_at if latest else None),
                has_open_cycle=False,
            )
            base_model = await served_base(session)
        if reason is None or base_model is None:
            return
        try:
            async with self._database.write() as session:
                cycle_id = await plan_cycle(session, base_model, self._config, is_automatic=True)
        except TrainingBusy:  # somebody was faster
            return
        except ConfigError as error:
            if str(error) != self._why_unplanned:  # once, not every two seconds
                log.warning("cycle.not_planned", reason=str(error))
            self._why_unplanned = str(error)
            return
        log.info("cycle.planned", cycle=cycle_id, reason=reason)

    async def _retire_forgotten(self) -> None:
        async with self._database.read() as session:
            base_model = await served_base(session)
        if base_model is None:
            return
        async with self._database.write() as session:
            if retired := await serving.retire_forgotten(session, base_model):
                await end_overtaken_canary(session)
                log.info("adapters.retired", adapters=retired, reason="they learned from somebody who was forgotten")
