"""Falcon's forward pass over rows: one token each, every row with its own text, position and adapter.

A row may be the newest token of a beam or a token of a prompt that is being read: since all keys and values of a layer
are written before any row attends, a whole prompt goes through in one pass beside the beams of others, and reading
the weights once serves both. What a row computes does not depend on its neighbours. `RowOperations` does the
arithmetic; `falcon/row_operations.py` has it in torch, `falcon/kernels` in Triton.

Shapes: R rows, E hidden size, H query heads, D head size, F width of the MLP, V vocabulary, L longest text.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from falcon.joined_weights import JoinedWeights, Norm
from falcon.resident_adapters import ResidentAdapters
from falcon.token_memory import TokenMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What goes through one pass.

    `places` (R, L) int32 lists where each row's text lies in token memory, its own token's place at `positions`
    included; that place is `write_at`. `longest` bounds the texts' lengths, where that is known on the host.
    `adapter_slots` (R,) int64 names each row's adapter, -1 for none; None when no row has one.
    """

    tokens: Tensor  # (R,) int64
    positions: Tensor  # (R,) int64
    write_at: Tensor  # (R,) int64
    places: Tensor
    longest: int
    adapter_slots: Tensor | None = None

    def followed_by(self, others: "Rows") -> "Rows":
        """Return these rows with `others` behind them; both have adapter slots."""
        assert self.adapter_slots is not None
        assert others.adapter_slots is not None
        return Rows(
            tokens=torch.cat([self.tokens, others.tokens]),
            positions=torch.cat([self.positions, others.positions]),
            write_at=torch.cat([self.write_at, others.write_at]),
            places=torch.cat([self.places, others.places]),
            longest=max(self.longest, others.longest),
            adapter_slots=torch.cat([self.adapter_slots, others.adapter_slots]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortlist:
    """The best next tokens of each row, best first: log-probabilities (R, M) float32 and token ids (R, M) int64.

    `is_finite` (R,) bool is False where a row's logits are no numbers.
    """

    log_probs: Tensor
    token_ids: Tensor
    is_finite: Tensor


class RowOperations(Protocol):
    """The arithmetic of a block."""

    def layer_norm(self, x: Tensor, norm: Norm) -> Tensor:
        """Return the normed `x` (R, E)."""
        ...

    def product(self, x: Tensor, matrix: Any, *, onto: Tensor | None = None) -> Tensor:
        """Return x @ matrix^T (R, O), added to `onto` in place where that is given."""
        ...

    def shortlist(self, logits: Tensor, size: int) -> Shortlist:
        """Return the `size` best next tokens of each row of logits (R, V)."""
        ...

    def top_tokens(self, scores: Tensor, size: int) -> Tensor:
        """Return the columns (R, size) int64 of the highest of scores (R, V) float32, best first."""
        ...

    def weights_changed(self) -> None:
        """Take notice that matrices were changed in place."""
        ...

    def masked_product(self, x: Tensor, matrix: Tensor, mask: Tensor) -> Tensor:
        """Return x @ matrix^T (R, C) where `mask` (R, C) is 1, and 0 where it is 0."""
        ...

    def prepare(self, rows: Rows) -> Any:
        """Return what every layer's `attend` needs to know of `rows`."""
        ...

    def attend(self, y: Tensor, prepared: Any, memory: Tensor) -> Tensor:
        """Turn, store and attend with what `into` gave, y (R, E + 2D + F); return (R, E + F).

        The result holds attention, and beside it gelu(up). `memory` (P, 2D) is the layer's.
        """
        ...


class RowModel:
    """A model, its token memory and its resident adapters."""

    def __init__(
        self, weights: JoinedWeights, memory: TokenMemory, operations: RowOperations, adapters: ResidentAdapters
    ) -> None:
        self.weights, self.memory, self.adapters = weights, memory, adapters
        self._operations = operations

    def hidden(self, rows: Rows) -> Tensor:
        """Run every block; return (R, E) before the last norm, and leave each row's key and value in memory."""
        operations = self._operations
        x = self.weights.embedding[rows.tokens]
        chosen, prepared = self.adapters.choose(rows.adapter_slots), operations.prepare(rows)
        for number, layer in enumerate(self.weights.layers):
            normed = operations.layer_norm(x, layer.norm)
            y = operations.product(normed, layer.into)
            if chosen is not None:
                a, b = self.adapters.into(number)
                y.addmm_(operations.masked_product(normed, a, chosen), b)
            z = operations.attend(y, prepared, self.memory.layers[number])
            x = operations.product(z, layer.out_of, onto=x)
            if chosen is not None:
                a, b = self.adapters.out_of(number)
                x.addmm_(operations.masked_product(z, a, chosen), b)
        return x

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the next token's logits (R, V) of rows of `hidden` (R, E)."""
        normed = self._operations.layer_norm(hidden, self.weights.final_norm)
        return self._operations.product(normed, self.weights.embedding)

    def shortlist(self, logits: Tensor, size: int) -> Shortlist:
        """Return the `size` best next tokens of each row of logits (R, V)."""
        return self._operations.shortlist(logits, size)

    def top_tokens(self, scores: Tensor, size: int) -> Tensor:
        """Return the columns (R, size) int64 of the highest of scores (R, V) float32, best first."""
        return self._operations.top_tokens(scores, size)

    def merge_adapter(self, name: str) -> None:
        """Serve one adapter at no cost; see `ResidentAdapters.merge`. Raises: ModelError."""
        self.adapters.merge(name)
        self._operations.weights_changed()

    def restore_weights(self) -> None:
        """Take the merged adapter out again, to the bit."""
        self.adapters.restore()
        self._operations.weights_changed()
