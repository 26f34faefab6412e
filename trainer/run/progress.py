"""Telling people how training goes: one line on a terminal, log lines elsewhere, and whoever else listens.

It turns the loop's raw steps into figures (smoothed loss, tokens per second, time left, memory) once for all listeners.
"""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import psutil
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from core.logs import get_logger
from core.records import TrainingProgress
from falcon.memory import GIB
from trainer.likelihood import Likelihood
from trainer.optimizer_step import StepResult

log = get_logger(__name__)
SMOOTHING = 0.9  # of the last figure that stays in the next one
SECONDS_BETWEEN_LINES = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Training after one more step. `memory_bytes` is the most that the device, or this process on a CPU, had in use.

    `progress` has the smoothed loss, `loss` that of this step alone, in nats per answer token.
    """

    progress: TrainingProgress
    loss: float
    lr: float
    grad_norm: float
    memory_bytes: int

    @property
    def is_last(self) -> bool:
        """Say whether no step is left."""
        return self.progress.step == self.progress.num_steps


class Listener(Protocol):
    """Whoever is told; closed when training has ended, however it did."""

    def start(self, *, step: int, num_steps: int) -> None:
        """Hear that steps begin."""

    def moment(self, moment: Moment) -> None:
        """Hear of one more step."""

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        """Hear of an evaluation."""

    def close(self) -> None:
        """Hear that nothing more comes."""


class Speedometer:
    """Smooths the loss and the speed over the last steps; the first steps weigh more, as there are few."""

    def __init__(self) -> None:
        self._weight = self._loss = self._tokens = self._seconds = 0.0

    def read(self, result: StepResult, *, step: int, num_steps: int, seconds: float) -> TrainingProgress:
        """Count one step and return how far training is."""
        self._weight = SMOOTHING * self._weight + 1
        self._tokens = SMOOTHING * self._tokens + result.num_tokens
        self._seconds = SMOOTHING * self._seconds + seconds
        if result.is_applied:  # else it is no number
            self._loss += (result.loss - self._loss) / self._weight
        return TrainingProgress(
            step=step,
            num_steps=num_steps,
            loss=self._loss,
            tokens_per_second=self._tokens / max(self._seconds, 1e-9),
            eta_seconds=(num_steps - step) * self._seconds / self._weight,
        )


class Reporter:
    """The loop's watcher: makes figures of each step and tells every listener."""

    def __init__(self, listeners: Sequence[Listener], *, device: torch.device) -> None:
        self._listeners = listeners
        self._device = device
        self._speed = Speedometer()
        self._num_steps = 0

    def start(self, *, step: int, num_steps: int) -> None:
        """Tell everybody that steps begin, after `step` of `num_steps`."""
        self._num_steps = num_steps
        for listener in self._listeners:
            listener.start(step=step, num_steps=num_steps)

    def step(self, result: StepResult, *, step: int, lr: float, seconds: float) -> None:
        """Tell everybody of a finished step that took `seconds`."""
        progress = self._speed.read(result, step=step, num_steps=self._num_steps, seconds=seconds)
        moment = Moment(
            progress=progress,
            loss=result.loss,
            lr=lr,
            grad_norm=result.grad_norm,
            memory_bytes=memory_bytes(self._device),
        )
        for listener in self._listeners:
            listener.moment(moment)

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        """Tell everybody of an evaluation after `step`."""
        for listener in self._listeners:
            listener.evaluation(measured, step=step, is_best=is_best)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for listener in self._listeners:
            listener.close()


class LogLines:
    """Writes a log event at most once a second, and at the last step: JSON lines where logs are JSON lines."""

    def __init__(self) -> None:
        self._last_line = -SECONDS_BETWEEN_LINES

    def start(self, *, step: int, num_steps: int) -> None:
        """Write that steps begin."""
        log.info("train.started", step=step, of=num_steps)

    def moment(self, moment: Moment) -> None:
        """Write where training is."""
        now = time.monotonic()
        if now - self._last_line < SECONDS_BETWEEN_LINES and not moment.is_last:
            return
        self._last_line = now
        progress = moment.progress
        log.info(
            "train.step",
            step=progress.step,
            of=progress.num_steps,
            loss=round(progress.loss, 4),
            lr=float(f"{moment.lr:.3g}"),
            grad_norm=round(moment.grad_norm, 3),
            tokens_per_second=round(progress.tokens_per_second),
            eta_seconds=round(progress.eta_seconds),
            memory_gib=round(moment.memory_bytes / GIB, 2),
        )

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        """Write what was measured."""
        log.info(
            "train.evaluation",
            step=step,
            nats_per_token=round(measured.nats_per_token, 4),
            bits_per_byte=round(measured.bits_per_byte, 4),
            is_best=is_best,
        )

    def close(self) -> None:
        """Nothing is open."""


class TerminalBar:
    """Draws one line that is always up to date, and leaves a line for each evaluation above it."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("train"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, TimeElapsedColumn(), console=console)
        self._task: TaskID | None = None

    def start(self, *, step: int, num_steps: int) -> None:
        """Begin to draw; log lines go above the bar from now on."""
        self._bar.start()
        self._task = self._bar.add_task("", total=num_steps, completed=step)
        _send_logs_to_standard_error()

    def moment(self, moment: Moment) -> None:
        """Draw where training is."""
        if self._task is not None:
            self._bar.update(self._task, completed=moment.progress.step, description=describe(moment))

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        """Leave a line with what was measured."""
        figures = f"{measured.nats_per_token:.4f} nats/token, {measured.bits_per_byte:.4f} bits/byte"
        line = f"step {step}: validation {figures}{' (best)' * is_best}"
        self._bar.console.print(line, highlight=False, markup=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()
        _send_logs_to_standard_error()


def describe(moment: Moment) -> str:
    """Return the figures that a terminal shows beside the bar."""
    progress = moment.progress
    minutes, seconds = divmod(round(progress.eta_seconds), 60)
    return (
        f"loss {progress.loss:.3f} · {progress.tokens_per_second:,.0f} tokens/s · {minutes}:{seconds:02d} left · "
        f"{moment.memory_bytes / GIB:.1f} GiB"
    )


def memory_bytes(device: torch.device) -> int:
    """Return the most memory that was in use on a GPU, or what this process has in use on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def _send_logs_to_standard_error() -> None:
    """Let log handlers write to what standard error is now, which rich replaces while it draws."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setStream(sys.stderr)
