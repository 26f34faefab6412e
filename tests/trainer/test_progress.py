"""What people are told while training goes on."""

import io
import json
import logging
import math
import sys
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from structlog.testing import capture_logs

from core.logs import configure_logs, get_logger
from core.records import TrainingProgress
from trainer.likelihood import likelihood
from trainer.optimizer_step import StepResult
from trainer.run.progress import LogLines, Moment, Reporter, Speedometer, TerminalBar, describe, memory_bytes

CPU = torch.device("cpu")
RESULT = StepResult(loss=2.0, grad_norm=0.5, num_tokens=1000, is_applied=True, is_stop_wanted=False)
MOMENT = Moment(
    progress=TrainingProgress(step=3, num_steps=10, loss=2.25, tokens_per_second=1234.5, eta_seconds=83.0),
    loss=2.0,
    lr=1.23456e-4,
    grad_norm=0.5,
    memory_bytes=3 * 2**29,
)
MEASURED = likelihood(20.0, num_tokens=10, num_bytes=40, num_pairs=2)


def test_speed_and_time_left_follow_the_last_steps() -> None:
    speed = Speedometer()
    first = speed.read(RESULT, step=1, num_steps=11, seconds=2.0)
    assert first == TrainingProgress(step=1, num_steps=11, loss=2.0, tokens_per_second=500.0, eta_seconds=20.0)
    for step in range(2, 100):
        last = speed.read(replace(RESULT, loss=1.0), step=step, num_steps=100, seconds=0.5)
    assert last.tokens_per_second == pytest.approx(2000, rel=0.01)
    assert last.eta_seconds == pytest.approx(0.5, rel=0.01)
    assert last.loss == pytest.approx(1.0, rel=0.01)


def test_loss_that_is_no_number_does_not_spoil_the_smoothed_one() -> None:
    speed = Speedometer()
    speed.read(RESULT, step=1, num_steps=9, seconds=1.0)
    skipped = replace(RESULT, loss=math.nan, is_applied=False)
    assert speed.read(skipped, step=2, num_steps=9, seconds=1.0).loss == 2.0


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def start(self, *, step: int, num_steps: int) -> None:
        self.heard.append((step, num_steps))

    def moment(self, moment: Moment) -> None:
        self.heard.append(moment)

    def evaluation(self, measured: object, *, step: int, is_best: bool) -> None:
        self.heard.append((measured, step, is_best))

    def close(self) -> None:
        self.heard.append("closed")


def test_every_listener_hears_the_same_and_is_closed_whatever_happens() -> None:
    ears = [Ear(), Ear()]
    with pytest.raises(KeyboardInterrupt), Reporter(ears, device=CPU) as reporter:
        reporter.start(step=2, num_steps=4)
        reporter.step(RESULT, step=3, lr=0.1, seconds=0.5)
        reporter.evaluation(MEASURED, step=3, is_best=True)
        raise KeyboardInterrupt
    assert ears[0].heard == ears[1].heard
    start, moment, evaluation, closed = ears[0].heard
    assert (start, evaluation, closed) == ((2, 4), (MEASURED, 3, True), "closed")
    assert isinstance(moment, Moment)
    assert (moment.progress.step, moment.progress.num_steps, moment.lr, moment.loss) == (3, 4, 0.1, 2.0)
    assert moment.memory_bytes > 2**20


def test_log_lines_come_at_most_once_a_second_and_at_the_last_step() -> None:
    lines = LogLines()
    last = replace(MOMENT, progress=replace(MOMENT.progress, step=10))
    with capture_logs() as logs:
        lines.start(step=0, num_steps=10)
        for moment in (MOMENT, MOMENT, last):
            lines.moment(moment)
        lines.evaluation(MEASURED, step=10, is_best=True)
        lines.close()
    assert [line["event"] for line in logs] == ["train.started", "train.step", "train.step", "train.evaluation"]
    assert logs[1] == {
        "event": "train.step",
        "log_level": "info",
        "step": 3,
        "of": 10,
        "loss": 2.25,
        "lr": 1.23e-4,
        "grad_norm": 0.5,
        "tokens_per_second": 1234,
        "eta_seconds": 83,
        "memory_gib": 1.5,
    }
    assert logs[3]["nats_per_token"] == 2.0
    assert logs[3]["bits_per_byte"] == pytest.approx(20 / math.log(2) / 40, abs=1e-4)


def test_terminal_shows_step_loss_speed_time_left_and_memory() -> None:
    assert describe(MOMENT) == "loss 2.250 · 1,234 tokens/s · 1:23 left · 1.5 GiB"
    screen = io.StringIO()
    bar = TerminalBar(Console(file=screen, force_terminal=True, width=120))
    bar.start(step=0, num_steps=10)
    bar.moment(MOMENT)
    bar.evaluation(MEASURED, step=3, is_best=True)
    bar.close()
    shown = screen.getvalue()
    assert "3/10" in shown
    assert "loss 2.250 · 1,234 tokens/s · 1:23 left · 1.5 GiB" in shown
    assert "2.0000 nats/token" in shown
    assert "(best)" in shown


def test_log_lines_go_above_the_bar_while_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    configure_logs(level="INFO", form="json")
    try:
        bar = TerminalBar(Console(file=screen, force_terminal=True, width=120))
        bar.start(step=0, num_steps=10)
        get_logger("test").info("above.the_bar")
        drawn = logging.getLogger().handlers[0].stream  # type: ignore[attr-defined]
        bar.close()
        assert drawn is not screen, "rich moves the line above the bar"
        assert logging.getLogger().handlers[0].stream is screen  # type: ignore[attr-defined]
        line = next(line for line in screen.getvalue().splitlines() if "above.the_bar" in line)
        assert json.loads(line[line.index("{") :])["level"] == "info"
    finally:
        logging.getLogger().handlers.clear()


def test_bar_that_never_began_can_be_closed() -> None:
    screen = io.StringIO()
    bar = TerminalBar(Console(file=screen))
    bar.moment(MOMENT)
    bar.close()


def test_memory_of_a_cpu_is_this_processs() -> None:
    assert 2**25 < memory_bytes(CPU) < 2**40
