"""Who carries a run or a cycle out, and whether they still do. It imports nothing heavy."""

import os
import socket
from datetime import timedelta

import psutil

from storage import clock
from storage.training_runs import Owner, Trainer

SILENCE = timedelta(minutes=10)  # after which a process on another machine counts as gone


def own_process() -> Owner:
    """Return what this process is called in the row of a run that it trains."""
    return Owner(socket.gethostname(), os.getpid())


def is_alive(trainer: Trainer) -> bool:
    """Say whether a trainer still trains: by its process here, by when it was last heard of elsewhere."""
    if trainer.host != socket.gethostname():
        return clock.utc_now() - trainer.heard_at < SILENCE
    try:
        process = psutil.Process(trainer.process_id)
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and nobody has collected it
            return False
        started = process.create_time()
    except psutil.Error:
        return False
    return started <= trainer.heard_at.timestamp()  # else the number has been given to another process since
