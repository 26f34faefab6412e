"""An adapter is made as strong as its divergence from the base may be, and no stronger."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core.errors import TrainingFailed
from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.trainer.tuned_falcon import CONFIG, falcon_set
from trainer.learner import FalconLearner, make_trainable
from trainer.preferences.strength import MAX_STRENGTH, MIN_STRENGTH, Divergence, fit_strength
from trainer.tokens import Document

DOCUMENTS = [Document([1, 2, 3, 4], 2)] * 600


class Curved:
    """Diverges by `at_one * strength ** power` of its base's entropy."""

    def __init__(self, at_one: float, power: float = 2.0) -> None:
        self._at_one, self._power = at_one, power
        self.parameters: Mapping[str, nn.Parameter] = {
            "0.lora_A.weight": nn.Parameter(torch.ones(2)),
            "0.lora_B.weight": nn.Parameter(torch.ones(2)),
        }
        self.num_documents = 0

    @property
    def strength(self) -> float:
        return float(self.parameters["0.lora_B.weight"].detach()[0])

    def divergence(self, documents: Sequence[Document]) -> Divergence:
        self.num_documents += len(documents)
        entropy = 2.0 * len(documents)
        share = self._at_one * self.strength**self._power
        return Divergence(entropy_nats=entropy, divergence_nats=share * entropy)


@given(at_one=st.floats(0.0005, 0.2), power=st.floats(1.2, 2.8))
def test_allowed_divergence_is_used_and_never_passed_where_the_strength_can_be_had(at_one: float, power: float) -> None:
    learner = Curved(at_one, power)
    found = fit_strength(learner, DOCUMENTS, max_share=0.008, block_tokens=64)
    assert learner.strength == pytest.approx(found.factor, rel=1e-6), "the adapter is left at what is said"
    assert MIN_STRENGTH <= found.factor <= MAX_STRENGTH
    assert found.divergence_share == pytest.approx(at_one * found.factor**power, rel=1e-5)
    if found.factor > MIN_STRENGTH:
        assert found.divergence_share <= 0.008
    if MIN_STRENGTH < found.factor < MAX_STRENGTH:
        assert found.divergence_share >= 0.8 * 0.008
    else:
        assert at_one * MAX_STRENGTH**power <= 0.008 or at_one * (1.2 * MIN_STRENGTH) ** power > 0.008


def test_the_other_matrix_is_left_alone_and_some_of_many_documents_are_looked_at() -> None:
    learner = Curved(0.032)
    fit_strength(learner, DOCUMENTS, max_share=0.008, block_tokens=64)
    assert learner.parameters["0.lora_A.weight"].tolist() == [1, 1]
    assert learner.strength == pytest.approx(0.5, rel=0.03)
    assert learner.num_documents == 2 * 300, "a look at the first strength, and one at the right one"


def test_an_adapter_that_learned_nothing_stays_at_the_base() -> None:
    assert fit_strength(Curved(0.0), DOCUMENTS, max_share=0.008, block_tokens=64).divergence_share == 0


@pytest.mark.parametrize(("documents", "at_one"), [([], 0.1), (DOCUMENTS, math.nan)])
def test_what_cannot_be_measured_is_one_sentence(documents: list[Document], at_one: float) -> None:
    with pytest.raises(TrainingFailed, match=r"validation_share|lower lr"):
        fit_strength(Curved(at_one), documents, max_share=0.008, block_tokens=64)


def test_a_falcon_at_its_base_does_not_diverge_and_an_adapter_does(tmp_path: Path) -> None:
    trainable = make_trainable(CONFIG, write_tiny_falcon(tmp_path / "tiny"), torch.device("cpu"))
    learner = FalconLearner(trainable, block_tokens=32, objective=replace(CONFIG.objective, is_anchored=True))
    documents = [one for one in falcon_set().train if isinstance(one, Document)]
    at_base = learner.divergence(documents)
    assert at_base.divergence_nats == pytest.approx(0, abs=1e-4)
    assert at_base.entropy_nats > 1
    with torch.no_grad():
        for name, weight in learner.parameters.items():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    away = learner.divergence(documents)
    assert away.divergence_nats > 0
    assert away.entropy_nats == pytest.approx(at_base.entropy_nats, rel=1e-5)
    found = fit_strength(learner, documents, max_share=away.divergence_nats / away.entropy_nats / 4, block_tokens=32)
    assert found.factor == pytest.approx(0.5, rel=0.15)
