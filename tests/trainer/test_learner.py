"""A Falcon as the loop sees it: its adapter alone learns, from the sum of what its answers cost."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.trainer.tuned_falcon import CONFIG, falcon_learner, falcon_set
from trainer.learner import FalconLearner, make_trainable, padded_tokens, sum_by_document
from trainer.preferences.examples import RatedDocument
from trainer.preferences.reference import with_references
from trainer.schedule import divide
from trainer.tokens import Document


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> FalconLearner:
    return falcon_learner(write_tiny_falcon(tmp_path_factory.mktemp("base") / "tiny"))


def test_only_the_adapter_learns_and_equal_seeds_begin_alike(learner: FalconLearner, tmp_path: Path) -> None:
    names = list(learner.parameters)
    assert len(names) == 2 * 4 * 2, "A and B of four projections in two layers"
    assert all("lora_" in name for name in names)
    again = falcon_learner(write_tiny_falcon(tmp_path / "tiny")).parameters
    assert all(torch.equal(weight, again[name]) for name, weight in learner.parameters.items())


def test_losses_add_up_over_documents(learner: FalconLearner) -> None:
    learner.switch(is_training=False)
    documents = falcon_set().train[:3]
    with torch.no_grad():
        apart = [float(learner.loss([document])) for document in documents]
        assert float(learner.loss(documents)) == pytest.approx(sum(apart), rel=1e-5)


def test_opinions_are_worth_half_their_weight_before_anything_is_learned(learner: FalconLearner) -> None:
    """The adapter begins at the base model, where no answer is likelier than for the base."""
    learner.switch(is_training=False)
    rated = [one for one in falcon_set().train if isinstance(one, RatedDocument)]
    assert len(rated) == 4
    objective = CONFIG.objective
    known = [one for one in with_references(rated, learner, block_tokens=32) if isinstance(one, RatedDocument)]
    with torch.no_grad():
        found = float(learner.loss(known))
    assert found == pytest.approx(4 * 6 * objective.preference_weight / 2, rel=1e-5)


def test_anchored_documents_pull_nothing_at_the_base_and_cost_more_away_from_it(tmp_path: Path) -> None:
    trainable = make_trainable(CONFIG, write_tiny_falcon(tmp_path / "tiny"), torch.device("cpu"))
    anchored = FalconLearner(trainable, block_tokens=32, objective=replace(CONFIG.objective, is_anchored=True))
    anchored.switch(is_training=False)
    documents = falcon_set().train[:3]
    before = anchored.loss(documents)
    before.backward()
    for parameter in anchored.parameters.values():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, torch.zeros_like(parameter), atol=1e-5, rtol=0)
    with torch.no_grad():
        for name, parameter in anchored.parameters.items():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    assert float(anchored.loss(documents).detach()) > float(before.detach())


def test_opinions_are_not_anchored(tmp_path: Path) -> None:
    trainable = make_trainable(CONFIG, write_tiny_falcon(tmp_path / "tiny"), torch.device("cpu"))
    plain, anchored = (
        FalconLearner(trainable, block_tokens=32, objective=replace(CONFIG.objective, is_anchored=flag))
        for flag in (False, True)
    )
    plain.switch(is_training=False)
    examples = with_references(falcon_set().train, plain, block_tokens=32)
    rated = [one for one in examples if not isinstance(one, Document)]
    documents = [one for one in examples if isinstance(one, Document)]
    mixed = anchored.loss([*rated, *documents]) - anchored.loss(documents)
    assert float(mixed.detach()) == pytest.approx(float(plain.loss(rated).detach()), rel=1e-4)


def test_nats_are_summed_by_document() -> None:
    documents = [Document([1, 2, 3, 4], 2), Document([1, 2], 1), Document([1, 2, 3], 0)]
    assert sum_by_document(torch.arange(5.0), documents).tolist() == [0 + 1, 2, 3 + 4]


def test_dropout_is_on_in_training_alone(learner: FalconLearner) -> None:
    documents = falcon_set().train[:3]
    with torch.no_grad():
        for name, weight in learner.parameters.items():
            if "lora_B" in name:
                weight.normal_(std=0.5)
        found = {}
        for is_training in (True, False):
            learner.switch(is_training=is_training)
            found[is_training] = {float(learner.loss(documents)) for _ in range(4)}
    assert (len(found[True]), len(found[False])) == (4, 1)


def test_saved_adapter_has_the_weights_that_were_learned(learner: FalconLearner, tmp_path: Path) -> None:
    learner.save(tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert len(saved) == len(learner.parameters)
    for name, weight in saved.items():
        assert torch.equal(weight, learner.parameters[name.replace(".weight", ".default.weight")])


@given(st.integers(1, 8192))
def test_padded_size_is_the_block_halved_as_often_as_there_is_room_or_an_eighth_more(num_tokens: int) -> None:
    size = padded_tokens(num_tokens, 8192)
    assert size >= num_tokens
    halves = {8192 >> shift for shift in range(14)}
    assert size in halves | {half + half // 8 for half in halves}
    assert size == 1 or size < 2 * num_tokens


@pytest.mark.parametrize("num_parts", [2, 4, 8])
def test_longest_part_of_a_block_that_was_cut_is_padded_to_little_more_than_its_share(num_parts: int) -> None:
    """Parts of 4,097 tokens were padded to 8,192 again, so that cutting a block did not save any memory."""
    lengths = [61 + 7 * (number % 9) for number in range(92)]
    parts = divide(range(len(lengths)), lengths, num_parts)
    sizes = {padded_tokens(sum(lengths[number] for number in part), 8192) for part in parts}
    assert sum(lengths) > 8000
    assert max(sizes) <= 8192 // num_parts * 9 // 8


def test_blocks_are_padded_on_a_gpu_and_for_compiled_code_alone(tmp_path: Path) -> None:
    """On a GPU, blocks of ever other sizes broke the allocator's memory into pieces under a cap."""
    folder = write_tiny_falcon(tmp_path / "tiny")
    trainable = make_trainable(CONFIG, folder, torch.device("cpu"))
    on_gpu = replace(trainable, device=torch.device("cuda"))
    for kind, expected in ((trainable, None), (on_gpu, 512), (replace(trainable, is_compiled=True), 512)):
        assert FalconLearner(kind, block_tokens=512).padded_size(500) == expected


def test_padded_size_of_more_than_a_block_is_what_is_there() -> None:
    assert padded_tokens(101, 64) == 101
