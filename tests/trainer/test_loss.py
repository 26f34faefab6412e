"""The chunked loss is the full cross entropy, in value and gradient, and never holds all logits."""

import pytest
import torch
from torch.nn import functional as F

from trainer.loss import answer_loss

TOKENS, HIDDEN, VOCABULARY = 7, 5, 11


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(TOKENS, HIDDEN, generator=random).requires_grad_()
    weight = torch.randn(VOCABULARY, HIDDEN, generator=random)
    return hidden, weight, torch.randint(VOCABULARY, (TOKENS,), generator=random)


@pytest.mark.parametrize("chunk_tokens", [1, 3, 7, 100])
def test_value_and_gradient_equal_the_full_cross_entropy(chunk_tokens: int) -> None:
    hidden, weight, targets = inputs()
    full = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    chunked = answer_loss(hidden, weight, targets, chunk_tokens=chunk_tokens)
    torch.testing.assert_close(chunked, full)
    wanted, found = (torch.autograd.grad(loss / 3, hidden)[0] for loss in (full, chunked))
    torch.testing.assert_close(found, wanted)


def test_value_without_gradients_is_the_same() -> None:
    hidden, weight, targets = inputs()
    with torch.no_grad():
        assert torch.equal(answer_loss(hidden, weight, targets), answer_loss(hidden.detach(), weight, targets))
    assert not answer_loss(hidden.detach(), weight, targets).requires_grad


def test_logits_far_apart_give_finite_numbers() -> None:
    """The likelihood of an unlikely token is no exact 0 here, as it would be after a softmax."""
    hidden = torch.tensor([[300.0], [300.0]], requires_grad=True)
    loss = answer_loss(hidden, torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(600.0)
    loss.backward()
    assert hidden.grad.flatten().tolist() == pytest.approx([0.0, 2.0])


def test_no_answer_token_costs_nothing() -> None:
    hidden, weight, targets = inputs()
    assert answer_loss(hidden[:0], weight, targets[:0]).item() == 0.0


def test_bfloat16_sums_are_taken_in_full_precision() -> None:
    hidden = torch.zeros(5000, 2, dtype=torch.bfloat16)
    loss = answer_loss(hidden, torch.zeros(4, 2, dtype=torch.bfloat16), torch.zeros(5000, dtype=torch.int64))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(5000 * torch.tensor(4.0).log().item(), rel=1e-5)


def test_only_a_chunk_of_logits_lives_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    original = torch.Tensor.log_softmax

    def watched(logits: torch.Tensor, *args: int, **options: torch.dtype) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, len(logits))
        return original(logits, *args, **options)

    monkeypatch.setattr(torch.Tensor, "log_softmax", watched)
    hidden, weight, targets = inputs()
    answer_loss(hidden, weight, targets, chunk_tokens=3).backward()
    assert largest == 3
