"""The cycles of one database, for the process that carries one out, which is not asynchronous.

Every change is one short transaction of its own. It knows no model.
"""

from pathlib import Path

from core.cycles import CycleState, CycleView, Room, ServingPlan
from core.ratings import RatedPrompt
from core.records import TrainingRunView, WorkerStatus
from storage import cycles, ratings, room, serving, training_runs
from storage.database import Session
from trainer.canary import CanaryConfig
from trainer.cycle import canary_watch
from trainer.cycle.leftovers import delete_leftovers
from trainer.run.database_loop import DatabaseLoop
from trainer.run.owner import is_alive, own_process


class CycleBook(DatabaseLoop):
    """Reads and moves cycles; close it when done."""

    def left_open(self) -> str | None:
        """Return the cycle that is to be carried out and that nobody does; None where there is none."""

        async def left_open(session: Session) -> str | None:
            cycle = await cycles.open_cycle(session)
            if cycle is None or cycle.state is CycleState.CANARY:
                return None
            owner = await cycles.owner_of(session, cycle.id)
            return None if owner is not None and is_alive(owner) else cycle.id

        return self.read(left_open)

    def claim(self, cycle_id: str) -> CycleView:
        """Become the process that carries a cycle out.

        Raises:
            TrainingBusy: another living process does.
            NotFound: there is no open cycle of this id.
        """
        return self.write(lambda session: cycles.claim(session, cycle_id, owner=own_process(), is_alive=is_alive))

    def release(self, cycle_id: str) -> None:
        """Leave a cycle to whoever comes next."""
        self.write(lambda session: cycles.release(session, cycle_id, owner=own_process()))

    def heartbeat(self, cycle_id: str) -> bool:
        """Say that this process is there; return whether the cycle is still its."""
        return self.write(lambda session: cycles.heartbeat(session, cycle_id, owner=own_process()))

    def view(self, cycle_id: str) -> CycleView:
        """Return a cycle. Raises: NotFound, when there is none of this id."""
        return self.read(lambda session: cycles.view(session, cycle_id))

    def rated_prompts(self) -> tuple[RatedPrompt, ...]:
        """Return what may be learned from at this moment."""
        return self.read(ratings.rated_prompts)

    def plan(self, base_model: str) -> ServingPlan:
        """Return what serves now."""
        return self.read(lambda session: serving.plan(session, base_model))

    def run(self, run_id: str) -> TrainingRunView:
        """Return a training run. Raises: TrainingFailed, when there is none of this id."""
        return self.read(lambda session: training_runs.view(session, run_id))

    def ask_for_room(self, cycle_id: str, wanted: Room) -> None:
        """Ask the workers on this machine for room on the GPU."""
        self.write(lambda session: room.ask(session, cycle_id, wanted))

    def room_of(self, cycle_id: str) -> Room | None:
        """Return what a cycle has asked for."""
        return self.read(lambda session: room.wish_of(session, cycle_id))

    def workers_here(self) -> list[WorkerStatus]:
        """Return the live workers on this machine."""
        return self.read(lambda session: room.workers_on(session, own_process().host))

    def has_open_requests(self) -> bool:
        """Say whether somebody waits for an answer, or is being answered."""
        return self.read(room.num_open_requests) > 0

    def look_after(self, cycle: CycleView, config: CanaryConfig) -> None:
        """Count the votes of a cycle's canary, and do what they decide."""
        self.on_database(lambda database: canary_watch.look_after(database, cycle, config))

    def delete_leftovers(self, root: Path) -> None:
        """Delete what cycles that have ended left behind below `root`."""
        self.on_database(lambda database: delete_leftovers(database, root))
