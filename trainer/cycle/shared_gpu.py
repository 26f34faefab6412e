"""The GPU that a cycle trains on beside workers: room for it, a bound on what it takes, and rests while people wait.

On a CPU nothing of this happens: there a process is polite by its priority and its number of threads. It trains
nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from transformers import AutoConfig

from core.errors import MjpromptError
from falcon.memory import GIB, free_bytes
from falcon.source import choose_base, locate
from trainer.breather import Breather
from trainer.cycle.carried import Carried
from trainer.cycle.room import capped_share, make_room
from trainer.memory_plan import smallest_bytes
from trainer.train_config import TrainConfig

Breathe = Callable[[], None]


@contextmanager
def shared_gpu(carried: Carried, config: TrainConfig) -> Iterator[Breathe]:
    """Wait for room, keep within it until the block is left, and yield what lets the training rest.

    Raises:
        NotEnoughMemory: workers cannot give enough.
    """
    if not torch.cuda.is_available():
        yield lambda: None
        return
    _await_room(carried, config, torch.device("cuda"))
    with _capped(carried.config.sharing.reserve_gib):
        yield _breather(carried)


def _await_room(carried: Carried, config: TrainConfig, device: torch.device) -> None:
    book, cycle_id, sharing = carried.book, carried.cycle.id, carried.config.sharing
    folder = locate(choose_base(carried.settings.model_id), carried.settings.model_revision)
    smallest = smallest_bytes(
        AutoConfig.from_pretrained(folder, trust_remote_code=False),
        config.lora,
        config.memory,
        block_tokens=config.tokens.block_tokens,
        device_type=device.type,
    )
    make_room(
        smallest + int(sharing.reserve_gib * GIB),
        sharing.rooms,
        free=lambda: free_bytes(device),
        workers=book.workers_here,
        ask=lambda wanted: book.ask_for_room(cycle_id, wanted),
        asked=book.room_of(cycle_id),
        is_stop_wanted=carried.stop,
    )


@contextmanager
def _capped(reserve_gib: float) -> Iterator[None]:
    """Let this process take what is free now but for the reserve, whatever workers give back or need meanwhile."""
    free, total = torch.cuda.mem_get_info()
    share = capped_share(free, torch.cuda.memory_reserved(), total, reserve_gib=reserve_gib)
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _breather(carried: Carried) -> Breather:
    def is_busy() -> bool:
        try:
            is_anybody_there = any(not worker.is_paused for worker in carried.book.workers_here())
            return is_anybody_there and carried.book.has_open_requests()
        except MjpromptError:  # a busy database is no reason to give a training up
            return True

    return Breather(
        carried.config.sharing.busy_share,
        settle=torch.cuda.synchronize,
        is_busy=is_busy,
        is_stop_wanted=carried.stop,
    )
