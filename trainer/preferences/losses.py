"""The objectives as formulas: what a block's examples cost, given the nats that the model needs for their documents.

Everything is a sum over examples, and each term knows nothing but its own example, so how a step is cut into
micro-batches does not change its gradient. KTO's reference point, the divergence that is estimated from mismatched
answers of the same micro-batch, would break that rule: here it stays at 0, where it begins, which D'Oosterlinck et al.
2024 (arXiv 2408.06266, section 4) call APO-zero. Shapes: N documents, K examples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.preferences.examples import PreferredDocument, RatedDocument
from trainer.tokens import Document, Example
from trainer.train_config import ObjectiveSettings


def objective_loss(examples: Sequence[Example], nats: Tensor, objective: ObjectiveSettings) -> Tensor:
    """Return the scalar to learn from; `nats` (N,) are those of the examples' documents, in their order.

    A plain document costs its nats, and to preferred ones `supervised_weight` adds those of the chosen one (Pang et al.
    2024, arXiv 2404.19733, equation 1). Divide by the `num_counted` of the whole optimizer step.
    """
    shares = [share for example in examples for share in supervised_shares(example, objective)]
    total = (nats.new_tensor(shares) * nats).sum()
    starts, place = [], 0
    for example in examples:
        starts.append(place)
        place += len(example.documents)
    rated = [(start, one) for start, one in zip(starts, examples, strict=True) if isinstance(one, RatedDocument)]
    if rated:
        total = total + _rated_loss(rated, nats, objective)
    preferred = [
        (start, one) for start, one in zip(starts, examples, strict=True) if isinstance(one, PreferredDocument)
    ]
    if preferred:
        total = total + _preferred_loss(preferred, nats, objective)
    return total


def supervised_shares(example: Example, objective: ObjectiveSettings) -> tuple[float, ...]:
    """Return how much of each document's nats is learned from as in plain training."""
    match example:
        case RatedDocument():
            return (0.0,)
        case PreferredDocument(weight=weight):
            return (objective.supervised_weight * weight, 0.0)
        case Document(weight=weight):
            return (weight,)
        case _:
            raise TypeError(f"{type(example).__name__} is no example that can be learned from")


def _rated_loss(rated: Sequence[tuple[int, RatedDocument]], nats: Tensor, objective: ObjectiveSettings) -> Tensor:
    own = nats[torch.tensor([start for start, _ in rated], device=nats.device)]  # (K,)
    rewards = nats.new_tensor([one.reference_nats for _, one in rated]) - own
    is_liked = torch.tensor([one.is_liked for _, one in rated], device=nats.device)
    worth = nats.new_tensor([one.num_counted * objective.preference_weight for _, one in rated])
    return (worth * kto_loss(rewards, is_liked, objective)).sum()


def _preferred_loss(
    preferred: Sequence[tuple[int, PreferredDocument]], nats: Tensor, objective: ObjectiveSettings
) -> Tensor:
    chosen = torch.tensor([start for start, _ in preferred], device=nats.device)
    margins = nats[chosen + 1] - nats[chosen] - nats.new_tensor([one.reference_margin for _, one in preferred])
    worth = nats.new_tensor([one.num_counted * objective.preference_weight for _, one in preferred])
    return (worth * dpo_loss(margins, objective.beta)).sum()


def kto_loss(rewards: Tensor, is_liked: Tensor, objective: ObjectiveSettings) -> Tensor:
    """Return the loss (K,) of rated answers whose log-probability has grown by `rewards` (K,) nats over the base's.

    It is lambda_D (1 - sigmoid(beta r)) for a liked one and lambda_U (1 - sigmoid(-beta r)) for a disliked one
    (Ethayarajh et al. 2024, arXiv 2402.01306, equation 8, with z0 = 0).
    """
    signed = torch.where(is_liked, rewards, -rewards)
    weights = torch.where(is_liked, objective.desirable_weight, objective.undesirable_weight).to(rewards.dtype)
    return weights * torch.sigmoid(-objective.beta * signed)


def dpo_loss(margins: Tensor, beta: float) -> Tensor:
    """Return the loss (K,) of pairs whose margin, chosen over rejected, has grown by `margins` (K,) nats.

    It is -log sigmoid(beta margin) (Rafailov et al. 2023, arXiv 2305.18290, equation 7). Without a supervised term it
    may lower the chosen answer's own likelihood (Pal et al. 2024, arXiv 2402.13228, section 3).
    """
    return F.softplus(-beta * margins)
