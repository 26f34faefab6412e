"""Falcon's decoder over a packed block, with the model's own tensors in place: plain or 4-bit, with or without LoRA.

transformers' own forward lets packed documents see each other, reaches no fused attention kernel for Falcon's single
key/value head, and goes through peft's wrappers one matrix at a time. This one reads the same modules and computes the
same numbers. It takes Falcon-7B's kind of block only: parallel, multi-query, rotary, without biases. `hidden_dropout`
is not applied: fine-tuning drops in the adapters alone.

Shapes: T tokens, E hidden size, D head size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import ModelError
from falcon.packed_batch import PackedBatch
from falcon.parallel_block import Block, Pass, run_block
from falcon.pointwise import EAGER, compiled
from falcon.projection import Projection

_REQUIRED = {
    "parallel_attn": True,
    "multi_query": True,
    "new_decoder_architecture": False,
    "alibi": False,
    "bias": False,
    "activation": "gelu",
}


def packed_hidden_states(
    model: Any, batch: PackedBatch, *, is_checkpointed: bool = False, is_compiled: bool = False
) -> Tensor:
    """Return the decoder's last hidden states (T, E), after its final norm.

    `model` is a `FalconForCausalLM` or a `PeftModel` around one; adapters that are switched off or merged are left out.
    A checkpointed pass keeps (T, E) a block and computes most of each block twice.

    Raises:
        ModelError: the model is no Falcon of the kind that this reads, or an adapter is of a kind that it does not.
    """
    decoder = falcon_of(model).transformer
    blocks = read_blocks(model)
    cos, sin = rotary_tables(decoder.config, batch.position_ids, decoder.word_embeddings.weight.dtype)
    shared = Pass(
        cos=cos,
        sin=sin,
        cu_lengths=batch.cu_lengths,
        max_length=batch.max_length,
        pointwise=compiled() if is_compiled else EAGER,
        is_kept=torch.is_grad_enabled(),
        is_dropping=bool(model.training),
    )
    hidden = decoder.word_embeddings(batch.input_ids)
    for block in blocks:
        hidden = run_block(hidden, block, shared, is_checkpointed=is_checkpointed)
    norm = decoder.ln_f
    return F.layer_norm(hidden, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def falcon_of(model: Any) -> Any:
    """Return the `FalconForCausalLM` in `model`, after a check that its shape can be read here.

    Raises:
        ModelError: as `require_parallel_falcon` says.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    require_parallel_falcon(base.config)
    return base


def require_parallel_falcon(config: Any) -> None:
    """Check that `config` is that of a Falcon whose blocks can be read here.

    Raises:
        ModelError: it is another model's, or that of another kind of Falcon.
    """
    if config.model_type != "falcon":
        raise ModelError(f"MODEL_ID names a {config.model_type} model; training takes Falcon models only.")
    stretched = {"rope_type": config.rope_parameters["rope_type"]}
    found = {name: getattr(config, name) for name in _REQUIRED} | stretched
    for name, value in (_REQUIRED | {"rope_type": "default"}).items():
        if found[name] != value:
            raise ModelError(
                f"This Falcon has {name} = {found[name]!r}, and training takes {value!r} only; set MODEL_ID to "
                "tiiuae/falcon-7b or another of its shape."
            )


def read_blocks(model: Any) -> Sequence[Block]:
    """Return the tensors of each decoder layer; see `packed_hidden_states` for what is refused."""
    return [_block(layer) for layer in falcon_of(model).transformer.h]


def rotary_tables(config: Any, position_ids: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of each position's angles, both (T, D / 2)."""
    size = config.hidden_size // config.num_attention_heads
    exponents = torch.arange(0, size, 2, dtype=torch.float32, device=position_ids.device) / size
    angles = position_ids[:, None].float() * (config.rope_parameters["rope_theta"] ** -exponents)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def _block(layer: Any) -> Block:
    attention, mlp = layer.self_attention, layer.mlp
    return Block(
        norm=layer.input_layernorm,
        query_key_value=_projection(attention.query_key_value),
        dense=_projection(attention.dense),
        up=_projection(mlp.dense_h_to_4h),
        down=_projection(mlp.dense_4h_to_h),
        num_heads=attention.num_heads,
    )


def _projection(module: Any) -> Projection:
    base = getattr(module, "base_layer", module)
    is_bare = base is module or module.disable_adapters or module.merged
    names = [] if is_bare else [name for name in module.active_adapters if name in module.lora_A]
    if not names:
        return Projection(weight=base.weight, a=None, b=None, scale=0.0, dropout=0.0)
    if len(names) > 1 or module.use_dora.get(names[0]) or module.lora_bias.get(names[0]):
        raise ModelError("Training takes one plain LoRA adapter at a time, without DoRA and without biases.")
    (name,) = names
    return Projection(
        weight=base.weight,
        a=module.lora_A[name].weight,
        b=module.lora_B[name].weight,
        scale=float(module.scaling[name]),
        dropout=_dropout_share(module.lora_dropout[name]),
    )


def _dropout_share(module: nn.Module) -> float:
    return float(module.p) if isinstance(module, nn.Dropout) else 0.0
