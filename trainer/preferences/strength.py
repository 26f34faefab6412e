"""How far an adapter that learned opinions may go: it is made stronger or weaker until it parts from the base as told.

How far a run of given settings goes depends on what was voted: a common taste moves a model more than a rare one. What
it may cost is known beforehand: the mean divergence KL(base || adapter) on held-out replay, a share of its entropy,
which is what the loss on the base's own texts rises by. Along the adapter's direction it grows with about the square of
its strength, so a few looks find the strength that uses what is allowed (a trust region with a line search, as in
Schulman et al. 2015, arXiv 1502.05477, appendix C). It knows no votes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from core.errors import TrainingFailed
from trainer.packing import plan_blocks
from trainer.tokens import Document

MAX_DOCUMENTS = 320  # enough for a tenth of the divergence
MIN_STRENGTH, MAX_STRENGTH = 0.25, 2.5
NUM_LOOKS = 6
TOLERANCE = 0.05  # of the allowed share: closer is not looked for
SCALED_MATRIX = "lora_B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """Sums over answer tokens: the base's entropy, and KL(base || adapter), both in nats."""

    entropy_nats: float
    divergence_nats: float


class Divergent(Protocol):
    """A learner that can say how far it is from its base model."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The adapter's weights by name, peft's `lora_B` among them."""

    def divergence(self, documents: Sequence[Document]) -> Divergence:
        """Return the divergence on the documents' answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """What the adapter was multiplied by, and the share that it diverges by then."""

    factor: float
    divergence_share: float


def fit_strength(learner: Divergent, documents: Sequence[Document], *, max_share: float, block_tokens: int) -> Strength:
    """Multiply the adapter in place so that it diverges by about `max_share` (more than 0) on `documents`, not more.

    Of many documents some are looked at, always the same. An adapter is made 0.25 to 2.5 times as strong; where the
    weakest diverges by more, it is left at that.

    Raises:
        TrainingFailed: there is no document, or the divergence is no number.
    """
    looked_at = documents[:: max(1, math.ceil(len(documents) / MAX_DOCUMENTS))]
    if not looked_at:
        raise TrainingFailed("There is no held-out replay to hold the adapter against; set a larger validation_share.")
    scaled = _Scaled(learner, looked_at, block_tokens)
    looks: list[Strength] = []
    factor = 1.0
    while len(looks) < NUM_LOOKS:
        looks.append(Strength(factor=factor, divergence_share=scaled.share_at(factor)))
        if (1 - TOLERANCE) * max_share <= looks[-1].divergence_share <= max_share:
            break
        factor = _next_factor(looks, max_share)
        if factor == looks[-1].factor:
            break
    within = [look for look in looks if look.divergence_share <= max_share]
    best = max(within, key=lambda look: look.factor) if within else None
    if best is None or scaled.factor != best.factor:
        factor = best.factor if best is not None else MIN_STRENGTH
        best = Strength(factor=factor, divergence_share=scaled.share_at(factor))
    return best


def _next_factor(looks: Sequence[Strength], max_share: float) -> float:
    """Return the factor that would just do if the divergence grew as between the last two looks, or as its square."""
    last = looks[-1]
    if last.divergence_share <= 0:
        return MAX_STRENGTH
    power = _power(looks[-2], last) if len(looks) > 1 else 2.0
    wanted = last.factor * math.pow((1 - TOLERANCE / 2) * max_share / last.divergence_share, 1 / power)
    return min(max(wanted, MIN_STRENGTH), MAX_STRENGTH)


def _power(one: Strength, other: Strength) -> float:
    if min(one.divergence_share, other.divergence_share) <= 0 or one.factor == other.factor:
        return 2.0
    power = math.log(other.divergence_share / one.divergence_share) / math.log(other.factor / one.factor)
    return min(max(power, 0.5), 4.0)


class _Scaled:
    """A learner whose adapter is at `factor` times what it learned."""

    def __init__(self, learner: Divergent, documents: Sequence[Document], block_tokens: int) -> None:
        self.factor = 1.0
        self._learner = learner
        blocks = plan_blocks([len(each) for each in documents], block_tokens, torch.Generator().manual_seed(0))
        self._blocks = [[documents[number] for number in block] for block in blocks]
        self._weights = {name: one for name, one in learner.parameters.items() if SCALED_MATRIX in name}
        self._learned = {name: weight.detach().clone() for name, weight in self._weights.items()}

    def share_at(self, factor: float) -> float:
        """Return the share of its base's entropy that the adapter diverges by at `factor`, where it is left.

        Raises:
            TrainingFailed: it is no finite number.
        """
        self.factor = factor
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(self._learned[name] * factor)
        parts = [self._learner.divergence(block) for block in self._blocks]
        entropy = sum(part.entropy_nats for part in parts)
        share = sum(part.divergence_nats for part in parts) / entropy if entropy > 0 else math.nan
        if not math.isfinite(share):
            raise TrainingFailed(f"The adapter's divergence from the base is {share}; set a lower lr in the recipe.")
        return share
