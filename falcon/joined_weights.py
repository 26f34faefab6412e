"""A Falcon's weights as the engine multiplies with them: two matrices a layer instead of four.

The parallel block reads one layer norm for both of its branches and adds both into one residual, so `query_key_value`
and `dense_h_to_4h` are one matrix over the same input, and `dense` and `dense_4h_to_h` one matrix over attention and
activation side by side. transformers' own modules keep working: their parameters become views of the joined matrices,
and nothing is held twice.

Shapes: E hidden size, H query heads, D head size, F width of the MLP, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A layer norm's weight and bias (E,)."""

    weight: Tensor
    bias: Tensor
    eps: float


@dataclass(slots=True, kw_only=True)
class Layer:
    """One parallel block: `into` (E + 2D + F, E) gives query heads, key, value and up; `out_of` (E, E + F) takes
    attention and activation. Both are a tensor, or one of `falcon.packed_matrices`.
    """

    norm: Norm
    into: Any
    out_of: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedWeights:
    """A whole model; `embedding` (V, E) also gives the logits, `cos` and `sin` (L, D) float32 turn heads."""

    embedding: Tensor
    layers: tuple[Layer, ...]
    final_norm: Norm
    cos: Tensor
    sin: Tensor
    num_heads: int
    head_size: int

    @property
    def hidden_size(self) -> int:
        """E."""
        return self.num_heads * self.head_size

    @property
    def max_positions(self) -> int:
        """How many tokens a text may have."""
        return len(self.cos)

    @property
    def device(self) -> torch.device:
        return self.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embedding.dtype


def why_not_joinable(model: Any) -> str | None:
    """Return what keeps the engine from running `model`, or None when nothing does."""
    config = model.config
    if config.model_type != "falcon":
        return f"it is a {config.model_type} model"
    wanted = {"multi_query": True, "parallel_attn": True, "bias": False, "alibi": False, "activation": "gelu"}
    other = {**wanted, "new_decoder_architecture": False}
    for name, value in other.items():
        if getattr(config, name) != value:
            return f"{name} is {getattr(config, name)}"
    rope = (config.rope_parameters or {}).get("rope_type", "default")
    if rope != "default":
        return f"its rope_type is {rope}"
    if model.get_output_embeddings().weight is not model.get_input_embeddings().weight:
        return "its output embedding is not tied to its input embedding"
    return None


def join_weights(model: Any, max_positions: int) -> JoinedWeights:
    """Join the weights of a `FalconForCausalLM` for texts of up to `max_positions` tokens.

    Raises:
        ModelError: the model has another shape than Falcon-7B's.
    """
    if (reason := why_not_joinable(model)) is not None:
        raise ModelError(f"The engine cannot run this model: {reason}; set ENGINE=transformers.")
    config, transformer = model.config, model.transformer
    head_size = config.hidden_size // config.num_attention_heads
    embedding = transformer.word_embeddings.weight.detach()
    cos, sin = _rotations(head_size, max_positions, float(config.rope_parameters["rope_theta"]), embedding.device)
    return JoinedWeights(
        embedding=embedding,
        layers=tuple(_join_layer(block) for block in transformer.h),
        final_norm=_norm(transformer.ln_f),
        cos=cos,
        sin=sin,
        num_heads=config.num_attention_heads,
        head_size=head_size,
    )


def _norm(norm: nn.LayerNorm) -> Norm:
    return Norm(weight=norm.weight.detach(), bias=norm.bias.detach(), eps=norm.eps)


def _join_layer(block: Any) -> Layer:
    attention, mlp = block.self_attention, block.mlp
    into: Any
    out_of: Any
    if hasattr(attention.dense.weight, "quant_state"):
        from falcon.packed_matrices import join_four_bit  # noqa: PLC0415 - only NF4 needs it

        into = join_four_bit([attention.query_key_value, mlp.dense_h_to_4h], dim=0)
        out_of = join_four_bit([attention.dense, mlp.dense_4h_to_h], dim=1)
    else:
        into = _join([attention.query_key_value, mlp.dense_h_to_4h], dim=0)
        out_of = _join([attention.dense, mlp.dense_4h_to_h], dim=1)
    return Layer(norm=_norm(block.input_layernorm), into=into, out_of=out_of)


def _join(linears: list[Any], dim: int) -> Tensor:
    """Return the matrices of `linears` as one, and let each be a view of its part."""
    joined = torch.cat([linear.weight.detach() for linear in linears], dim)
    start = 0
    for linear in linears:
        size = linear.weight.shape[dim]
        linear.weight = nn.Parameter(joined.narrow(dim, start, size), requires_grad=False)
        start += size
    return joined


def _rotations(head_size: int, num_positions: int, theta: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cos and sin (L, D) of rotary embeddings (Su et al. 2021, arXiv 2104.09864), as Falcon lays them out."""
    frequencies = 1.0 / theta ** (torch.arange(0, head_size, 2, device=device).float() / head_size)
    angles = torch.outer(torch.arange(num_positions, device=device).float(), frequencies)
    angles = torch.cat([angles, angles], 1)
    return angles.cos(), angles.sin()
