"""Builds what the decoding benchmarks run: a random Falcon on the device itself, its quantised forms, and engines.

Speed does not depend on the weights' values, so random ones serve, and nothing is written or read. Peers and engines
have weights of their own with the same values, since joining or packing weights takes them from their modules.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import FalconConfig, FalconForCausalLM
from transformers.models.falcon.modeling_falcon import FalconRotaryEmbedding

from benchmarks.train_setting import SHAPES
from falcon.beam_search import SearchSettings
from falcon.engine import Engine
from falcon.joined_weights import JoinedWeights, join_weights
from falcon.lora import PROJECTIONS
from falcon.packed_matrices import quantise_int8
from falcon.prompt_texts import MAX_PROMPT_TOKENS
from falcon.resident_adapters import ResidentAdapters
from falcon.row_model import RowModel, RowOperations
from falcon.row_operations import TorchOperations
from falcon.search_rules import RuleSettings
from falcon.serving import MAX_ADAPTER_RANK, NUM_ADAPTER_SLOTS, operations_for, runner_for, seats_for
from falcon.token_memory import MemoryShape, TokenMemory

EOS = 11  # Falcon's
NUM_BEAMS = 5
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured, on what, and how thoroughly; `data` is the folder of prompts and tokenizer."""

    shape: str
    data: Path
    device: torch.device
    is_quick: bool

    @property
    def num_new_tokens(self) -> int:
        return 12 if self.is_quick else 64

    @property
    def num_repeats(self) -> int:
        return 2 if self.is_quick else 7

    @property
    def num_seats(self) -> int:
        """Requests inside the engine at once."""
        return 8 if self.is_quick else 128

    def batches(self, *sizes: int) -> tuple[int, ...]:
        """Return the numbers of requests to measure: `sizes`, or small ones when it has to be quick."""
        return tuple(sorted({min(size, self.num_seats) for size in sizes}))


class Models:
    """Models and engines of one setting, each made when it is first wanted and kept for the parts after it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._made: dict[tuple[str, str], Any] = {}

    def peer(self, precision: str) -> FalconForCausalLM:
        """Return the model as transformers runs it, in `bf16` or `nf4`."""
        made: FalconForCausalLM = self._once("peer", precision, lambda: random_falcon(self.setting, precision))
        return made

    def weights(self, precision: str) -> JoinedWeights:
        """Return the same weights as the engine runs them, in `bf16`, `nf4` or `int8`."""
        made: JoinedWeights = self._once("weights", precision, lambda: self._weights(precision))
        return made

    def engine(self, precision: str) -> Engine:
        """Return an engine of 5 beams on them, prepared."""
        made: Engine = self._once("engine", precision, lambda: build_engine(self.weights(precision), self.setting))
        return made

    def release(self) -> None:
        """Forget everything and give its memory back."""
        self._made.clear()
        release()

    def _weights(self, precision: str) -> JoinedWeights:
        if precision == "int8":
            return quantise_int8(self.weights("bf16"))
        return join_weights(random_falcon(self.setting, precision), MAX_PROMPT_TOKENS + self.setting.num_new_tokens)

    def _once(self, kind: str, precision: str, make: Callable[[], Any]) -> Any:
        if (kind, precision) not in self._made:
            self._made[kind, precision] = make()
        return self._made[kind, precision]


def random_falcon(setting: Setting, precision: str = "bf16") -> FalconForCausalLM:
    """Return a Falcon of the setting's shape with random weights, always the same ones, in `bf16` or `nf4`."""
    shape: Any = SHAPES[setting.shape]
    config = FalconConfig(**shape, bos_token_id=EOS, eos_token_id=EOS)
    with torch.device("meta"):
        made: Any = FalconForCausalLM(config)
    model: FalconForCausalLM = made.to(torch.bfloat16)
    model.to_empty(device=setting.device)
    model.tie_weights()
    model.transformer.rotary_emb = FalconRotaryEmbedding(config=config).to(setting.device)
    random = torch.Generator(setting.device).manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.02, generator=random)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    if precision == "nf4":
        _to_four_bit(model)
    release()
    model.requires_grad_(False).eval()
    return model


