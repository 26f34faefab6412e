"""Does a GPU compute what the tests prove on a CPU? The fused attention and compiled kernels run nowhere else."""

from dataclasses import replace

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.nn import functional as F
from transformers import FalconConfig, FalconForCausalLM

from benchmarks.train_ours import Row
from falcon.packed_forward import packed_hidden_states
from falcon.streaming import PROJECTIONS
from trainer.loss import answer_loss
from trainer.packing import collate
from trainer.tokens import Document

LENGTHS = (60, 130, 7, 200, 33)


def check_device(device: torch.device) -> Row:
    """Return how far bf16 on `device` is from float32 on the CPU, and whether one document moves another."""
    exact, documents = _model(), _documents()
    nats, gradients = _learn(exact, documents, is_compiled=False)
    tried = _model().to(device, torch.bfloat16)
    row: Row = {"float32_nats_per_token": round(nats, 5)}
    for name, is_compiled in (("eager", False), ("compiled", True)):
        found, rounded = _learn(tried, documents, is_compiled=is_compiled)
        pairs = zip(rounded, gradients, strict=True)
        similarity = min(float(F.cosine_similarity(a.flatten(), b.flatten(), dim=0)) for a, b in pairs)
        row[f"{name}_nats_per_token"] = round(found, 5)
        row[f"{name}_least_gradient_cosine"] = round(similarity, 5)
    row["second_document_moved_by"] = _leak(tried, documents)
    return row


def _model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = FalconConfig(
        hidden_size=256, num_hidden_layers=3, num_attention_heads=4, vocab_size=1000, initializer_range=0.05
    )
    lora = LoraConfig(r=16, lora_alpha=32, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM")
    model = get_peft_model(FalconForCausalLM(config), lora)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def _documents() -> list[Document]:
    random = torch.Generator().manual_seed(1)
    return [Document(torch.randint(1000, (length,), generator=random).tolist(), 5) for length in LENGTHS]


def _learn(model: torch.nn.Module, documents: list[Document], *, is_compiled: bool) -> tuple[float, list[Tensor]]:
    """Return the mean nats and the gradient of each adapter matrix, on the CPU."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    batch = collate(documents, pad_to=512).to(trained[0].device)
    hidden = packed_hidden_states(model, batch, is_compiled=is_compiled)
    head = model.get_output_embeddings().weight  # type: ignore[operator]
    loss = answer_loss(hidden.index_select(0, batch.answer_positions), head, batch.answer_ids) / batch.num_answer_tokens
    return loss.item(), [gradient.float().cpu() for gradient in torch.autograd.grad(loss, trained)]


def _leak(model: torch.nn.Module, documents: list[Document]) -> float:
    """Return the largest change of later documents' hidden states when the first document becomes another."""
    device = next(model.parameters()).device
    others = [replace(documents[0], input_ids=documents[0].input_ids[::-1]), *documents[1:]]
    with torch.no_grad():
        before, after = (packed_hidden_states(model, collate(some).to(device)) for some in (documents, others))
    return float((before - after)[LENGTHS[0] :].abs().max())
