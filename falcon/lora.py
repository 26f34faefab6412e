"""Read a LoRA adapter's folder into plain tensors, one pair for each projection that it adapts.

It knows peft's file layout, and neither peft nor the engine's layout. Shapes: I and O a projection's input and output
width, R the adapter's rank.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from core.errors import ModelError
from falcon.adapter_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS

PROJECTIONS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
_NAME = re.compile(r"\.h\.(\d+)\.(?:self_attention|mlp)\.(\w+)\.lora_([AB])\.weight$")
# What would change the arithmetic beyond B A x, each with the value that does not.
_PLAIN = {"use_dora": False, "bias": "none", "rank_pattern": {}, "alpha_pattern": {}, "modules_to_save": None}


@dataclass(frozen=True, slots=True)
class LoraPair:
    """A (R, I), and B (O, R) with the adapter's scale in it."""

    a: Tensor
    b: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """An adapter: `pairs[layer, projection]`, absent where nothing is adapted, and the rank of all pairs."""

    rank: int
    pairs: dict[tuple[int, str], LoraPair]


def read_lora(folder: Path) -> Lora:
    """Read the adapter in `folder`; its tensors are float32.

    Raises:
        ModelError: a file is missing or damaged, or the adapter is of a kind that the engine does not compute.
    """
    config, tensors = _read_files(folder)
    start = config.get("init_lora_weights", True)
    if start not in (True, False, "gaussian"):  # these change the base's weights as well
        raise ModelError(f"The adapter {folder} has init_lora_weights = {start}, which the engine does not compute.")
    for name, plain in _PLAIN.items():
        if config.get(name, plain) not in (plain, None):
            raise ModelError(f"The adapter {folder} has {name} = {config[name]}, which the engine does not compute.")
    rank = config["r"]
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    halves: dict[tuple[int, str], dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = _NAME.search(name)
        if match is None or match[2] not in PROJECTIONS:
            raise ModelError(f"The adapter {folder} has a tensor {name} that belongs to no projection of Falcon.")
        halves.setdefault((int(match[1]), match[2]), {})[match[3]] = tensor.float()
    pairs = {place: LoraPair(half["A"], half["B"] * scale) for place, half in halves.items() if len(half) == 2}
    if len(pairs) != len(halves) or not pairs:
        raise ModelError(f"The adapter {folder} is not whole: {len(halves) - len(pairs)} pairs of A and B miss one.")
    for (layer, projection), pair in pairs.items():
        _check_pair(pair, rank, f"The adapter {folder} is damaged: {projection} of layer {layer}")
    return Lora(rank=rank, pairs=pairs)


def _check_pair(pair: LoraPair, rank: int, beginning: str) -> None:
    shapes = [tuple(tensor.shape) for tensor in (pair.a, pair.b)]
    if pair.a.dim() != 2 or pair.b.dim() != 2 or (pair.a.shape[0], pair.b.shape[1]) != (rank, rank):
        raise ModelError(f"{beginning} has shapes {shapes[0]} and {shapes[1]}, not of rank {rank}; copy it again.")
    # Rows share products with all adapters, and a NaN times the zero of those that do not use it is one again.
    if not all(bool(tensor.isfinite().all()) for tensor in (pair.a, pair.b)):
        raise ModelError(f"{beginning} has weights that are no numbers; train it again.")


def _read_files(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"The adapter folder {folder} has no {name}; only safetensors adapters are loaded.")
    try:
        config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        _check_config(config)
        return config, load_file(folder / ADAPTER_WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"The adapter {folder} cannot be read: {error}; copy it again.") from error


def _check_config(config: Any) -> None:
    """Raise ValueError where what `read_lora` needs is not there."""
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise ValueError(f"{ADAPTER_CONFIG} does not say peft_type LORA")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise ValueError(f"r is {rank} and lora_alpha {alpha}, and both have to be numbers")
