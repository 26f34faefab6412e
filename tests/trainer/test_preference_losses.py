"""Objectives are the papers' formulas, sums over examples, and do not depend on how a step is cut."""

import math

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from tests.trainer.judged_toy import JudgedToy, mixed_examples
from trainer.optimizer_step import Stepper
from trainer.preferences.anchor import anchored_nats
from trainer.preferences.examples import PreferredDocument, RatedDocument
from trainer.preferences.losses import dpo_loss, kto_loss, objective_loss
from trainer.preferences.reference import with_references
from trainer.tokens import Document, Example
from trainer.train_config import ObjectiveSettings, OptimizerConfig

OBJECTIVE = ObjectiveSettings(
    kind="kto",
    beta=0.3,
    desirable_weight=1.5,
    undesirable_weight=0.5,
    preference_weight=2.0,
    supervised_weight=0.25,
)
SOME = Document([1, 2, 3, 4], 2)


def rated(*, is_liked: bool, reference_nats: float, weight: float = 1.0) -> RatedDocument:
    return RatedDocument(
        document=SOME, is_liked=is_liked, usual_tokens=10.0, reference_nats=reference_nats, weight=weight
    )


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_kto_is_the_papers_value_function_around_zero() -> None:
    rewards = torch.tensor([2.0, 2.0, -1.0, -1.0])
    found = kto_loss(rewards, torch.tensor([True, False, True, False]), OBJECTIVE)
    wanted = [
        1.5 * (1 - sigmoid(0.6)),
        0.5 * (1 - sigmoid(-0.6)),
        1.5 * (1 - sigmoid(-0.3)),
        0.5 * (1 - sigmoid(0.3)),
    ]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


def test_dpo_is_the_logistic_loss_of_the_margin() -> None:
    found = dpo_loss(torch.tensor([0.0, 4.0, -4.0]), 0.5)
    np.testing.assert_allclose(
        found.numpy(), [math.log(2), math.log1p(math.exp(-2)), math.log1p(math.exp(2))], rtol=1e-6
    )


# Log-probabilities of whole answers, and what TRL 0.24.0 makes of them: `KTOTrainer.kto_loss` with
# loss_type="apo_zero_unpaired" and `DPOTrainer.dpo_loss` with loss_type="sigmoid", in float64. TRL 1.16.0 has the same
# formulas within its trainers.
CHOSEN, CHOSEN_BASE = [-12.5, -40.0, -7.25, -90.0], [-14.0, -39.0, -7.25, -60.0]
REJECTED, REJECTED_BASE = [-11.0, -24.5, -8.0, -70.0], [-13.5, -25.5, -4.0, -30.0]
TRL_KTO = [  # beta 0.1, desirable weight 1.33, undesirable weight 0.8
    *(0.615218305693, 0.698222319347, 0.665, 1.26692358867),
    *(0.449741200709, 0.419983349983, 0.32104987191, 0.0143889679697),
]
TRL_KTO_SLOPES = [
    *(-0.0330636678881, -0.0331670133457, -0.03325, -0.00600849574421),
    *(0.019690726619, 0.0199500832154, 0.0192208596593, 0.00141301649706),
]
TRL_DPO = [0.854355244469, 1.03748795049, 0.263282467338, 0.0485873515737]  # beta 0.3
# By the chosen answer's log-probability.
TRL_DPO_SLOPES = [-0.172332755043, -0.193696891868, -0.0694425649503, -0.0142277619533]


def growth(model: list[float], base: list[float]) -> torch.Tensor:
    return torch.tensor(model, dtype=torch.float64) - torch.tensor(base, dtype=torch.float64)


def test_kto_and_its_slope_are_trls_with_a_reference_point_of_zero() -> None:
    objective = ObjectiveSettings(kind="kto", beta=0.1, desirable_weight=1.33, undesirable_weight=0.8)
    rewards = torch.cat([growth(CHOSEN, CHOSEN_BASE), growth(REJECTED, REJECTED_BASE)]).requires_grad_()
    found = kto_loss(rewards, torch.tensor([True] * 4 + [False] * 4), objective)
    found.sum().backward()
    assert rewards.grad is not None
    np.testing.assert_allclose(found.detach().numpy(), TRL_KTO, rtol=1e-7)
    np.testing.assert_allclose(rewards.grad.numpy(), TRL_KTO_SLOPES, rtol=1e-7)


def test_dpo_and_its_slope_are_trls() -> None:
    margins = (growth(CHOSEN, CHOSEN_BASE) - growth(REJECTED, REJECTED_BASE)).requires_grad_()
    found = dpo_loss(margins, 0.3)
    found.sum().backward()
    assert margins.grad is not None
    np.testing.assert_allclose(found.detach().numpy(), TRL_DPO, rtol=1e-7)
    np.testing.assert_allclose(margins.grad.numpy(), TRL_DPO_SLOPES, rtol=1e-7)


