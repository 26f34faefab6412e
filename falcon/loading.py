"""Load a base model, its tokenizer and an optional LoRA adapter, in the precision that was asked for.

Remote code is never run and pickled weights are never read. NF4 is checked after loading, because transformers leaves
Falcon's layers unquantised without a word (its `FalconLinear` is not exactly `nn.Linear`).
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedTokenizerBase,
)
from transformers.models.falcon import modeling_falcon
from transformers.utils import logging as transformers_logging

from core.errors import ModelError, NotEnoughMemory
from core.logs import get_logger
from core.machine import num_usable_cores
from core.records import ModelInfo
from core.settings import Settings
from falcon.adapter_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from falcon.base_identity import require_same_base
from falcon.memory import ModelSize, is_out_of_memory, plan_precision
from falcon.source import base_name, choose_base, locate

log = get_logger(__name__)
PROJECTIONS_PER_LAYER = 4  # query_key_value, dense, dense_h_to_4h, dense_4h_to_h


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A causal language model in evaluation mode with its tokenizer and what it is called."""

    model: Any
    tokenizer: PreTrainedTokenizerBase
    info: ModelInfo


def load_model(settings: Settings) -> LoadedModel:
    """Load what the settings name onto the GPU, or the CPU where there is none.

    Raises:
        ModelError: the folder, id, adapter or tokenizer cannot be used, the adapter was trained on another base, or NF4
            was asked for and is not really 4-bit.
        NotEnoughMemory: it does not fit.
        HubUnreachable: it has to be downloaded and cannot be.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    leave_a_core_free()
    base = choose_base(settings.model_id)
    folder = locate(base, settings.model_revision)
    if settings.adapter is not None:
        require_same_base(settings.adapter, base, folder)
    size = measure(folder)
    precision = plan_precision(settings.precision, size, device)
    tokenizer = load_tokenizer(folder)
    model = load_base(folder, precision, device)
    if settings.adapter is not None:
        model = attach_adapter(model, settings.adapter, is_merged=precision != "nf4")
    model.eval()
    adapter = settings.adapter.name if settings.adapter else None
    info = ModelInfo(base=base_name(base), adapter=adapter, precision=precision, device=device.type)
    log.info("model.loaded", base=info.base, adapter=adapter, precision=precision, device=device.type)
    return LoadedModel(model, tokenizer, info)


def leave_a_core_free() -> None:
    """Let torch compute on one core less than there are, unless OMP_NUM_THREADS says otherwise.

    Every layer waits for its slowest thread: on a full machine one busy core made an answer ten times slower.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, min(torch.get_num_threads(), num_usable_cores() - 1)))


def measure(folder: Path) -> ModelSize:
    """Count a model's parameters from its configuration, without reading its weights.

    Raises:
        ModelError: the configuration cannot be read or names no causal language model of the installed library.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:
        raise ModelError(f"{folder / 'config.json'} names no model that can be loaded: {_reason(error)}.") from error
    embeddings = model.get_input_embeddings().weight.numel()
    return ModelSize(sum(parameter.numel() for parameter in model.parameters()), embeddings)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer that has an end-of-sequence token and pads on the left, as decoding needs.

    Raises:
        ModelError: there is none, or it knows no end of sequence.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:
        raise ModelError(f"{folder} has no tokenizer that can be loaded: {_reason(error)}.") from error
    if tokenizer.eos_token_id is None:
        raise ModelError(f"The tokenizer in {folder} has no eos_token, so answers would never end; add one.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def load_base(folder: Path, precision: str, device: torch.device) -> nn.Module:
    """Load the weights in `precision` (`fp32`, `bf16` or `nf4`) onto `device`.

    Raises:
        ModelError: the weights are damaged or not whole, or NF4 loading left layers unquantised.
        NotEnoughMemory: memory ran out on the way.
    """
    options: dict[str, Any] = {"dtype": torch.float32 if precision == "fp32" else torch.bfloat16}
    if precision == "nf4":
        # transformers replaces only exact nn.Linear modules; Falcon's own subclass computes the same.
        setattr(modeling_falcon, "FalconLinear", nn.Linear)  # noqa: B010 - mypy would see a type assigned to
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    transformers_logging.disable_progress_bar()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, with their names
            trust_remote_code=False,
            use_safetensors=True,
            device_map={"": device},
            attn_implementation="sdpa",
            **options,
        )
    except Exception as error:
        if is_out_of_memory(error):
            raise NotEnoughMemory(
                f"Memory ran out while {folder} was loaded in {precision}; free some, or set MODEL_ID=models/pocket."
            ) from error
        raise ModelError(f"The weights in {folder} cannot be loaded: {_reason(error)}.") from error
    model: nn.Module = loaded[0]
    _require_whole(loaded[1], folder)
    if precision == "nf4":
        require_four_bit(model)
    return model


def _require_whole(report: Mapping[str, Any], folder: Path) -> None:
    """Refuse weights that lack tensors or hold them in other shapes; transformers would draw them at random."""
    wrong = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    if wrong:
        raise ModelError(
            f"The weights in {folder} do not fit its config.json: {_counted(wrong)} missing or of another shape; fetch "
            "the whole model again."
        )


def count_four_bit(model: nn.Module) -> int:
    """Return the number of modules whose weights bitsandbytes holds in 4 bits."""
    from bitsandbytes.nn.modules import Linear4bit  # noqa: PLC0415 - slow to import, and absent where it is not supported

    return sum(isinstance(module, Linear4bit) for module in model.modules())


def require_four_bit(model: Any) -> None:
    """Check that every projection of every layer is really 4-bit.

    Raises:
        ModelError: some are not; the message counts them.
    """
    expected = PROJECTIONS_PER_LAYER * model.config.num_hidden_layers
    found = count_four_bit(model)
    if found != expected:
        raise ModelError(
            f"PRECISION=nf4 quantised {found} of {expected} projections, so the model would need far more memory than "
            "4-bit does; install the pinned versions of transformers and bitsandbytes, or set PRECISION=bf16."
        )


def attach_adapter(model: nn.Module, folder: Path, *, is_merged: bool) -> nn.Module:
    """Put a LoRA adapter on `model`, merged into its weights when `is_merged`.

    Raises:
        ModelError: the folder is no safetensors adapter, or it does not fit the base model in every tensor.
    """
    from peft import PeftModel, get_peft_model_state_dict  # noqa: PLC0415 - slow, and most starts have no adapter

    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"The adapter folder {folder} has no {name}; only safetensors adapters are loaded.")
    try:
        with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as weights:
            saved = set(weights.keys())
        adapted = PeftModel.from_pretrained(model, folder, is_trainable=False)
    except Exception as error:
        if is_out_of_memory(error):
            raise NotEnoughMemory(f"Memory ran out while the adapter {folder} was loaded; free some.") from error
        raise ModelError(f"The adapter {folder} does not fit the base model: {_reason(error)}.") from error
    # peft loads what matches and is content; such an adapter would be half of what was trained.
    if unmatched := saved.symmetric_difference(get_peft_model_state_dict(adapted, save_embedding_layers=False)):
        raise ModelError(f"The adapter {folder} does not fit the base model: no match for {_counted(unmatched)}.")
    result: nn.Module = adapted.merge_and_unload() if is_merged else adapted
    return result


def _counted(names: Collection[str]) -> str:
    return f"{len(names)} tensor{'s' * (len(names) > 1)} ({min(names)})"


def _reason(error: Exception) -> str:
    """Return the first line of a message, and the second where the first only announces it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1]).rstrip(".,:!")
