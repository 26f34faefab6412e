"""What opinions add to a data set: by objective, with their presses, and never a word about the held-out side."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from json import dumps

import pytest

from core.rated_pairs import PreferredPrompt, RatedOrigin, RatedPair
from tests.trainer.invented_data import VERSION, midjourney_rows
from tests.trainer.test_dataset import NAMES, jsonl, opinion
from trainer.dataset import TrainingData, load_data
from trainer.pairs import Pair
from trainer.preferences.pairs import JudgedPair, PreferredPair, UsedVote
from trainer.train_config import DataConfig, ObjectiveName, SourceConfig

RATED = SourceConfig(kind="rated", weight=2)
LIKED = Pair("a lone heron", "a lone heron, in silver morning haze --ar 3:2")
DISLIKED = Pair("a grey kettle", "a grey kettle, in silver morning haze --ar 3:2")


@pytest.fixture(scope="module")
def midjourney(tmp_path_factory: pytest.TempPathFactory) -> SourceConfig:
    return jsonl(tmp_path_factory.mktemp("data") / "midjourney.jsonl", list(midjourney_rows()[:100]))


def load(
    source: SourceConfig,
    rated: Sequence[RatedPair] = (),
    preferred: Sequence[PreferredPrompt] = (),
    *,
    objective: ObjectiveName = "supervised",
    is_rated_held_out: bool = True,
    share: float = 0.1,
) -> TrainingData:
    config = DataConfig(sources=(source, RATED), validation_share=share, is_rated_held_out=is_rated_held_out)
    return load_data(config, rated=rated, preferred=preferred, objective=objective, version=VERSION, names=NAMES)


def opinions() -> list[RatedPair]:
    return [
        replace(opinion(events=(4, 2)), weight=0.5),
        opinion("a grey kettle", up=0, down=1, events=(7,)),
    ]


def preference(subject: str = "a lone heron", **changes: object) -> PreferredPrompt:
    values: dict[str, object] = {
        "subject": subject,
        "parameters": "--ar 3:2",
        "chosen": f"{subject}, in silver morning haze --ar 3:2",
        "rejected": f"{subject}, under copper clouds, at noon --ar 3:2",
        "vote_event_ids": (3, 1),
        "weight": 0.5,
    }
    return PreferredPrompt(**(values | changes))  # type: ignore[arg-type]


def test_kto_judges_liked_and_disliked_pairs_by_their_weight_and_their_sources(midjourney: SourceConfig) -> None:
    data = load(midjourney, opinions(), objective="kto")
    assert data.judged == (
        JudgedPair(pair=DISLIKED, is_liked=False, weight=2.0),
        JudgedPair(pair=LIKED, is_liked=True, weight=1.0),
    )
    assert data.weights == {LIKED: 0.5}
    assert data.vote_event_ids == (2, 4, 7)
    assert (data.card.num_votes, data.card.num_judged, data.card.num_preferred) == (3, 2, 0)
    assert "of which 2 are raised or lowered by what people thought of them" in data.card.as_markdown()
    assert "of which" not in load(midjourney, opinions()).card.as_markdown()


def test_other_objectives_know_no_dislike(midjourney: SourceConfig) -> None:
    data = load(midjourney, opinions())
    assert data.judged == data.preferred == ()
    assert data.vote_event_ids == (2, 4)
    assert data.content_hash == load(midjourney, opinions()[:1]).content_hash
    assert load(midjourney, opinions(), [preference()]).content_hash == data.content_hash


def test_each_press_is_kept_with_what_it_said_and_the_hash_of_its_example(midjourney: SourceConfig) -> None:
    corrected = replace(opinion("a blue mill", events=(9,)), origin=RatedOrigin.CORRECTION)
    data = load(midjourney, [*opinions(), corrected], objective="kto")
    liked = sha256(dumps([LIKED.subject, LIKED.prompt]).encode()).hexdigest()
    assert [(vote.vote_event_id, vote.label) for vote in data.used_votes] == [
        (2, "liked"),
        (4, "liked"),
        (7, "disliked"),
        (9, "corrected"),
    ]
    assert {vote.example for vote in data.used_votes if vote.label == "liked"} == {liked}
    assert len({vote.example for vote in data.used_votes}) == 3


def test_hash_of_the_data_tells_weights_labels_and_preferences_apart(midjourney: SourceConfig) -> None:
    heavier = [replace(opinions()[0], weight=0.75), opinions()[1]]
    hashes = [
        load(midjourney, opinions()).content_hash,
        load(midjourney, heavier).content_hash,
        load(midjourney, opinions(), objective="kto").content_hash,
        load(midjourney, opinions()[:1], objective="kto").content_hash,
        load(midjourney, opinions(), [preference()], objective="dpo").content_hash,
        load(midjourney, opinions(), [preference(weight=0.75)], objective="dpo").content_hash,
    ]
    assert len(set(hashes)) == len(hashes)
    assert load(midjourney, opinions()[::-1], objective="kto").content_hash == hashes[2]


def test_dpo_learns_preferences_without_what_the_asker_brought_along(midjourney: SourceConfig) -> None:
    data = load(midjourney, [], [preference(), preference(vote_event_ids=(8,))], objective="dpo")
    chosen = Pair("a lone heron", "a lone heron, in silver morning haze")
    rejected = Pair("a lone heron", "a lone heron, under copper clouds, at noon")
    assert data.preferred == (PreferredPair(chosen=chosen, rejected=rejected, weight=0.5),)
    assert [(vote.vote_event_id, vote.label) for vote in data.used_votes] == [
        (1, "preferred"),
        (3, "preferred"),
        (8, "preferred"),
    ]


def test_preference_whose_prompts_are_one_once_they_are_clean_teaches_nothing(midjourney: SourceConfig) -> None:
    alike = preference(
        rejected="a lone heron, in silver morning haze --ar 3:2 --no text", parameters="--no text --ar 3:2"
    )
    assert load(midjourney, [], [alike], objective="dpo").preferred == ()


def test_opinions_on_what_is_held_out_are_not_learned_from(midjourney: SourceConfig) -> None:
    held = load(midjourney).validation[0]
    down = replace(
        opinion(up=0, down=1, events=(5,)), subject=held.subject, prompt=f"{held.subject}, a moss green veil of rain"
    )
    assert load(midjourney, [down], objective="kto").used_votes == ()
    about = preference(held.subject)
    assert load(midjourney, [], [about], objective="dpo").used_votes == ()


def test_rated_pairs_measure_nothing_where_they_are_not_to_be_held_out(midjourney: SourceConfig) -> None:
    many = [opinion(f"a {word} kettle", events=(number,)) for number, word in enumerate(WORDS)]
    subjects = {pair.subject for pair in many}
    mixed, apart = (load(midjourney, many, is_rated_held_out=is_out, share=0.3) for is_out in (True, False))
    assert subjects & {pair.subject for pair in mixed.validation}
    assert not subjects & {pair.subject for pair in apart.validation}
    assert subjects <= {pair.subject for pair in apart.train}
    assert apart.validation == load(midjourney, share=0.3).validation


WORDS = (
    "grey", "blue", "red", "tall", "round", "worn", "new", "cold", "warm", "small", "dark", "pale", "thin", "wide",
    "loud", "mute", "soft", "hard", "rough", "smooth", "old", "young", "dry", "wet", "sharp", "blunt", "odd", "plain",
)  # fmt: skip


def test_used_votes_are_in_order() -> None:
    assert sorted([UsedVote(2, "liked", "b"), UsedVote(1, "liked", "c"), UsedVote(2, "liked", "a")]) == [
        UsedVote(1, "liked", "c"),
        UsedVote(2, "liked", "a"),
        UsedVote(2, "liked", "b"),
    ]
