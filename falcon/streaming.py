"""Load a Falcon for training by streaming its safetensors to the device, one tensor at a time.

NF4 is quantised tensor by tensor on the device itself, by bitsandbytes' own code, so a 7B model is there in seconds and
never needs more than its quantised size and one matrix. What comes out is an ordinary `FalconForCausalLM`; its numbers
equal those of transformers' own loading.
"""

import json
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoConfig, FalconForCausalLM
from transformers.models.falcon.modeling_falcon import FalconRotaryEmbedding

from core.errors import ModelError, NotEnoughMemory
from falcon.loading import require_four_bit
from falcon.memory import is_out_of_memory

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "nf4": torch.bfloat16}  # what is computed in
PROJECTIONS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
_AHEAD = 4  # tensors that are read while one is being moved and quantised
_INDEX = "model.safetensors.index.json"


def stream_falcon(folder: Path, precision: str, device: torch.device) -> FalconForCausalLM:
    """Return the frozen Falcon in `folder` on `device`, in `fp32`, `bf16`, or `nf4` with double quantisation.

    Raises:
        ModelError: the folder holds no whole Falcon, a file is damaged, or a projection is not really 4-bit.
        NotEnoughMemory: it does not fit on the device.
    """
    try:
        model = _skeleton(folder, precision)
        wanted = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        for name, tensor in _read_ahead(folder, wanted, is_pinned=device.type == "cuda"):
            _place(model, name, tensor, DTYPES[precision], device)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(f"The weights in {folder} cannot be read: {error}; fetch the model again.") from error
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise NotEnoughMemory(f"Memory ran out while {folder} was loaded in {precision}; free some.") from error
        raise
    return _finished(model, folder, precision, device)


def _skeleton(folder: Path, precision: str) -> FalconForCausalLM:
    """Return the model without storage; with NF4 its projections are bitsandbytes' already."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if config.model_type != "falcon":
        raise ModelError(f"{folder} holds a {config.model_type} model; training takes Falcon models only.")
    with torch.device("meta"):
        model = FalconForCausalLM(config)
        if precision == "nf4":
            for parent, name in _projections(model):
                setattr(parent, name, _four_bit_linear(getattr(parent, name)))
    return model


def _projections(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return each projection as its parent module and its name there."""
    return [(parent, name) for parent in model.modules() for name in PROJECTIONS if name in parent._modules]


def _four_bit_linear(linear: nn.Linear) -> nn.Module:
    from bitsandbytes.nn.modules import Linear4bit  # noqa: PLC0415 - only NF4 needs it

    replacement: nn.Module = Linear4bit(
        linear.in_features, linear.out_features, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4"
    )
    return replacement


def _read_ahead(folder: Path, names: Collection[str], *, is_pinned: bool) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor that is in `names`, while threads read the next few."""
    with ThreadPoolExecutor(_AHEAD) as readers:
        places = iter([place for place in _places(folder) if place[1] in names])
        waiting: list[tuple[str, Future[Tensor]]] = []
        while True:
            for file, name in islice(places, _AHEAD - len(waiting)):
                waiting.append((name, readers.submit(_read, file, name, is_pinned=is_pinned)))
            if not waiting:
                return
            name, tensor = waiting.pop(0)
            yield name, tensor.result()


def _places(folder: Path) -> list[tuple[Path, str]]:
    """Return the file of each tensor, in the order in which they lie there."""
    index = folder / _INDEX
    if index.is_file():
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        files = [folder / name for name in sorted(names)]
    else:
        files = sorted(folder.glob("*.safetensors"))
    found = []
    for file in files:
        with safe_open(file, framework="pt") as weights:
            found += [(file, name) for name in weights.offset_keys()]
    return found


def _read(file: Path, name: str, *, is_pinned: bool) -> Tensor:
    with safe_open(file, framework="pt") as weights:
        tensor: Tensor = weights.get_tensor(name)
    return tensor.pin_memory() if is_pinned else tensor


def _place(model: nn.Module, name: str, tensor: Tensor, dtype: torch.dtype, device: torch.device) -> None:
    """Put one tensor where its name says, on the device and in the precision that is wanted."""
    parent_name, _, own_name = name.rpartition(".")
    parent = model.get_submodule(parent_name)
    moved = tensor.to(device, non_blocking=True).to(dtype)
    parameter = nn.Parameter(moved, requires_grad=False)
    old: Any = getattr(parent, own_name)
    if type(old) is not nn.Parameter:
        parameter = type(old)(moved, requires_grad=False, quant_type="nf4", module=parent).to(device)
    if old.shape != tensor.shape:
        raise ModelError(f"{name} is {tuple(tensor.shape)}, and config.json says {tuple(old.shape)}.")
    setattr(parent, own_name, parameter)


def _finished(model: FalconForCausalLM, folder: Path, precision: str, device: torch.device) -> FalconForCausalLM:
    model.tie_weights()
    missing = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if missing:
        raise ModelError(f"The weights in {folder} are not whole: {missing[0]} is missing; fetch the model again.")
    model.transformer.rotary_emb = FalconRotaryEmbedding(config=model.config).to(device)
    if precision == "nf4":
        require_four_bit(model)
        setattr(model, "is_loaded_in_4bit", True)  # noqa: B010 - tells peft to adapt the 4-bit layers as such
    model.eval()
    return model
