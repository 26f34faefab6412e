"""From votes to examples: verdicts, pairs, agreement, ranks, caps, and what the report says of it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import ConfigError
from core.ratings import RatedPrompt
from tests.trainer.rated_prompts import rated
from tests.trainer.voting_crowd import NOW, TASTES, crowd
from trainer.feedback.agreement import nominal_alpha
from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.hold_out import hold_out
from trainer.feedback.pairing import edit_distance_share
from trainer.feedback.position import rank_bias
from trainer.feedback.screening import DropReason
from trainer.feedback.settle import Settled, settle
from trainer.feedback.significance import binomial_tail, chi_square_tail, hypergeometric_tail
from trainer.feedback.verdicts import Label
from trainer.feedback.vote import votes_of
from trainer.pairs import split_key

CONFIG = FeedbackConfig()


def settled(*prompts: RatedPrompt, config: FeedbackConfig = CONFIG) -> Settled:
    """Settle at the crowd's moment."""
    return settle(prompts, config, now=NOW)


def test_prompt_gets_the_verdict_of_most_of_its_raters_with_a_weight_of_their_agreement() -> None:
    (verdict,) = settled(rated(1, "ABc")).verdicts
    assert (verdict.label, verdict.num_up, verdict.num_down) == (Label.LIKED, 2, 1)
    assert verdict.weight == pytest.approx(1 / 3)
    assert verdict.vote_event_ids == (100, 101, 102)


def test_tie_gives_no_example_and_is_told() -> None:
    found = settled(rated(1, "Ab"))
    assert found.verdicts == ()
    assert found.report.dropped == {DropReason.TIE: 2}


def test_prompt_below_the_quorum_gives_no_example() -> None:
    found = settled(rated(1, "A"), rated(2, "AB"), config=replace(CONFIG, min_raters=2))
    assert [verdict.candidate_id for verdict in found.verdicts] == ["c2"]
    assert found.report.dropped == {DropReason.QUORUM: 1}


def test_correction_is_an_example_and_its_candidate_stays_disliked() -> None:
    disliked, corrected = settled(rated(1, "a", corrected_by="a")).verdicts
    assert (disliked.label, corrected.label) == (Label.DISLIKED, Label.CORRECTED)
    assert corrected.prompt == "a boy in the snow, ink drawing"
    assert corrected.vote_event_ids == disliked.vote_event_ids == (100,)


def test_nothing_rated_gives_nothing() -> None:
    found = settled()
    assert (found.verdicts, found.pairs, found.report.alpha) == ((), (), None)
    assert "No vote was dropped." in found.report.as_markdown()


def test_new_account_waits() -> None:
    young = rated(1, "A")
    since = NOW - timedelta(hours=23)
    young = replace(young, ratings=(replace(young.ratings[0], rater_since=since),))
    assert settled(young, rated(2, "B")).report.dropped == {DropReason.QUARANTINE: 1}
    assert settled(young, config=replace(CONFIG, quarantine_hours=0)).report.dropped == {}


def test_presses_faster_than_the_limit_are_dropped_and_slower_ones_are_kept() -> None:
    prompts = [rated(number, "A") for number in range(20)]
    rushed = [
        replace(each, ratings=(replace(each.ratings[0], pressed_at=NOW - timedelta(seconds=number)),))
        for number, each in enumerate(prompts[:13])
    ]
    assert settled(*rushed, *prompts[13:]).report.dropped[DropReason.BURST] == 13
    assert DropReason.BURST not in settled(*rushed[:12], *prompts[12:]).report.dropped


def test_one_person_has_no_more_than_the_cap_of_each_label_spread_over_requests() -> None:
    flood = [rated(number, "A" if number % 2 else "a", request=f"r{number // 8}") for number in range(40)]
    found = settled(*flood, *(rated(number, "B") for number in range(40, 43)))
    own = [verdict for verdict in found.verdicts if verdict.vote_event_ids[0] < 4000]
    assert [sum(each.label is label for each in own) for label in (Label.LIKED, Label.DISLIKED)] == [5, 5]
    assert len({verdict.request_id for verdict in own}) == 5
    assert found.report.dropped == {DropReason.CAP: 30}
    assert found == settled(*flood, *(rated(number, "B") for number in range(40, 43)))


