"""A cycle's recipe: the base's own answers beside opinions, and more votes make a better direction, no longer way."""

import math
from pathlib import Path

import pytest

from core.settings import POCKET_FOLDER, load_settings
from trainer.cleaning import NameFinder
from trainer.cycle.folder import JudgedPrompt
from trainer.cycle.recipe import held_out_pairs, takes_own_replay, train_config_for
from trainer.cycle_config import TrainingConfig
from trainer.objective import Objective, ObjectiveKind
from trainer.train_config import TrainConfig, read_train_config, recipe_file

SETTINGS = load_settings(_env_file=None, model_id=str(POCKET_FOLDER))
KTO = Objective(kind=ObjectiveKind.KTO, why="enough")


def config_for(num_opinions: int, *, replay: Path | None = Path("replay.jsonl")) -> TrainConfig:
    return train_config_for(SETTINGS, TrainingConfig(), KTO, num_opinions=num_opinions, replay=replay)


def test_replay_grows_with_opinions_and_the_learning_rate_falls_with_their_root() -> None:
    few, usual, many = config_for(50), config_for(200), config_for(800)
    assert few == usual
    assert many.data.sources[0].weight == pytest.approx(4 * usual.data.sources[0].weight)
    assert many.optimizer.lr == pytest.approx(usual.optimizer.lr / math.sqrt(4))


def test_own_replay_stands_in_for_the_recipes_data_and_is_anchored() -> None:
    recipe = read_train_config(recipe_file("cycle_pocket"))
    own, plain = config_for(100), config_for(100, replay=None)
    assert [source.kind for source in own.data.sources] == ["file", "rated"]
    assert [source.kind for source in plain.data.sources] == [*(each.kind for each in recipe.data.sources), "rated"]
    assert (own.objective.is_anchored, plain.objective.is_anchored) == (True, False)
    assert (own.objective.kind, own.data.is_rated_held_out, own.loop.kept) == ("kto", False, "last")


@pytest.mark.parametrize(
    ("replay", "base", "is_own"),
    [
        ("auto", str(POCKET_FOLDER), True),
        ("auto", "tiiuae/falcon-7b", False),
        ("own", "tiiuae/falcon-7b", True),
        ("recipe", str(POCKET_FOLDER), False),
    ],
)
def test_the_pocket_takes_its_own_answers_unless_told(replay: str, base: str, is_own: bool) -> None:
    training = TrainingConfig(replay=replay)  # type: ignore[arg-type]
    assert takes_own_replay(training, base) is is_own


def test_what_was_judged_is_measured_without_what_its_asker_brought_along() -> None:
    judged = JudgedPrompt(
        request_id="r1",
        subject="a boy in the snow",
        prompt="a boy in the snow, soft light, film grain --ar 16:9",
        parameters="--ar 16:9",
        is_liked=True,
        vote_event_ids=(1,),
    )
    (found,) = held_out_pairs([judged], NameFinder([]), version="8.2")
    assert (found.request_id, found.is_liked, "--ar" in found.pair.prompt) == ("r1", True, False)
