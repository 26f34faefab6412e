"""From votes to frozen examples: what counts is learned from, a part only measures, nothing stands on both sides."""

import json

from core.rated_pairs import RatedOrigin
from core.ratings import RatedPrompt
from tests.trainer.rated_prompts import rated
from tests.trainer.voting_crowd import NOW, TASTES, crowd
from trainer.cycle.building import build
from trainer.cycle.folder import CycleFolder
from trainer.cycle_config import CycleConfig, TrainingConfig
from trainer.objective import ObjectiveConfig, ObjectiveKind
from trainer.pairs import split_key

FEW = CycleConfig(objective=ObjectiveConfig(min_rated_prompts=1))


def everything_learned(*prompts: RatedPrompt):
    config = CycleConfig(objective=ObjectiveConfig(min_rated_prompts=1), training=TrainingConfig(held_out_share=0.0))
    return build(prompts, config, now=NOW)


def test_no_subject_is_learned_from_and_measured_on() -> None:
    built = build(crowd(1, TASTES["media"]), CycleConfig(), now=NOW)
    learned = {split_key(pair.subject) for pair in (*built.examples.rated, *built.examples.preferred)}
    measured = {split_key(item.subject) for item in built.examples.held_out}
    assert learned and measured
    assert not learned & measured


def test_both_labels_are_learned_from_and_measured_on() -> None:
    examples = build(crowd(1, TASTES["media"]), CycleConfig(), now=NOW).examples
    assert {pair.is_liked for pair in examples.rated} == {True, False}
    assert {item.is_liked for item in examples.held_out} == {True, False}


def test_same_votes_give_the_same_examples(tmp_path) -> None:
    first, second = (build(crowd(1, TASTES["short"]), CycleConfig(), now=NOW) for _ in range(2))
    assert first.examples == second.examples
    CycleFolder("c", tmp_path).freeze(first.examples)
    assert CycleFolder("c", tmp_path).examples() == second.examples


def test_an_example_names_the_presses_that_it_came_from() -> None:
    prompts = crowd(1, TASTES["media"])
    presses = {prompt.prompt: prompt.ratings[0].vote_event_id for prompt in prompts}
    examples = build(prompts, CycleConfig(), now=NOW).examples
    assert all(pair.vote_event_ids == (presses[pair.prompt],) for pair in examples.rated)
    for pair in examples.preferred:
        assert set(pair.vote_event_ids) == {presses[pair.chosen], presses[pair.rejected]}


def test_a_correction_counts_as_liked_and_never_measures() -> None:
    built = everything_learned(rated(1, "", corrected_by="b"))
    (pair,) = built.examples.rated
    assert (pair.origin, pair.is_liked, pair.prompt) == (RatedOrigin.CORRECTION, True, "a boy in the snow, ink drawing")
    everything = CycleConfig(training=TrainingConfig(held_out_share=0.5))
    prompts = [rated(n, "A", subject=f"subject {n}", corrected_by="b") for n in range(20)]
    measured = {item.prompt for item in build(prompts, everything, now=NOW).examples.held_out}
    assert "a boy in the snow, ink drawing" not in measured


def test_a_disliked_prompt_is_kept_as_disliked() -> None:
    (pair,) = everything_learned(rated(1, "b")).examples.rated
    assert (pair.origin, pair.num_up, pair.num_down) == (RatedOrigin.VOTE, 0, 1)


def test_too_few_votes_say_what_is_missing() -> None:
    built = build([rated(1, "A")], CycleConfig(), now=NOW)
    assert built.objective.kind is ObjectiveKind.NOTHING
    assert built.objective.missing == "49 more rated prompts are needed (1 of 50)."
    assert build([], CycleConfig(), now=NOW).objective.missing == "50 more rated prompts are needed (0 of 50)."


def test_what_is_kept_of_it_is_json_without_anybodys_text() -> None:
    built = build(crowd(1, TASTES["media"], num_attackers=3), CycleConfig(), now=NOW)
    kept = json.dumps(built.as_dict())
    texts = [text for pair in built.examples.rated for text in (pair.prompt, pair.subject)]
    assert texts
    assert not [text for text in texts if text in kept]
    assert built.as_dict()["num_learning"] == len(built.examples.rated)
