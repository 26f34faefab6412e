"""One cycle from where it stands to its canary, or to its end: one process carries it out, and any may go on with it.

Each state has one step (trainer/cycle/steps.py), and a step that was killed is done again. It does not know what a step
does.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from core.cycles import CycleState, CycleView
from core.errors import MjpromptError, TransientError
from core.settings import Settings
from trainer.cycle import endings
from trainer.cycle.book import CycleBook
from trainer.cycle.carried import Carried
from trainer.cycle.folder import CYCLES_FOLDER
from trainer.cycle.pulse import Pulse
from trainer.cycle.steps import begin, build_examples, evaluate, open_canary, train
from trainer.run.stop_flag import StopFlag, Stopped

Steps: TypeAlias = Mapping[CycleState, Callable[[Carried], None]]
STEPS: Steps = {
    CycleState.PLANNED: begin,
    CycleState.BUILDING: build_examples,
    CycleState.TRAINING: train,
    CycleState.EVALUATING: evaluate,
    CycleState.GATED: open_canary,
}


def carry_out(
    settings: Settings,
    cycle_id: str,
    *,
    tell: Callable[[CycleView], None] = lambda _: None,
    root: Path = CYCLES_FOLDER,
    steps: Steps = STEPS,
) -> CycleView:
    """Carry a cycle out until its canary begins or it has ended, and return how it stands; `tell` hears each state.

    A cycle that cannot be carried out ends as failed; where another try may help it stays open and the error goes on.

    Raises:
        TrainingBusy: another process carries it out, or has taken it.
        NotFound: there is no open cycle of this id.
        TransientError: the database is busy, or the Hub cannot be reached.
        SystemExit: this process was asked to end; the cycle can go on elsewhere.
    """
    stop = StopFlag()
    with stop.listening(), CycleBook(settings.database_url) as book:
        carried = Carried(settings, book, book.claim(cycle_id), stop, root=root)
        book.delete_leftovers(root)
        try:
            with Pulse(settings.database_url, cycle_id, stop):
                _take_steps(carried, steps, tell)
        except TransientError:
            carried.look()
            if carried.cycle.state.is_open:
                raise
        except MjpromptError as error:
            carried.end(CycleState.FAILED, str(error))
        finally:
            book.release(cycle_id)
        carried.look()
        if not carried.needs_folder:
            carried.folder.delete()
        return carried.cycle


def _take_steps(carried: Carried, steps: Steps, tell: Callable[[CycleView], None]) -> None:
    """Take one step after the other; before each, look whether somebody wants the cycle or this process to end."""
    while (step := steps.get(carried.cycle.state)) is not None:
        if carried.cycle.is_cancel_wanted:
            carried.end(CycleState.CANCELLED, endings.CANCELLED)
            break
        if carried.stop():
            raise SystemExit(128 + (carried.stop.signal or 0))
        tell(carried.cycle)
        with suppress(Stopped):
            step(carried)
        carried.look()
    tell(carried.cycle)
