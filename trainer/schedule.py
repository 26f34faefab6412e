"""What each optimizer step learns from, at which learning rate, and with which random numbers: all of it by arithmetic.

Nothing here depends on what happened before, so a resumed run only has to know its step to go on to the bit. "Block"
means document numbers that are learned from together; it becomes one micro-batch, or several when memory is short.
"""

import hashlib
import math
from collections.abc import Sequence

import torch

from trainer.packing import plan_blocks, plan_single
from trainer.pretraining.pretrain import lr_factor
from trainer.train_config import LoopConfig, OptimizerConfig, TokenConfig, TrainConfig

Block = list[int]


def plan_steps(lengths: Sequence[int], config: TrainConfig) -> list[list[Block]]:
    """Return the blocks of each optimizer step; `lengths` are the documents' tokens.

    Each epoch has an order of its own. Steps run across the ends of epochs, and only the very last may be short.
    """
    blocks: list[Block] = []
    for epoch in range(math.ceil(config.loop.epochs)):
        whole = _epoch(lengths, config.tokens, config.loop, epoch)
        share = min(1.0, config.loop.epochs - epoch)
        blocks += whole[: max(1, round(share * len(whole)))]
    size = config.blocks_per_step
    steps = [blocks[start : start + size] for start in range(0, len(blocks), size)]
    return steps[: config.loop.max_steps]


def _epoch(lengths: Sequence[int], tokens: TokenConfig, loop: LoopConfig, epoch: int) -> list[Block]:
    generator = torch.Generator().manual_seed(derived_seed(loop.seed, epoch))
    if tokens.is_packed:
        return plan_blocks(lengths, tokens.block_tokens, generator)
    return plan_single(len(lengths), generator)


def learning_rate(step: int, num_steps: int, optimizer: OptimizerConfig) -> float:
    """Return the learning rate of `step`, counted from 0: linear warm-up, then a cosine down to the final share."""
    warmup = round(optimizer.warmup_share * num_steps)
    return optimizer.lr * lr_factor(step, total=num_steps, warmup=warmup, final=optimizer.final_lr_share)


def divide(block: Sequence[int], lengths: Sequence[int], num_parts: int) -> list[Block]:
    """Split a block into up to `num_parts` runs of documents with about equally many tokens each."""
    parts: list[Block] = [[]]
    limit = sum(lengths[number] for number in block) / num_parts
    filled = 0
    for number in block:
        if parts[-1] and filled + lengths[number] / 2 > limit * len(parts):
            parts.append([])
        parts[-1].append(number)
        filled += lengths[number]
    return parts


def derived_seed(*numbers: int) -> int:
    """Return a seed of 63 bits that differs for each sequence of numbers."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:8], "big") >> 1
