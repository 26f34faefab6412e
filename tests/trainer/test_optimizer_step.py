"""One optimizer step: how it is cut into micro-batches never changes what is learned."""

from collections.abc import Sequence

import pytest
import torch
from accelerate import Accelerator
from structlog.testing import capture_logs
from torch import Tensor

from core.errors import NotEnoughMemory
from tests.trainer.toy_learner import ToyLearner, documents
from trainer.optimizer_step import Stepper, StepResult
from trainer.tokens import Document
from trainer.train_config import OptimizerConfig

DOCUMENTS = documents(16)
CONFIG = OptimizerConfig(lr=0.1, weight_decay=0.01)


class SmallDevice(ToyLearner):
    """Runs out of memory above `max_tokens`."""

    def __init__(self, max_tokens: int, *, share: float = 0.0) -> None:
        super().__init__(share=share)
        self._max_tokens = max_tokens

    def loss(self, documents: Sequence[Document]) -> Tensor:
        if sum(map(len, documents)) > self._max_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().loss(documents)


class Numberless(ToyLearner):
    """Has a loss that is no number, or a gradient that is none."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def loss(self, documents: Sequence[Document]) -> Tensor:
        return super().loss(documents) * self._factor


def stepper(learner: ToyLearner, *, num_parts: int = 1) -> Stepper:
    learner.switch(is_training=True)
    return Stepper(learner, DOCUMENTS, CONFIG, accelerator=Accelerator(cpu=True), seed=0, num_parts=num_parts)


def after_steps(learner: ToyLearner, steps: list[list[list[int]]], *, num_parts: int = 1) -> dict[str, Tensor]:
    taking = stepper(learner, num_parts=num_parts)
    for number, blocks in enumerate(steps):
        taking.step(blocks, number=number, lr=0.1)
    return learner.weights()


def blocks_of(size: int) -> list[list[int]]:
    return [list(range(16))[start : start + size] for start in range(0, 16, size)]


def require_equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, weight in one.items():
        torch.testing.assert_close(weight, two[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_accumulating_over_blocks_equals_one_large_batch(size: int) -> None:
    whole = after_steps(ToyLearner(), [blocks_of(16)] * 3)
    require_equal(whole, after_steps(ToyLearner(), [blocks_of(size)] * 3))
    assert not torch.equal(whole["table"], ToyLearner().weights()["table"]), "something was learned"


@pytest.mark.parametrize("num_parts", [2, 4, 16])
def test_smaller_micro_batches_change_nothing_that_is_learned(num_parts: int) -> None:
    learner = ToyLearner()
    require_equal(
        after_steps(ToyLearner(), [blocks_of(8)] * 3), after_steps(learner, [blocks_of(8)] * 3, num_parts=num_parts)
    )
    assert len(learner.sizes) > 3 * 2


def test_loss_is_the_mean_over_answer_tokens_and_tokens_are_counted_without_padding() -> None:
    learner = ToyLearner()
    expected = float(learner.loss(DOCUMENTS).detach()) / sum(document.num_answer_tokens for document in DOCUMENTS)
    result = stepper(learner).step(blocks_of(4), number=0, lr=0.1)
    assert result.loss == pytest.approx(expected)
    assert result.num_tokens == sum(map(len, DOCUMENTS))
    assert result.is_applied


def test_out_of_memory_halves_the_micro_batch_keeps_the_effective_batch_and_says_so() -> None:
    learner = SmallDevice(max_tokens=30)
    with capture_logs() as logs:
        small = after_steps(learner, [blocks_of(8)] * 2)
    require_equal(after_steps(ToyLearner(), [blocks_of(8)] * 2), small)
    said = [line for line in logs if line["event"] == "train.smaller_micro_batch"]
    assert [line["accumulation"] for line in said] == [4, 8]
    assert {line["effective_batch"] for line in said} == {"unchanged"}
    assert said[0]["micro_batch_tokens"] == 2 * said[1]["micro_batch_tokens"]
    assert max(learner.sizes) <= 30


def test_out_of_memory_in_the_middle_of_a_step_leaves_no_gradient_of_its_first_part() -> None:
    """The first block fits and the second does not: what the first had added must not count twice."""
    blocks = [[0], list(range(1, 16))]
    require_equal(after_steps(ToyLearner(), [blocks]), after_steps(SmallDevice(max_tokens=60), [blocks]))


def test_single_document_that_does_not_fit_is_one_sentence_with_the_cure() -> None:
    learner = SmallDevice(max_tokens=3)
    with pytest.raises(NotEnoughMemory, match=r"too small for a single document; lower max_document_tokens, set check"):
        stepper(learner).step(blocks_of(8), number=0, lr=0.1)


def test_other_faults_of_the_device_are_not_taken_for_a_lack_of_memory() -> None:
    class Broken(ToyLearner):
        def loss(self, documents: Sequence[Document]) -> Tensor:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        stepper(Broken()).step(blocks_of(8), number=0, lr=0.1)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_step_without_a_number_leaves_the_weights_as_they_were(factor: float) -> None:
    learner = Numberless(factor)
    before = learner.weights()
    result = stepper(learner).step(blocks_of(8), number=0, lr=0.1)
    assert not result.is_applied
    assert all(torch.equal(before[name], weight) for name, weight in learner.weights().items())
    assert all(parameter.grad is None for parameter in learner.parameters.values())


def test_gradient_is_clipped_to_its_largest_norm() -> None:
    learner = Numberless(1e6)
    result = stepper(learner).step(blocks_of(8), number=0, lr=0.1)
    plain = stepper(ToyLearner()).step(blocks_of(8), number=0, lr=0.1)
    assert result.grad_norm == pytest.approx(1e6 * plain.grad_norm)
    assert result.is_applied


def test_dropout_follows_the_place_in_the_step_and_not_what_was_drawn_before() -> None:
    def step_after(num_draws: int, number: int) -> dict[str, Tensor]:
        learner = ToyLearner(share=0.3)
        torch.rand(num_draws)
        stepper(learner).step(blocks_of(4), number=number, lr=0.1)
        return learner.weights()

    assert torch.equal(step_after(1, 5)["table"], step_after(77, 5)["table"])
    assert not torch.equal(step_after(1, 5)["table"], step_after(1, 6)["table"])


def test_measuring_drops_nothing_learns_nothing_and_turns_dropout_on_again() -> None:
    learner = ToyLearner(share=0.3)
    expected = float(ToyLearner().loss(DOCUMENTS).detach())
    taking = stepper(learner)
    assert taking.total_nats(blocks_of(4)) == pytest.approx(expected)
    assert all(parameter.grad is None for parameter in learner.parameters.values())
    assert float(learner.loss(DOCUMENTS).detach()) != pytest.approx(expected)


def test_measuring_halves_the_micro_batch_as_well() -> None:
    taking = stepper(SmallDevice(max_tokens=40))
    assert taking.total_nats(blocks_of(8)) == pytest.approx(float(ToyLearner().loss(DOCUMENTS).detach()))
    assert taking.num_parts > 1


def test_wish_to_stop_comes_back_with_the_step() -> None:
    taking = stepper(ToyLearner())
    results: list[StepResult] = [
        taking.step(blocks_of(8), number=number, lr=0.1, is_stop_wanted=lambda wish=wish: wish)
        for number, wish in enumerate((False, True))
    ]
    assert [result.is_stop_wanted for result in results] == [False, True]
    assert all(result.is_applied for result in results), "the step is finished first"


def test_learning_rate_is_that_of_the_step() -> None:
    learner = ToyLearner()
    before = learner.weights()
    stepper(learner).step(blocks_of(8), number=0, lr=0.0)
    assert all(torch.equal(before[name], weight) for name, weight in learner.weights().items())


def test_question_tokens_are_not_counted_as_answers() -> None:
    assert Document([1, 2, 3, 4], 3).num_answer_tokens == 1
    assert Document([1, 2, 3, 4], 0).num_answer_tokens == 3, "nothing comes before the first token"
