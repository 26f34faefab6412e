"""What the base model makes of rated documents is the same before and after learning, however much memory there is."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from core.errors import NotEnoughMemory
from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.trainer.judged_toy import JudgedToy, mixed_examples
from tests.trainer.tuned_falcon import falcon_learner, falcon_set
from trainer.learner import FalconLearner
from trainer.preferences.examples import PreferredDocument, RatedDocument
from trainer.preferences.reference import with_references
from trainer.tokens import Document
from trainer.train_config import ObjectiveSettings


class ShortOfMemory(JudgedToy):
    """Has room for `limit` documents at once."""

    def __init__(self, limit: int) -> None:
        super().__init__(ObjectiveSettings())
        self._limit = limit
        self.sizes: list[int] = []

    def reference_nats(self, documents: Sequence[Document]) -> Tensor:
        self.sizes.append(len(documents))
        if len(documents) > self._limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().reference_nats(documents)


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> FalconLearner:
    return falcon_learner(write_tiny_falcon(tmp_path_factory.mktemp("base") / "tiny"))


def test_rated_examples_get_their_nats_and_preferred_ones_their_margin() -> None:
    learner = JudgedToy(ObjectiveSettings())
    found = with_references(mixed_examples(), learner, block_tokens=40)
    counted = 0
    for before, after in zip(mixed_examples(), found, strict=True):
        own = learner.reference_nats(after.documents).tolist()
        assert after.documents == before.documents
        if isinstance(after, RatedDocument):
            assert after.reference_nats == pytest.approx(own[0])
        elif isinstance(after, PreferredDocument):
            assert after.reference_margin == pytest.approx(own[1] - own[0])
        else:
            assert after == before
            continue
        counted += 1
    assert counted == 6


def test_memory_that_runs_out_costs_time_and_no_number() -> None:
    short = ShortOfMemory(2)
    assert with_references(mixed_examples(), short, block_tokens=100) == with_references(
        mixed_examples(), JudgedToy(ObjectiveSettings()), block_tokens=100
    )
    assert max(short.sizes) > 2


def test_single_document_that_does_not_fit_is_said() -> None:
    with pytest.raises(NotEnoughMemory, match="too small for a single document; lower max_document_tokens"):
        with_references(mixed_examples(), ShortOfMemory(0), block_tokens=100)


def test_reference_is_the_base_model_whatever_the_adapter_has_learned(learner: FalconLearner) -> None:
    documents = [*falcon_set().validation]
    before = learner.reference_nats(documents)
    learner.switch(is_training=True)
    with torch.no_grad():
        for name, weight in learner.parameters.items():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    assert torch.equal(learner.reference_nats(documents), before)
    learner.switch(is_training=False)
    assert not torch.allclose(learner.loss(documents), before.sum(), rtol=1e-3)
    alone = torch.cat([learner.reference_nats([document]) for document in documents])
    torch.testing.assert_close(alone, before)
