"""What one training fits into memory: which precision, whether to checkpoint, and how many tokens a micro-batch has.

Pure but for the reading of free memory. Sizes are in bytes; the terms follow what falcon/parallel_block.py keeps.
Letters: E hidden size, F width of the MLP, V vocabulary, H heads, D head size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from core.errors import NotEnoughMemory
from core.settings import Precision
from falcon.memory import GIB, free_bytes
from trainer.loss import CHUNK_TOKENS
from trainer.train_config import FALCON_PROJECTIONS, LoraSettings, MemoryConfig

BYTES_PER_WEIGHT = {"fp32": 4.0, "bf16": 2.0, "nf4": 0.5 + 1 / 64 + 4 / (64 * 256)}  # 4 bits, and scales of scales
BYTES_PER_ADAPTER_PARAMETER = 20  # fp32: itself, its gradient, AdamW's two moments, and one copy while clipping
SLACK = 1.06  # what the allocator cannot use
MIN_BLOCK_TOKENS = 256
MIN_EFFICIENT_TOKENS = 4096  # below it dequantising and small matrix products cost more than checkpointing does


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """What was chosen, and one sentence that says why."""

    precision: str
    is_checkpointed: bool
    block_tokens: int
    needed_bytes: int
    reason: str


def plan_memory(
    config: Any, *, lora: LoraSettings, memory: MemoryConfig, block_tokens: int, device: torch.device
) -> MemoryPlan:
    """Choose by what is free on `device` now; see `choose_plan`. `config` is a `FalconConfig`."""
    free = usable_bytes(device)
    return choose_plan(config, lora, memory, block_tokens=block_tokens, free=free, device_type=device.type)


def usable_bytes(device: torch.device) -> int:
    """Return what this process may still take on `device`: what is free, within the allocator's own cap."""
    free = free_bytes(device)
    if device.type != "cuda":
        return free
    total = torch.cuda.mem_get_info(device)[1]
    index = torch.cuda.current_device() if device.index is None else device.index
    cap = torch.cuda.get_per_process_memory_fraction(index) * total
    return int(min(free + torch.cuda.memory_reserved(device), cap) - torch.cuda.memory_allocated(device))


def choose_plan(
    config: Any, lora: LoraSettings, memory: MemoryConfig, *, block_tokens: int, free: int, device_type: str
) -> MemoryPlan:
    """Return the first plan that fits, from the fastest and most exact down to the smallest.

    bf16 comes before NF4, which trains the adapter against rounded weights. Smaller blocks come before checkpointing,
    as long as they are not too small to use the device well; the last resort is both.

    Raises:
        NotEnoughMemory: nothing fits; the message says how much the smallest plan needs.
    """
    needed = 0
    first = ""
    for precision, is_checkpointed, tokens in _choices(memory, block_tokens, device_type):
        needed = needed_bytes(config, lora, precision=precision, is_checkpointed=is_checkpointed, block_tokens=tokens)
        words = f"{precision}{' with checkpointing' if is_checkpointed else ''} at {tokens} tokens a block"
        first = first or f"{words} would need {needed / GIB:.1f}"
        if needed <= free:
            why = "" if first.startswith(words) else f"; {first}"
            reason = f"{words}: needs about {needed / GIB:.1f} GiB of {free / GIB:.1f} free{why}."
            return MemoryPlan(
                precision=precision,
                is_checkpointed=is_checkpointed,
                block_tokens=tokens,
                needed_bytes=needed,
                reason=reason,
            )
    raise NotEnoughMemory(
        f"Training needs {needed / GIB:.1f} GiB in its smallest form, and {free / GIB:.1f} GiB are free; free some "
        "memory, lower max_document_tokens or r, or set MODEL_ID=models/pocket."
    )


def smallest_bytes(
    config: Any, lora: LoraSettings, memory: MemoryConfig, *, block_tokens: int, device_type: str
) -> int:
    """Return what training needs in its smallest form."""
    return min(
        needed_bytes(config, lora, precision=precision, is_checkpointed=is_checkpointed, block_tokens=tokens)
        for precision, is_checkpointed, tokens in _choices(memory, block_tokens, device_type)
    )


def _choices(memory: MemoryConfig, block_tokens: int, device_type: str) -> Iterator[tuple[str, bool, int]]:
    """Yield (precision, is checkpointed, tokens of a block), the best first."""
    precisions = _precisions(memory.precision, device_type)
    switches = {"auto": (False, True), "on": (True,), "off": (False,)}[memory.checkpointing]
    for precision, is_checkpointed in product(precisions, switches):
        is_last = (precision, is_checkpointed) == (precisions[-1], switches[-1])
        tokens, least = block_tokens, MIN_BLOCK_TOKENS if is_last else MIN_EFFICIENT_TOKENS
        while tokens == block_tokens or tokens >= least:
            yield precision, is_checkpointed, tokens
            tokens //= 2


def _precisions(asked: Precision, device_type: str) -> tuple[str, ...]:
    if asked != "auto":
        return (asked,)
    return ("bf16", "nf4") if device_type == "cuda" else ("fp32",)


def needed_bytes(config: Any, lora: LoraSettings, *, precision: str, is_checkpointed: bool, block_tokens: int) -> int:
    """Return what training takes at its peak, the CUDA context apart."""
    size = 4 if precision == "fp32" else 2  # of an activation
    matrices = _matrices(config)
    layers, hidden, vocabulary = config.num_hidden_layers, config.hidden_size, config.vocab_size
    weights = layers * sum(matrices.values()) * BYTES_PER_WEIGHT[precision] + vocabulary * hidden * size
    unpacked = max(matrices.values()) * size if precision == "nf4" else 0
    adapters = adapter_parameters(config, lora) * BYTES_PER_ADAPTER_PARAMETER
    head = hidden // config.num_attention_heads
    kept = size * (3 * hidden + 2 * head + config.ffn_hidden_size + 4 * lora.r)  # of a token in a block
    kept += 4 * config.num_attention_heads  # attention's sums
    between = size * hidden  # x, which a checkpointed block keeps alone
    passing = size * (3 * config.ffn_hidden_size + 6 * hidden)  # gradients and what backward computes anew
    blocks = layers * between + kept if is_checkpointed else layers * kept
    logits = min(CHUNK_TOKENS, block_tokens) * vocabulary * (8 + 2 * size)  # float32 twice, and as they are computed
    activations = block_tokens * blocks + max(block_tokens * passing, logits)  # the loss is done when backward begins
    return int((weights + unpacked + adapters + activations) * SLACK)


def adapter_parameters(config: Any, lora: LoraSettings) -> int:
    """Return how many parameters are trained."""
    hidden, up = config.hidden_size, config.ffn_hidden_size
    heads = hidden + 2 * (hidden // config.num_attention_heads)
    widths = {
        "query_key_value": hidden + heads,
        "dense": 2 * hidden,
        "dense_h_to_4h": hidden + up,
        "dense_4h_to_h": up + hidden,
    }
    targets = lora.target_modules or FALCON_PROJECTIONS
    return int(config.num_hidden_layers * lora.r * sum(widths[name] for name in targets))


def _matrices(config: Any) -> dict[str, int]:
    """Return the number of weights of each projection of a layer."""
    hidden, up = config.hidden_size, config.ffn_hidden_size
    heads = hidden + 2 * (hidden // config.num_attention_heads)
    return {
        "query_key_value": hidden * heads,
        "dense": hidden * hidden,
        "dense_h_to_4h": hidden * up,
        "dense_4h_to_h": up * hidden,
    }