def test_each_example_adds_its_own_term() -> None:
    preferred = PreferredDocument(chosen=SOME, rejected=SOME, usual_tokens=10.0, reference_margin=1.0, weight=2.0)
    examples: list[Example] = [
        Document([1, 2, 3], 1, weight=3.0),
        rated(is_liked=True, reference_nats=5.0),
        preferred,
        rated(is_liked=False, reference_nats=5.0, weight=0.5),
    ]
    nats = torch.tensor([7.0, 4.0, 2.0, 6.0, 4.0], dtype=torch.float64)
    found = float(objective_loss(examples, nats, OBJECTIVE))
    plain = 3 * 7.0
    liked = 2 * 10 * 1.5 * (1 - sigmoid(0.3 * 1))
    chosen = 0.25 * 2 * 2.0 + 2 * 2 * 10 * math.log1p(math.exp(-0.3 * (6 - 2 - 1)))
    disliked = 2 * 0.5 * 10 * 0.5 * (1 - sigmoid(-0.3 * 1))
    assert found == pytest.approx(plain + liked + chosen + disliked)


def test_what_is_liked_becomes_likelier_and_what_is_disliked_less_so() -> None:
    nats = torch.tensor([5.0, 5.0], requires_grad=True)
    examples = [rated(is_liked=True, reference_nats=5.0), rated(is_liked=False, reference_nats=5.0)]
    objective_loss(examples, nats, ObjectiveSettings(kind="kto", supervised_weight=0.0)).backward()
    assert nats.grad is not None
    assert nats.grad[0] > 0 > nats.grad[1]


def test_opinion_counts_the_same_however_long_its_answer_is() -> None:
    short, long = (Document([1] * size, 2) for size in (4, 40))
    one, other = (RatedDocument(document=some, is_liked=True, usual_tokens=9.0, weight=2.0) for some in (short, long))
    assert one.num_counted == other.num_counted == 18.0
    assert (len(one), len(other)) == (4, 40)


def steps(*, num_parts: int, blocks: list[list[int]] | None = None, share: float = 0.0) -> dict[str, torch.Tensor]:
    learner = JudgedToy(OBJECTIVE, share=share)
    examples = with_references(mixed_examples(), learner, block_tokens=64)
    config = OptimizerConfig(lr=0.05)
    stepper = Stepper(learner, examples, config, accelerator=Accelerator(cpu=True), seed=0, num_parts=num_parts)
    for number in range(3):
        result = stepper.step(blocks or [list(range(14))], number=number, lr=0.05)
        assert result.is_applied
    return learner.weights()


@pytest.mark.parametrize("num_parts", [2, 3, 14])
def test_cutting_a_step_into_micro_batches_does_not_change_what_opinions_teach(num_parts: int) -> None:
    whole, cut = steps(num_parts=1), steps(num_parts=num_parts)
    for name, weight in whole.items():
        torch.testing.assert_close(cut[name], weight, rtol=1e-9, atol=1e-12)
    reordered = steps(num_parts=1, blocks=[[13, 3, 8, 0], [12, 9, 1, 2, 10], [4, 5, 6, 7, 11]])
    for name, weight in whole.items():
        torch.testing.assert_close(reordered[name], weight, rtol=1e-9, atol=1e-12)


def test_weight_of_two_teaches_as_much_as_two_documents() -> None:
    def learned(examples: list[Example]) -> dict[str, torch.Tensor]:
        learner = JudgedToy(OBJECTIVE)
        stepper = Stepper(
            learner, examples, OptimizerConfig(lr=0.05), accelerator=Accelerator(cpu=True), seed=0, num_parts=1
        )
        stepper.step([list(range(len(examples)))], number=0, lr=0.05)
        return learner.weights()

    twice = Document([1, 2, 3, 5], 2)
    weighed = Document([1, 2, 3, 5], 2, weight=2.0)
    alike = zip(learned([SOME, twice, twice]).values(), learned([SOME, weighed]).values(), strict=True)
    for one, other in alike:
        torch.testing.assert_close(one, other)


def test_anchored_nats_are_the_cross_entropy_with_the_base_in_chunks_of_any_size() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, base_hidden = (torch.randn(7, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    head = torch.randn(11, 5, generator=generator, dtype=torch.float64)
    slow = hidden.clone().requires_grad_()
    wanted = -((base_hidden @ head.T).softmax(-1) * (slow @ head.T).log_softmax(-1)).sum(-1)
    weights = torch.arange(1.0, 8.0)
    (wanted * weights).sum().backward()
    for chunk_tokens in (1, 3, 100):
        fast = hidden.clone().requires_grad_()
        found = anchored_nats(fast, base_hidden, head, chunk_tokens=chunk_tokens)
        torch.testing.assert_close(found, wanted.detach().float())
        (found * weights).sum().backward()
        torch.testing.assert_close(fast.grad, slow.grad, rtol=1e-5, atol=1e-5)


def test_anchored_nats_do_not_pull_a_model_that_is_at_the_base() -> None:
    hidden = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    anchored_nats(hidden, hidden.detach().clone(), torch.randn(9, 5)).sum().backward()
    assert hidden.grad is not None
    torch.testing.assert_close(hidden.grad, torch.zeros_like(hidden), atol=1e-6, rtol=0)
