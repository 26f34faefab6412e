"""Measure the usual recipe: transformers, peft and bitsandbytes, with the one repair without which nothing is 4-bit.

The base comes from the same loader as ours (its tensors are equal, and transformers' own takes half a minute); all
else is theirs: `prepare_model_for_kbit_training` with gradient checkpointing, `LoraConfig`, autocast, the full logits.
"""

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.train_ours import WARMUP_STEPS, Row, release, reset_peak, synchronize
from benchmarks.train_setting import Setting
from falcon.memory import GIB
from falcon.streaming import PROJECTIONS, stream_falcon
from trainer.packing import PADDING_ID
from trainer.tokens import Document

IGNORED_LABEL = -100
PEER_ROWS, PEER_WIDTH = 16, 512
Batch = dict[str, Tensor]


def prepare_peer(setting: Setting, *, precision: str, target_modules: Sequence[str] = PROJECTIONS) -> Any:
    """Return the recipe's model, ready to be trained."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training  # noqa: PLC0415 - slow

    release()
    base: Any = stream_falcon(setting.folder, precision, setting.device)
    if precision == "nf4":
        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=True)
    else:
        base.gradient_checkpointing_enable()
        base.enable_input_require_grads()
    lora = LoraConfig(
        r=16, lora_alpha=32, lora_dropout=0.05, target_modules=list(target_modules), bias="none", task_type="CAUSAL_LM"
    )
    return get_peft_model(base, lora).train()


def padded_batches(documents: Sequence[Document], *, rows: int) -> list[Batch]:
    """Return batches of `rows` documents, padded on the right to the longest of each."""
    return [_padded(documents[start : start + rows]) for start in range(0, len(documents) - rows + 1, rows)]


def filled_batches(documents: Sequence[Document]) -> list[Batch]:
    """Return batches without any padding: prompts strung together and cut, whatever document they belong to."""
    stream = torch.tensor([token for document in documents for token in document.input_ids])
    size = PEER_ROWS * PEER_WIDTH
    return [
        {"input_ids": rows, "attention_mask": torch.ones_like(rows), "labels": rows}
        for rows in stream[: len(stream) // size * size].view(-1, PEER_ROWS, PEER_WIDTH)
    ]


def _padded(documents: Sequence[Document]) -> Batch:
    width = max(map(len, documents))
    input_ids = torch.full((len(documents), width), PADDING_ID)
    labels = torch.full_like(input_ids, IGNORED_LABEL)
    mask = torch.zeros_like(input_ids)
    for row, document in enumerate(documents):
        tokens = torch.tensor(document.input_ids)
        input_ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
        labels[row, document.num_question_tokens : len(tokens)] = tokens[document.num_question_tokens :]
    return {"input_ids": input_ids, "attention_mask": mask, "labels": labels}


def measure_peer(model: Any, batches: Sequence[Batch], setting: Setting, *, accumulate: int = 1) -> Row:
    """Return the recipe's speed in real tokens, over optimizer steps of `accumulate` batches."""
    reset_peak()
    optimizer = _optimizer(model, setting)
    speeds, document_speeds, seconds = [], [], []
    num_steps = min(WARMUP_STEPS + setting.num_steps, len(batches) // accumulate)
    for number in range(num_steps):
        step = batches[number * accumulate : (number + 1) * accumulate]
        synchronize(setting.device)
        started = time.monotonic()
        _step(model, step, optimizer, setting)
        synchronize(setting.device)
        if number < WARMUP_STEPS:
            continue
        seconds.append(time.monotonic() - started)
        speeds.append(sum(int(batch["attention_mask"].sum()) for batch in step) / seconds[-1])
        document_speeds.append(sum(len(batch["input_ids"]) for batch in step) / seconds[-1])
    row: Row = {
        "tokens_per_second": round(statistics.median(speeds)),
        "documents_per_second": round(statistics.median(document_speeds), 2),
        "step_seconds": round(statistics.median(seconds), 4),
        "batch": f"{len(batches[0]['input_ids'])}x{batches[0]['input_ids'].shape[1]}",
    }
    if setting.device.type == "cuda":
        row["peak_gib"] = round(torch.cuda.max_memory_allocated() / GIB, 2)
    return row


def _step(model: Any, batches: Sequence[Batch], optimizer: torch.optim.Optimizer, setting: Setting) -> None:
    for batch in batches:
        moved = {name: tensor.to(setting.device, non_blocking=True) for name, tensor in batch.items()}
        with torch.autocast(setting.device.type, torch.bfloat16):
            loss = model(**moved, use_cache=False).loss
        (loss / len(batches)).backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _optimizer(model: Any, setting: Setting) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trained, lr=2e-4, fused=setting.device.type == "cuda")
