"""What a simulation of learning is made of: subjects that never meet, and settings that the product reads."""

import pytest

from benchmarks.learning_scenario import Scenario, divide, read_subjects, write_settings
from trainer.cycle_config import CYCLE_CONFIG, read_cycle_config
from trainer.gate_config import read_gate_config

SUBJECTS = tuple(f"a fox number {number}" for number in range(50))


def test_held_out_subjects_are_never_asked_and_stay_held_out_when_the_file_is_reordered():
    asked, held_out = divide(SUBJECTS, num_held_out=12)
    assert (len(asked), len(held_out)) == (38, 12)
    assert set(asked) | set(held_out) == set(SUBJECTS)
    assert divide(SUBJECTS[::-1], num_held_out=12) == (asked, held_out)


def test_subjects_that_leave_nothing_to_ask_are_refused():
    with pytest.raises(ValueError, match="50 subjects cannot have 50 held out"):
        divide(SUBJECTS, num_held_out=50)


def test_shipped_subjects_are_enough_for_three_cycles_without_asking_anything_twice():
    asked, held_out = divide(read_subjects(), num_held_out=60)
    scenario = Scenario(asked=asked, held_out=held_out)
    questions = [scenario.subject(number) for number in range(3 * scenario.num_asks() + 100)]
    assert scenario.num_asks() == 75
    assert len(set(questions)) == len(questions) == 325
    assert not set(questions) & set(held_out)


@pytest.mark.parametrize("is_smoke", [False, True])
def test_written_settings_are_read_by_the_product_and_let_new_people_count(tmp_path, is_smoke):
    write_settings(tmp_path, is_smoke=is_smoke)
    written, shipped = read_cycle_config(tmp_path / "cycle.toml"), read_cycle_config(CYCLE_CONFIG)
    assert (written.feedback.quarantine_hours, written.feedback.max_burst_votes) == (0.0, 0)
    assert (written.canary.share, written.training.num_subjects) == (0.5, 4 if is_smoke else 32)
    assert written.policy.quiet_hours == shipped.policy.quiet_hours
    assert read_gate_config(tmp_path / "gate.toml").ranking.is_needed is not is_smoke
