"""A training that is killed with signal 9 and goes on: what it learns is what it would have learned, to the bit."""

import subprocess
import sys
from pathlib import Path

import torch

from core.settings import PROJECT_ROOT
from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.trainer.test_loop import Notes
from tests.trainer.tuned_falcon import falcon_learner, tune

KILLED_AFTER = 5  # steps; checkpoints are at 2, 3 (its evaluation was the best) and 4


def test_training_that_was_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    folder = write_tiny_falcon(tmp_path / "tiny")
    arguments = [str(folder), str(tmp_path / "killed"), str(KILLED_AFTER)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.trainer.tuned_falcon", *arguments],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == f"{KILLED_AFTER}\n":
                process.kill()
    assert process.returncode == -9

    whole, resumed = Notes(), Notes()
    expected = tune(folder, tmp_path / "whole", notes=whole)
    found = tune(folder, tmp_path / "killed", notes=resumed, is_resumed=True)

    assert resumed.began_at == 4
    assert whole.steps[-1] == resumed.steps[-1] == whole.num_steps > KILLED_AFTER
    assert resumed.evaluations == whole.evaluations[-len(resumed.evaluations) :]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    fresh = falcon_learner(folder).parameters
    assert not any(torch.equal(found[name], weight) for name, weight in fresh.items()), "every weight was learned"
