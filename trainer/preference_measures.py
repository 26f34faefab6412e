"""How a model ranks prompts that people liked or disliked, none of which it learned from.

The forward pass is that of validation (trainer/likelihood.py). It knows no gate and no threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from core.errors import InvalidData
from trainer.gate_measures import RatedItem
from trainer.likelihood import nats_by_pair
from trainer.pairs import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPair:
    """One held-out prompt, the request that it was shown for, and whether people liked it."""

    pair: Pair
    request_id: str
    is_liked: bool


Scores = Mapping[Pair, float]


def score_pairs(model: Any, tokenizer: PreTrainedTokenizerBase, labelled: Sequence[LabelledPair]) -> dict[Pair, float]:
    """Return the log-probability of each distinct pair's answer, in nats.

    A pair longer than Falcon's context is left out, which depends on the tokenizer alone: every model of one base
    leaves out the same.
    """
    pairs = list(dict.fromkeys(item.pair for item in labelled))
    costs = nats_by_pair(model, tokenizer, pairs) if pairs else []
    return {pair: -cost.nats for pair, cost in zip(pairs, costs, strict=True) if cost is not None}


def rank_preferences(
    model: Any, tokenizer: PreTrainedTokenizerBase, labelled: Sequence[LabelledPair], *, base: Scores
) -> tuple[RatedItem, ...]:
    """Return each judged prompt as `model` sees it, in the order of `labelled`; `base` has the base model's scores.

    Raises:
        InvalidData: `base` was not measured on these pairs.
    """
    return rated_items(score_pairs(model, tokenizer, labelled), labelled, base=base)


def rated_items(scores: Scores, labelled: Sequence[LabelledPair], *, base: Scores) -> tuple[RatedItem, ...]:
    """Return each judged prompt that has a score.

    Raises:
        InvalidData: `base` was not measured on these pairs.
    """
    missing = [pair for pair in scores if pair not in base]
    if missing:
        raise InvalidData(f"The base model has no score for {len(missing)} of {len(scores)} prompts; measure it anew.")
    return tuple(
        RatedItem(
            request_id=item.request_id,
            is_liked=item.is_liked,
            log_probability=scores[item.pair],
            reward=scores[item.pair] - base[item.pair],
        )
        for item in labelled
        if item.pair in scores
    )
