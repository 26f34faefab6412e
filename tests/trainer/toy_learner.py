"""A model of a few numbers that learns which token follows which, for rules of the loop that need no Falcon."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

from trainer.tokens import Document
from trainer.train_config import TrainConfig, train_config_of
from trainer.training_set import TrainingSet

VOCABULARY = 8


class ToyLearner:
    """A table of logits, in double precision so that sums in another order stay equal; `share` of it is dropped."""

    def __init__(self, *, share: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(VOCABULARY, VOCABULARY, generator=generator, dtype=torch.float64)
        self._parameters = {"table": nn.Parameter(table), "bias": nn.Parameter(torch.zeros(VOCABULARY).double())}
        self._share = share
        self._is_training = False
        self.sizes: list[int] = []

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        return self._parameters

    def loss(self, documents: Sequence[Document]) -> Tensor:
        self.sizes.append(sum(map(len, documents)))
        total = torch.zeros((), dtype=torch.float64)
        for document in documents:
            ids = torch.tensor(document.input_ids)
            logits = self._parameters["table"][ids[:-1]] + self._parameters["bias"]
            logits = dropout(logits, self._share, self._is_training)
            first = document.num_question_tokens - 1
            total = total + cross_entropy(logits[first:], ids[first + 1 :], reduction="sum")
        return total

    def switch(self, *, is_training: bool) -> None:
        self._is_training = is_training

    def weights(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self._parameters.items()}


def documents(count: int, *, seed: int = 0, min_tokens: int = 4, max_tokens: int = 12) -> list[Document]:
    """Return documents in which each token is mostly followed by the next number."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        length = int(torch.randint(min_tokens, max_tokens + 1, (1,), generator=generator))
        steps = 1 + (torch.rand(length, generator=generator) < 0.1).long()
        made.append(Document((steps.cumsum(0) % VOCABULARY).tolist(), 2))
    return made


def toy_set(*, count: int = 40) -> TrainingSet:
    return TrainingSet(train=documents(count), validation=documents(6, seed=1), num_validation_bytes=100)


def toy_config(**changes: object) -> TrainConfig:
    """Return a configuration of 32-token blocks, two a step; `changes` are `section__key`."""
    table: dict[str, dict[str, object]] = {
        "data": {"sources": [{"kind": "rated"}]},
        "tokens": {"max_document_tokens": 12, "block_tokens": 32, "is_packed": True},
        "lora": {"r": 2, "lora_alpha": 4},
        "optimizer": {"lr": 0.05},
        "loop": {
            "epochs": 2.0,
            "tokens_per_step": 64,
            "evaluate_every_steps": 3,
            "save_every_steps": 2,
            "patience": 100,
        },
        "memory": {},
        "objective": {},
    }
    for name, value in changes.items():
        section, _, key = name.partition("__")
        table[section][key] = value
    return train_config_of(table, where="toy")
