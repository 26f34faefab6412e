"""Two processes over gloo equal one process that takes all of their blocks itself."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from core.settings import PROJECT_ROOT
from tests.trainer.test_loop import Notes, StopAfter
from tests.trainer.toy_learner import ToyLearner, toy_config, toy_set
from trainer.loop import train
from trainer.run.checkpoints import CheckpointStore


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of the two processes ended with."""
    folder = tmp_path_factory.mktemp("gloo")
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.trainer.gloo_process", str(folder)],
            cwd=PROJECT_ROOT,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
    return [json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


def alone(folder: Path, *, share: float) -> tuple[ToyLearner, Any]:
    learner = ToyLearner(share=share)
    outcome = train(
        learner,
        toy_set(),
        toy_config(loop__epochs=1.0),
        accelerator=Accelerator(cpu=True),
        store=CheckpointStore(folder, identity="toy"),
        watcher=Notes(),
        stop=StopAfter(),
    )
    return learner, outcome


def require_equal(found: list[list[float]], learner: ToyLearner) -> None:
    table = torch.tensor(found, dtype=torch.float64)
    torch.testing.assert_close(table, learner.weights()["table"], rtol=1e-9, atol=1e-12)


def test_two_processes_learn_what_one_learns_from_twice_the_blocks(ended: list[dict[str, Any]], tmp_path: Path) -> None:
    """Dropout included: it follows a block's place in the step, not the process that the block falls to."""
    learner, outcome = alone(tmp_path, share=0.2)
    assert [one["processes"] for one in ended] == [2, 2]
    for one in ended:
        require_equal(one["whole"]["table"], learner)
        assert one["whole"]["num_tokens"] == outcome.num_tokens
        assert [step for step, _ in one["whole"]["validation"]] == [step for step, _ in outcome.validation_curve]
        assert one["whole"]["validation"][-1][1] == pytest.approx(outcome.validation_curve[-1][1])


def test_each_process_computes_about_half(ended: list[dict[str, Any]], tmp_path: Path) -> None:
    learner, _ = alone(tmp_path, share=0.2)
    shares = [one["whole"]["own_tokens"] / sum(learner.sizes) for one in ended]
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) > 0.3


def test_when_one_process_runs_out_of_memory_both_take_smaller_micro_batches(
    ended: list[dict[str, Any]], tmp_path: Path
) -> None:
    learner, _ = alone(tmp_path, share=0.0)
    assert ended[1]["small"]["largest"] <= 20
    for one in ended:
        require_equal(one["small"]["table"], learner)


def test_when_one_process_is_asked_to_stop_both_stop_after_the_same_step(ended: list[dict[str, Any]]) -> None:
    assert [one["stopped"]["step"] for one in ended] == [4, 4]
    assert ended[0]["whole"]["step"] > 4
    assert ended[0]["stopped"]["table"] == ended[1]["stopped"]["table"]


def test_only_the_main_process_tells_how_training_goes(ended: list[dict[str, Any]]) -> None:
    assert ended[0]["whole"]["heard"] == ended[0]["whole"]["step"] > 0
    assert ended[1]["whole"]["heard"] == 0
