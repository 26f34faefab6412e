"""When a canary ends: single tallies, and hundreds of simulated ones."""

from dataclasses import replace

import numpy as np
import pytest

from core.cycles import Tally
from core.errors import ConfigError
from trainer.canary import SECONDS_PER_DAY, CanaryConfig, DecisionKind, decide

CONFIG = CanaryConfig()
CONTINUE, PROMOTE, ROLL_BACK = DecisionKind.CONTINUE, DecisionKind.PROMOTE, DecisionKind.ROLL_BACK
IN_TIME, TOO_LATE = 3600.0, 7 * SECONDS_PER_DAY


def tally(num_up: int, num_down: int) -> Tally:
    return Tally(num_up=num_up, num_down=num_down, num_raters=7)


def kind_of(
    champion: tuple[int, int],
    challenger: tuple[int, int],
    elapsed_seconds: float = IN_TIME,
    config: CanaryConfig = CONFIG,
) -> DecisionKind:
    return decide(tally(*champion), tally(*challenger), elapsed_seconds=elapsed_seconds, config=config).kind


def simulate(champion_share: float, challenger_share: float, num_canaries: int = 150) -> dict[DecisionKind, float]:
    """Return how often canaries end how, each looked at after every vote."""
    rng = np.random.default_rng(17)
    is_challenger = rng.random((num_canaries, CONFIG.max_votes)) < CONFIG.share
    is_up = rng.random(is_challenger.shape) < np.where(is_challenger, challenger_share, champion_share)
    counts = [np.cumsum(side & thumb, axis=1) for side in (~is_challenger, is_challenger) for thumb in (is_up, ~is_up)]
    ends = [_end([count[number] for count in counts]) for number in range(num_canaries)]
    return {kind: ends.count(kind) / num_canaries for kind in DecisionKind}


def _end(counts: list[np.ndarray]) -> DecisionKind:
    for old_up, old_down, new_up, new_down in zip(*(count.tolist() for count in counts), strict=True):
        kind = kind_of((old_up, old_down), (new_up, new_down))
        if kind is not CONTINUE:
            return kind
    return CONTINUE


def test_nothing_is_decided_before_each_side_has_its_least_votes() -> None:
    assert kind_of((100, 0), (0, 39)) is CONTINUE
    assert kind_of((39, 0), (0, 100)) is CONTINUE
    assert kind_of((100, 0), (0, 40)) is ROLL_BACK
    waiting = decide(tally(90, 10), tally(5, 3), elapsed_seconds=IN_TIME, config=CONFIG)
    assert waiting.sentence == "8 votes on the canary and 100 on what serves so far; each side needs 40."


def test_better_beyond_chance_is_promoted_and_worse_rolled_back_in_words_with_numbers() -> None:
    found = decide(tally(80, 80), tally(60, 10), elapsed_seconds=IN_TIME, config=CONFIG)
    assert found.kind is PROMOTE
    assert found.sentence == "Liked share in the canary 86 % against 50 % (70 and 160 votes): better beyond chance."
    assert kind_of((80, 80), (10, 60)) is ROLL_BACK


def test_a_drop_ends_the_canary_before_the_two_sided_test_is_sure() -> None:
    found = decide(tally(96, 64), tally(18, 27), elapsed_seconds=IN_TIME, config=CONFIG)
    assert found.kind is ROLL_BACK
    assert "a drop of 10 points or more" in found.sentence
    assert kind_of((96, 64), (18, 27), config=replace(CONFIG, max_drop=0.3)) is CONTINUE


@pytest.mark.parametrize(("elapsed_seconds", "champion"), [(TOO_LATE, (50, 50)), (IN_TIME, (170, 170))])
@pytest.mark.parametrize(("num_up", "kind"), [(33, PROMOTE), (30, PROMOTE), (29, PROMOTE), (28, ROLL_BACK)])
def test_when_votes_or_days_run_out_a_challenger_within_the_margin_is_promoted(
    elapsed_seconds: float, champion: tuple[int, int], num_up: int, kind: DecisionKind
) -> None:
    assert kind_of(champion, (num_up, 60 - num_up), elapsed_seconds) is kind


@pytest.mark.parametrize(("word", "kind"), [("promote", PROMOTE), ("reject", ROLL_BACK)])
@pytest.mark.parametrize(("champion", "challenger"), [((0, 0), (0, 0)), ((20, 15), (3, 3)), ((39, 0), (0, 0))])
def test_few_votes_after_all_days_are_decided_by_the_configuration(
    word: str, kind: DecisionKind, champion: tuple[int, int], challenger: tuple[int, int]
) -> None:
    config = CanaryConfig(without_votes=word)  # type: ignore[arg-type]
    assert kind_of(champion, challenger, TOO_LATE, config) is kind
    assert kind_of(champion, challenger, IN_TIME, config) is CONTINUE


def test_few_votes_that_show_a_drop_are_never_promoted() -> None:
    assert kind_of((90, 30), (1, 9), TOO_LATE) is ROLL_BACK


def test_a_challenger_that_nobody_ever_saw_is_not_promoted() -> None:
    found = decide(tally(30, 30), tally(0, 0), elapsed_seconds=TOO_LATE, config=CONFIG)
    assert found.kind is ROLL_BACK
    assert "as if nobody had seen its prompts" in found.sentence


def test_a_clock_that_goes_back_neither_ends_a_canary_nor_breaks_it() -> None:
    assert kind_of((50, 50), (25, 25), -1e9) is CONTINUE
    assert kind_of((0, 0), (0, 0), -1e9) is CONTINUE


def test_equal_sides_are_rolled_back_early_or_late_in_a_minority_of_canaries() -> None:
    ends = simulate(0.55, 0.55)
    assert ends[CONTINUE] == 0
    assert ends[ROLL_BACK] < 0.5


def test_two_sided_test_errs_no_more_often_than_alpha_though_each_vote_is_looked_at() -> None:
    """The drop guard and the end are switched off, so that only the always-valid test can end a canary."""
    config = replace(CONFIG, max_drop=1.0, max_votes=10_000)
    rng = np.random.default_rng(23)
    num_wrong = 0
    for _ in range(200):
        is_challenger, is_up = rng.random(600) < 0.3, rng.random(600) < 0.55
        sides = [np.cumsum(side & up) for side in (~is_challenger, is_challenger) for up in (is_up, ~is_up)]
        looks = zip(*(side.tolist() for side in sides), strict=True)
        num_wrong += any(kind_of((a, b), (c, d), config=config) is not CONTINUE for a, b, c, d in looks)
    assert num_wrong <= 15  # 5 % of 200 are 10


def test_a_clear_drop_is_rolled_back_and_a_clear_rise_promoted_nearly_always() -> None:
    assert simulate(0.6, 0.35)[ROLL_BACK] > 0.97
    assert simulate(0.5, 0.7)[PROMOTE] > 0.97


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("share", 0.0),
        ("share", 0.6),
        ("min_votes", 0),
        ("max_votes", 79),
        ("max_days", 0.0),
        ("alpha", float("nan")),
        ("tau", 0.0),
        ("max_drop", 1.5),
        ("end_margin", -0.1),
        ("max_votes_per_rater", 0),
    ],
)
def test_an_impossible_value_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{name} = "):
        replace(CONFIG, **{name: value})  # type: ignore[arg-type]
