"""`mjprompt train`: one run of fine-tuning, whose row says how it went, whatever happens.

Under `accelerate launch` every process comes through here. The main one owns the row, the output and the words, and
tells the others what the run is.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from core.errors import MjpromptError, NotEnoughMemory
from core.settings import Settings
from falcon.memory import is_out_of_memory
from storage import migrations
from trainer.fine_tuning import FineTuning, TrainReport, close_written
from trainer.run.plan import RunPlan, TrainRequest, plan_run
from trainer.run.record import RunBook, RunRecord
from trainer.run.stop_flag import StopFlag


def run_training(settings: Settings, request: TrainRequest) -> TrainReport | None:
    """Train as `request` says; return None on all processes but the main one.

    Raises:
        core.errors.MjpromptError: it could not be done; the run's row has the same sentence.
    """
    process = PartialState(cpu=not torch.cuda.is_available())
    stop = StopFlag()
    with stop.listening():
        if process.is_main_process:
            return _run_main(settings, request, stop)
        logging.getLogger().setLevel(logging.WARNING)
        plan: RunPlan = broadcast_object_list([None])[0]
        return None if plan.is_written else FineTuning(plan, settings, stop, record=None).run()


def _run_main(settings: Settings, request: TrainRequest, stop: StopFlag) -> TrainReport | None:
    migrations.upgrade(settings.database_url)
    with RunBook(settings.database_url) as book:
        return train_planned(plan_run(request, settings, book), settings, book, stop)


def train_planned(
    plan: RunPlan, settings: Settings, book: RunBook, stop: StopFlag, *, breathe: Callable[[], None] = lambda: None
) -> TrainReport | None:
    """Train as `plan` says, on the main process; the run's row says how it went, whatever happens.

    `breathe` is called after each micro-batch.

    Raises:
        TrainingBusy: another process trains now.
        core.errors.MjpromptError: it could not be done; the run's row has the same sentence.
    """
    record = book.claim(plan.run_id, plan.output, new=plan.new)
    with _told(record):
        broadcast_object_list([plan])
        if plan.is_written:
            return close_written(plan, record)
        return FineTuning(plan, settings, stop, record=record, breathe=breathe).run()


@contextmanager
def _told(record: RunRecord) -> Iterator[None]:
    """Write into the row how a run ended that did not come to its end.

    Raises:
        NotEnoughMemory: the device's memory ran out where no smaller micro-batch helps.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt):
        record.stop()
        raise
    except MjpromptError as error:
        record.fail(str(error))
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            record.fail(f"The program failed ({type(error).__name__}); its log tells more.")
            raise
        trouble = NotEnoughMemory(
            "The device's memory ran out; lower block_tokens or r, or close other programs that use the device."
        )
        record.fail(str(trouble))
        raise trouble from error
