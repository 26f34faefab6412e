"""configs/cycle.toml, and when a cycle starts by itself."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from core.errors import ConfigError
from trainer.cycle_config import CYCLE_CONFIG, CycleConfig, TrainingConfig, cycle_config_of, read_cycle_config
from trainer.policy import PolicyConfig, is_due, is_quiet

NIGHT = datetime(2026, 5, 1, 3, tzinfo=UTC)
POLICY = PolicyConfig(is_automatic=True)


def due(
    policy: PolicyConfig = POLICY,
    *,
    at: datetime = NIGHT,
    last: datetime | None = None,
    num_new_votes: int = 200,
    has_open_cycle: bool = False,
) -> str | None:
    """Ask with everything ready but what is given."""
    return is_due(policy, now_local=at, last_cycle_at=last, num_new_votes=num_new_votes, has_open_cycle=has_open_cycle)


def test_shipped_file_names_the_defaults_and_comes_back_from_plain_values() -> None:
    config = read_cycle_config()
    assert config == CycleConfig()
    assert cycle_config_of(asdict(config), where="row") == config


def test_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "cycle.toml"
    path.write_text(CYCLE_CONFIG.read_text().replace("min_raters", "least_raters"))
    with pytest.raises(ConfigError, match="unknown key 'least_raters'"):
        read_cycle_config(path)


def test_impossible_share_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"held_out_share = 0[.]6 is out of range"):
        TrainingConfig(held_out_share=0.6)


def test_cycle_is_due_with_enough_votes_after_the_pause_in_quiet_hours() -> None:
    assert due() == "200 new votes came in since the last cycle, and 200 are enough."
    assert due(last=NIGHT - timedelta(hours=20)) is not None


def test_cycle_waits_while_any_condition_fails() -> None:
    assert due(PolicyConfig()) is None
    assert due(num_new_votes=199) is None
    assert due(has_open_cycle=True) is None
    assert due(at=NIGHT.replace(hour=6)) is None
    assert due(last=NIGHT - timedelta(hours=19, minutes=59)) is None


def test_clock_that_jumped_holds_cycles_up_for_no_longer_than_twice_the_pause() -> None:
    last = NIGHT + timedelta(hours=19)
    assert due(last=last) is None
    assert due(replace(POLICY, quiet_hours=""), at=NIGHT + timedelta(hours=39), last=last) is not None
    assert due(last=NIGHT + timedelta(days=4000)) is not None


@pytest.mark.parametrize(
    ("span", "hour", "is_inside"),
    [
        ("02:00-06:00", 2, True),
        ("02:00-06:00", 6, False),
        ("22:00-05:00", 23, True),
        ("22:00-05:00", 12, False),
        ("", 12, True),
    ],
)
def test_quiet_hours_may_pass_midnight(span: str, hour: int, is_inside: bool) -> None:
    assert is_quiet(span, time(hour)) is is_inside


@pytest.mark.parametrize("span", ["2-6", "25:00-06:00", "02:00-02:00", "night"])
def test_span_that_cannot_be_read_is_refused(span: str) -> None:
    with pytest.raises(ConfigError, match="is no span of hours; write it as 02:00-06:00"):
        PolicyConfig(quiet_hours=span)