def _to_four_bit(model: nn.Module) -> None:
    """Replace the projections by bitsandbytes' NF4 with double quantisation, as the product loads them."""
    from bitsandbytes.nn.modules import Linear4bit, Params4bit  # noqa: PLC0415 - only NF4 needs it

    places = [(parent, name) for parent in model.modules() for name in PROJECTIONS if name in parent._modules]
    for parent, name in places:
        linear: Any = getattr(parent, name)
        sizes = (linear.in_features, linear.out_features)
        with torch.device("meta"):
            packed: Any = Linear4bit(*sizes, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4")
        plain: Any = Params4bit(linear.weight.data, requires_grad=False, quant_type="nf4", module=packed)
        packed.weight = plain.to(linear.weight.device)  # which quantises it
        setattr(parent, name, packed)


def build_engine(
    weights: JoinedWeights,
    setting: Setting,
    *,
    search: SearchSettings | None = None,
    rules: RuleSettings | None = None,
    operations: RowOperations | None = None,
    num_seats: int | None = None,
    is_invariant: bool = False,
) -> Engine:
    """Return a prepared engine as serving builds it, with `search` and `rules` (default: 5 beams, no rules)."""
    search = search or search_settings(setting)
    seats = num_seats or setting.num_seats
    model = build_row_model(weights, search.num_beams, search.max_new_tokens, num_homes=seats, operations=operations)
    runner = runner_for(weights, seats, model.memory.shape.max_tokens, is_invariant=is_invariant)
    engine = Engine(model, search, rules, runner=runner, make_seats=seats_for(weights))
    engine.prepare()
    return engine


def build_row_model(
    weights: JoinedWeights,
    rows_per_home: int,
    max_new_tokens: int,
    *,
    num_homes: int,
    operations: RowOperations | None = None,
) -> RowModel:
    """Return `weights` with token memory for `num_homes` requests and the slots for adapters that serving has."""
    shape = MemoryShape(
        num_layers=len(weights.layers),
        head_size=weights.head_size,
        num_homes=num_homes,
        rows_per_home=rows_per_home,
        max_prompt_tokens=MAX_PROMPT_TOKENS,
        max_new_tokens=max_new_tokens,
    )
    adapters = ResidentAdapters(weights, num_slots=NUM_ADAPTER_SLOTS, max_rank=MAX_ADAPTER_RANK)
    memory = TokenMemory(shape, weights.dtype, weights.device)
    return RowModel(weights, memory, operations or row_operations(weights), adapters)


def row_operations(weights: JoinedWeights) -> RowOperations:
    """Return serving's arithmetic on CUDA, and plain torch elsewhere: it takes packed matrices too."""
    return operations_for(weights) if weights.device.type == "cuda" else TorchOperations(weights)


def search_settings(setting: Setting, num_beams: int = NUM_BEAMS) -> SearchSettings:
    """Return a plain beam search; random weights practically never write its EOS."""
    return SearchSettings(
        num_beams=num_beams,
        num_return_sequences=num_beams,
        max_new_tokens=setting.num_new_tokens,
        eos_token_id=EOS,
    )


def weight_bytes(model: JoinedWeights | nn.Module) -> int:
    """Return the bytes of all weights, scales of quantised ones included."""
    if isinstance(model, JoinedWeights):
        matrices = [matrix for layer in model.layers for matrix in (layer.into, layer.out_of)]
        sizes = [matrix.nbytes if isinstance(matrix, Tensor) else matrix.num_bytes for matrix in matrices]
        norms = [model.final_norm, *(layer.norm for layer in model.layers)]
        return sum(sizes) + model.embedding.nbytes + sum(norm.weight.nbytes + norm.bias.nbytes for norm in norms)
    return sum(parameter.nbytes + _scale_bytes(parameter) for parameter in model.parameters())


def _scale_bytes(parameter: Any) -> int:
    """Return the bytes of a bitsandbytes parameter's scales; 0 for any other."""
    state = getattr(parameter, "quant_state", None)
    if state is None:
        return 0
    inner = getattr(state, "state2", None)  # the scales of scales
    nested = 0 if inner is None else inner.absmax.nbytes + inner.code.nbytes
    return int(state.absmax.nbytes + state.code.nbytes + nested)


def release() -> None:
    """Give unused memory back."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