def test_pairs_are_a_liked_and_a_disliked_prompt_of_one_request_that_differ_enough() -> None:
    liked = rated(1, "A", request="r", prompt="a boy in the snow, ink drawing")
    near = rated(2, "a", request="r", prompt="a boy in the snow, ink sketch")
    far = rated(3, "a", request="r", prompt="a boy in the snow, 8k render, neon glow")
    foreign = rated(4, "a", request="other", prompt="a boy in the snow, 8k render, neon glow")
    (pair,) = settled(liked, near, far, foreign).pairs
    assert (pair.chosen, pair.rejected, pair.vote_event_ids) == (liked.prompt, far.prompt, (100, 300))


@pytest.mark.parametrize(
    ("first", "second", "share"), [("a b", "a b", 0), ("a b", "a c", 0.5), ("", "a", 1), ("", "", 0)]
)
def test_edit_distance_counts_words(first: str, second: str, share: float) -> None:
    assert edit_distance_share(first, second) == share


def test_alpha_is_one_in_agreement_and_by_hand_in_a_small_case() -> None:
    assert nominal_alpha(votes_of([rated(1, "AB"), rated(2, "ab")])) == pytest.approx(1.0)
    # by hand: two split pairs and one agreeing, 2 ups and 4 downs; observed 4 of 6, expected 16 of 30
    assert nominal_alpha(votes_of([rated(1, "Ab"), rated(2, "aB"), rated(3, "ab")])) == pytest.approx(1 - 5 * 4 / 16)
    assert nominal_alpha(votes_of([rated(1, "A"), rated(2, "b")])) is None


def test_rank_that_draws_likes_counts_them_less_and_within_bounds() -> None:
    prompts = [rated(n, "A" if n % 10 else "a", rank=1) for n in range(60)]
    prompts += [rated(100 + n, "a" if n % 10 else "A", rank=2) for n in range(60)]
    bias = rank_bias(votes_of(prompts), CONFIG)
    assert bias.p is not None and bias.p < 1e-6
    assert bias.up_weights[1] == pytest.approx(0.5 / 0.9)
    assert bias.up_weights[2] == 2.0
    assert bias.down_weights[2] == pytest.approx(0.5 / 0.9)


def test_ranks_are_not_weighed_without_enough_votes() -> None:
    prompts = [rated(n, "A", rank=1) for n in range(39)] + [rated(50 + n, "a", rank=2) for n in range(39)]
    assert not rank_bias(votes_of(prompts), CONFIG).is_corrected


def test_report_is_plain_json_without_any_text_of_people() -> None:
    found = settled(*crowd(3, TASTES["media"], num_attackers=3))
    told = json.dumps(found.report.as_dict()) + found.report.as_markdown()
    assert json.loads(json.dumps(found.report.as_dict()))["num_votes"] == 300
    assert not any(verdict.prompt in told or verdict.subject in told for verdict in found.verdicts)


def test_every_vote_either_makes_an_example_or_is_told_as_dropped() -> None:
    found = settled(*crowd(4, TASTES["light"], num_attackers=3))
    used = [event for verdict in found.verdicts for event in verdict.vote_event_ids]
    assert len(used) + sum(found.report.dropped.values()) == found.report.num_votes == 300


def test_held_out_subjects_are_never_learned_from_and_keep_their_side() -> None:
    found = settled(*crowd(5, TASTES["media"]))
    division = hold_out(found, share=0.2)
    held, learned = (
        {split_key(each.subject) for each in side} for side in (division.held_out, division.learning.verdicts)
    )
    assert held and learned and not held & learned
    assert not held & {split_key(pair.subject) for pair in division.learning.pairs}
    assert {Label.LIKED, Label.DISLIKED} <= {each.label for each in division.held_out}
    assert len(division.held_out) + len(division.learning.verdicts) == len(found.verdicts)
    grown = settled(*crowd(5, TASTES["media"]), rated(5000, "Z", subject="a grey stone"))
    assert held <= {split_key(each.subject) for each in hold_out(grown, share=0.2).held_out}


def test_tails_are_those_of_the_tables() -> None:
    assert binomial_tail(18, 20, 0.5) == pytest.approx(211 / 2**20)
    assert (binomial_tail(0, 5, 0.2), binomial_tail(1, 5, 0.0)) == (1.0, 0.0)
    assert hypergeometric_tail(3, 3, 3, 20) == pytest.approx(1 / 1140)
    assert chi_square_tail(7.815, 3) == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_raters", 0),
        ("max_rater_share", 0.0),
        ("max_p", 0.5),
        ("max_contrarian_agreement", 0.5),
        ("burst_seconds", -1),
    ],
)
def test_impossible_threshold_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} = {value} is out of range"):
        FeedbackConfig(**{name: value})  # type: ignore[arg-type]
