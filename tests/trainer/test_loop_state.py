"""Whether a run is sound, which weights are its best, and when it has to end."""

import json
import math

import pytest

from core.errors import TrainingFailed
from trainer.run.state import LoopState


def seen(losses: list[float], state: LoopState | None = None) -> LoopState:
    state = state or LoopState()
    for loss in losses:
        state.see_step(loss, is_applied=math.isfinite(loss), num_tokens=10)
    return state


def test_single_step_without_a_number_is_forgiven_but_not_sound() -> None:
    state = seen([3.0, math.nan])
    assert not state.is_sound
    assert seen([2.9], state).is_sound
    assert (state.step, state.num_tokens, [step for step, _ in state.train_curve]) == (3, 30, [1, 3])


def test_third_step_in_a_row_without_a_number_ends_the_run_and_names_what_is_kept() -> None:
    state = seen([3.0, math.inf, math.nan, 3.0, math.nan, math.nan])
    state.best_step = 4
    with pytest.raises(TrainingFailed, match=r"3 steps in a row, up to step 7; set a lower lr .* of step 4, is kept\."):
        seen([math.nan], state)


def test_climbing_loss_first_costs_checkpoints_and_then_ends_the_run() -> None:
    state = seen([3.0, 2.0, 1.0] * 10)
    seen([4.5] * 5, state)
    assert not state.is_sound
    with pytest.raises(TrainingFailed, match=r"Training has diverged: at step \d+ the loss is .* set a lower lr"):
        seen([6.0] * 20, state)


def test_noisy_loss_is_no_divergence() -> None:
    assert seen([3.0, 1.5, 4.0, 2.0, 2.5] * 40).is_sound


def test_best_evaluation_is_the_lowest_and_a_tie_is_no_improvement() -> None:
    state = LoopState()
    results = []
    for step, loss in enumerate([2.0, 1.5, 1.5, 1.6, math.nan, 1.4], 1):
        state.step = step
        results.append(state.see_evaluation(loss))
    assert results == [True, True, False, False, False, True]
    assert (state.best_step, state.best_loss, state.num_worse_evaluations) == (6, 1.4, 0)


def test_state_comes_back_from_json_to_the_bit() -> None:
    state = seen([1 / 3, 0.1 + 0.2, math.nan])
    assert LoopState.from_dict(json.loads(json.dumps(state.as_dict(), allow_nan=False))) == state
    state.see_evaluation(1 / 7)
    assert LoopState.from_dict(json.loads(json.dumps(state.as_dict(), allow_nan=False))) == state


def test_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown mood"):
        LoopState.from_dict({"mood": "good"})
