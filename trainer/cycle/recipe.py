"""How a cycle trains: the recipe that fits the base model, with what the votes and configs/cycle.toml change of it.

It trains nothing. What the base model wrote itself stands in for the base data where a recipe has no other.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.rated_pairs import RatedOrigin, RatedPair
from core.settings import Settings
from falcon.source import choose_base
from trainer.cleaning import NameFinder
from trainer.cycle.folder import JudgedPrompt
from trainer.cycle_config import TrainingConfig
from trainer.data.rows import judge
from trainer.data.sources import rated_row
from trainer.objective import Objective, ObjectiveKind
from trainer.preference_measures import LabelledPair
from trainer.replay import replay_source
from trainer.run.plan import is_pocket
from trainer.train_config import ObjectiveName, SourceConfig, TrainConfig, read_train_config, recipe_file

USUAL_OPINIONS = 200
MAX_WEIGHT = 100.0  # of a source
OBJECTIVES: Mapping[ObjectiveKind, ObjectiveName] = {
    ObjectiveKind.SUPERVISED: "supervised",
    ObjectiveKind.KTO: "kto",
    ObjectiveKind.DPO: "dpo",
}


def takes_own_replay(training: TrainingConfig, base: str) -> bool:
    """Say whether the base model's own answers stand in for the recipe's data: for the pocket, unless told."""
    return training.replay == "own" or (training.replay == "auto" and is_pocket(base))


def train_config_for(
    settings: Settings, training: TrainingConfig, objective: Objective, *, num_opinions: int, replay: Path | None
) -> TrainConfig:
    """Return what a cycle's run trains with; `replay` is the base's own answers, None for the recipe's sources.

    Recipes are made for `USUAL_OPINIONS` of them. With more, replay grows alike, and the learning rate falls with the
    root of their number, so that more votes make a better direction rather than a longer way from the base.
    """
    growth = max(1.0, num_opinions / USUAL_OPINIONS)
    recipe = read_train_config(recipe_file("cycle_pocket" if is_pocket(choose_base(settings.model_id)) else "cycle"))
    sources: list[SourceConfig] = [source for source in recipe.data.sources if source.kind != "rated"]
    if replay is not None:
        sources = [replay_source(replay, weight=min(training.replay_weight * growth, MAX_WEIGHT))]
    rated = SourceConfig(kind="rated", weight=training.rated_weight)
    return replace(
        recipe,
        data=replace(recipe.data, sources=(*sources, rated), is_rated_held_out=False),
        optimizer=replace(recipe.optimizer, lr=recipe.optimizer.lr / math.sqrt(growth)),
        objective=replace(recipe.objective, kind=OBJECTIVES[objective.kind], is_anchored=replay is not None),
    )


def held_out_pairs(held_out: Sequence[JudgedPrompt], names: NameFinder, *, version: str) -> list[LabelledPair]:
    """Return what was judged and held out as pairs in the form that is learned from; what gives none is left out."""
    found: list[LabelledPair] = []
    for item in held_out:
        rated = RatedPair(
            subject=item.subject,
            prompt=item.prompt,
            parameters=item.parameters,
            origin=RatedOrigin.VOTE,
            num_up=int(item.is_liked),
            num_down=int(not item.is_liked),
            vote_event_ids=(),
        )
        verdict = judge(rated_row(rated), names, version=version)
        for pair in verdict if isinstance(verdict, tuple) else ():
            found.append(LabelledPair(pair=pair, request_id=item.request_id, is_liked=item.is_liked))
    return found
