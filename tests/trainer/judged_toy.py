"""A toy model that learns from opinions, and examples of each kind for it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tests.trainer.toy_learner import ToyLearner, documents
from trainer.preferences.examples import PreferredDocument, RatedDocument
from trainer.preferences.losses import objective_loss
from trainer.tokens import Document, Example
from trainer.train_config import ObjectiveSettings


class JudgedToy(ToyLearner):
    """The toy with an objective; its base is what it was made with."""

    def __init__(self, objective: ObjectiveSettings, *, share: float = 0.0) -> None:
        super().__init__(share=share)
        self._objective = objective
        self._base = ToyLearner()

    def loss(self, examples: Sequence[Example]) -> Tensor:
        nats = [super(JudgedToy, self).loss([document]) for example in examples for document in example.documents]
        return objective_loss(examples, torch.stack(nats), self._objective)

    def reference_nats(self, documents: Sequence[Document]) -> Tensor:
        with torch.no_grad():
            return torch.stack([self._base.loss([document]) for document in documents])


def mixed_examples() -> list[Example]:
    """Return plain, rated and preferred examples of several lengths and weights."""
    found = documents(16)
    rated = [
        RatedDocument(document=document, is_liked=number % 3 == 0, usual_tokens=6.0, weight=1 + number % 2)
        for number, document in enumerate(found[8:12])
    ]
    preferred = [
        PreferredDocument(chosen=chosen, rejected=rejected, usual_tokens=6.0)
        for chosen, rejected in zip(found[12:14], found[14:16], strict=True)
    ]
    return [*found[:8], *rated, *preferred]
