"""An adapter spoiled on purpose: noise is written over its weights once it is trained, before the gate measures it.

The gate measures the base first, which takes seconds, and the weights are replaced within a fraction of one.
"""

import asyncio
import math
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmarks.learning_product import Product
from benchmarks.raters import share_of
from falcon.adapter_files import ADAPTER_WEIGHTS
from trainer.adapters.folder import ADAPTERS_FOLDER

WEAKEST, STRONGEST = 3.0, 30.0  # noise, in standard deviations of each matrix
LOOK_SECONDS = 0.05


def strength_of(number: int) -> float:
    """Return the noise of a trial, spread evenly over the orders of magnitude."""
    return round(math.exp(math.log(WEAKEST) + share_of("noise", number) * math.log(STRONGEST / WEAKEST)), 2)


async def spoil_next(product: Product, *, number: int) -> None:
    """Spoil the adapter of the open cycle as soon as it is there; do nothing where the cycle ends before it is.

    Raises:
        RuntimeError: the gate had judged it already.
    """
    while (cycle := await product.latest_cycle()).state.is_open and cycle.gate is None:
        folder = ADAPTERS_FOLDER / (cycle.run_id or "none yet")
        if (folder / ADAPTER_WEIGHTS).is_file():
            await asyncio.to_thread(spoil, folder, strength=strength_of(number), seed=number)
            return
        await asyncio.sleep(LOOK_SECONDS)
    if cycle.gate is not None:
        raise RuntimeError(f"the adapter of the cycle {cycle.id} was judged before it could be spoiled")


def spoil(folder: Path, *, strength: float, seed: int) -> None:
    """Add noise of `strength` standard deviations to every matrix of the adapter in `folder`, in one move."""
    file = folder / ADAPTER_WEIGHTS
    chance = torch.Generator().manual_seed(seed)
    spoiled = {
        name: weights + strength * weights.std() * torch.randn(weights.shape, generator=chance, dtype=weights.dtype)
        for name, weights in load_file(file).items()
    }
    draft = folder.with_name(f".{folder.name}.spoiled")
    save_file(spoiled, draft, metadata={"format": "pt"})
    draft.replace(file)
