"""LoRA adapters that lie in memory side by side, each row of a batch using its own.

All adapters' A matrices stand below one another, so one product gives every row's inner values under all adapters; a
mask keeps those of the row's own, and one product with all B matrices adds what is left (the masked form of S-LoRA's
batched adapters, Sheng et al. 2023, arXiv 2311.03285). Loading and unloading change tensors in place, so a captured
graph goes on using them. The only adapter that serves may instead be merged into the weights, whose originals are kept.

Shapes: R rows, E hidden size, D head size, F width of the MLP, S slots, r rank, so that C = 2 S r columns.
"""

from pathlib import Path

import torch
from torch import Tensor

from core.errors import ModelError
from falcon.joined_weights import JoinedWeights
from falcon.lora import Lora, LoraPair, read_lora

RANK_STEP = 16  # slots are a multiple of this wide, as tensor cores like it
_INTO = ("query_key_value", "dense_h_to_4h")
_OUT_OF = ("dense", "dense_4h_to_h")


class ResidentAdapters:
    """Up to `num_slots` adapters of rank up to `max_rank` on one model's weights.

    Slots are as wide as the adapters that came so far need. A wider one makes all of them wider, which moves tensors
    and so gives `layout` another number.
    """

    def __init__(self, weights: JoinedWeights, *, num_slots: int, max_rank: int) -> None:
        if num_slots < 0 or max_rank < 1:
            raise ModelError(f"num_slots = {num_slots}, max_rank = {max_rank}: set 0 or more slots, and 1 or more.")
        self._weights, self._num_slots, self._max_rank = weights, num_slots, max_rank
        self._rank = self._layout = 0
        self._slots: dict[str, int] = {}
        self._folders: dict[str, Path] = {}
        self._merged: str | None = None
        self._originals: list[tuple[Tensor, Tensor]] = []
        self._tables: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []  # a layer: into A, into B^T, out_of A, B^T

    @property
    def num_slots(self) -> int:
        """How many adapters fit side by side."""
        return self._num_slots

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters that a request may name."""
        return tuple(self._folders)

    @property
    def merged(self) -> str | None:
        """The adapter that is in the weights now."""
        return self._merged

    @property
    def layout(self) -> int:
        """Which tensors hold the adapters: what was captured for one layout is of no use for another."""
        return self._layout

    def slot_of(self, name: str | None) -> int:
        """Return the slot of a row that uses `name`; -1 where the weights alone give what is asked for.

        Raises:
            ModelError: there is no such adapter, or another one is in the weights.
        """
        if name == self._merged:
            return -1
        if self._merged is not None:
            raise ModelError(f"The adapter {self._merged} is merged, so {name or 'the base'} cannot serve beside it.")
        if name is None or name in self._slots:
            return self._slots[name] if name is not None else -1
        raise ModelError(f"The adapter {name} is not loaded; loaded are {', '.join(self.names) or 'none'}.")

    def adopt(self, name: str) -> None:
        """Call the weights as they are the merged adapter `name`; there are no originals to restore."""
        self._merged = name

    def load(self, name: str, folder: Path) -> None:
        """Put the adapter of `folder` into a free slot, in place.

        Raises:
            ModelError: the name is taken, no slot is free, or the adapter does not fit the model or the slots' rank.
        """
        if name in self._folders:
            raise ModelError(f"An adapter {name} is loaded already; unload it first.")
        free = sorted(set(range(self._num_slots)) - set(self._slots.values()))
        if not free:
            raise ModelError(f"All {self._num_slots} slots are taken ({', '.join(self.names)}); unload one first.")
        lora = self._fitting(read_lora(folder), folder)
        if lora.rank > self._rank:
            self._widen(-(-lora.rank // RANK_STEP) * RANK_STEP)
        try:
            for number, tables in enumerate(self._tables):
                self._fill(tables, lora, number, free[0])
        except BaseException:  # half an adapter would be left where the next one may be narrower
            self._clear(free[0])
            raise
        self._slots[name], self._folders[name] = free[0], folder

    def unload(self, name: str) -> None:
        """Free the slot of `name`. Raises: ModelError, when it is not loaded or is merged."""
        if name == self._merged:
            raise ModelError(f"The adapter {name} is merged; restore the weights first.")
        if name not in self._slots:
            raise ModelError(f"The adapter {name} is not loaded; loaded are {', '.join(self.names) or 'none'}.")
        self._clear(self._slots.pop(name))
        del self._folders[name]

    def merge(self, name: str) -> None:
        """Add the adapter to the weights in place, so that it costs nothing.

        The originals are kept, in main memory where the GPU has no room for them.

        Raises:
            ModelError: it is not loaded, another is merged, or the weights are packed and cannot take it.
        """
        if self._merged is not None:
            raise ModelError(f"The adapter {self._merged} is merged already; restore the weights first.")
        if name not in self._slots:
            raise ModelError(f"The adapter {name} is not loaded; loaded are {', '.join(self.names) or 'none'}.")
        if not all(isinstance(layer.into, Tensor) for layer in self._weights.layers):
            raise ModelError(f"The adapter {name} cannot be merged into packed weights; it serves from its slot.")
        columns = self._columns(self._slots[name])
        is_beside = _has_room([matrix for layer in self._weights.layers for matrix in (layer.into, layer.out_of)])
        self._originals = []
        for layer, (a_into, b_into, a_out, b_out) in zip(self._weights.layers, self._tables, strict=True):
            kept = (_kept(layer.into, is_beside=is_beside), _kept(layer.out_of, is_beside=is_beside))
            self._originals.append(kept)
            _add(layer.into, b_into[columns], a_into[columns])
            _add(layer.out_of, b_out[columns], a_out[columns])
        self._merged = name

    def restore(self) -> None:
        """Put the original weights back, to the bit. Raises: ModelError, when nobody has kept them."""
        if self._merged is not None and not self._originals:
            raise ModelError(f"The adapter {self._merged} was merged when the model was loaded; start without ADAPTER.")
        for layer, (into, out_of) in zip(self._weights.layers, self._originals, strict=False):
            layer.into.copy_(into)
            layer.out_of.copy_(out_of)
        self._originals, self._merged = [], None

    def choose(self, slots: Tensor | None) -> Tensor | None:
        """Return a mask (R, C) that keeps the columns of each row's slot (R,); None when nobody uses an adapter."""
        if slots is None or not self._tables:
            return None
        owners = torch.arange(self._num_slots, device=slots.device).repeat_interleave(2 * self._rank)
        return (slots.unsqueeze(1) == owners).to(self._weights.dtype)

    def into(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return A (C, E) and B^T (C, E + 2D + F) beside a layer's first matrix."""
        return self._tables[layer][:2]

    def out_of(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return A (C, E + F) and B^T (C, E) beside a layer's second matrix."""
        return self._tables[layer][2:]

    def _widen(self, rank: int) -> None:
        """Make slots of `rank`, with what the narrower ones held; nothing changes when memory runs out."""
        tables = [self._empty_tables(number, rank) for number in range(len(self._weights.layers))]
        for new, old in zip(tables, self._tables, strict=False):
            for new_table, old_table in zip(new, old, strict=True):
                halves = new_table.view(2 * self._num_slots, rank, -1)
                halves[:, : self._rank] = old_table.view(2 * self._num_slots, self._rank, -1)
        self._tables, self._rank, self._layout = tables, rank, self._layout + 1

    def _clear(self, slot: int) -> None:
        for tables in self._tables:
            for table in tables:
                table[self._columns(slot)] = 0

    def _columns(self, slot: int) -> slice:
        return slice(2 * self._rank * slot, 2 * self._rank * (slot + 1))

    def _empty_tables(self, layer: int, rank: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        columns = 2 * self._num_slots * rank
        matrices = (self._weights.layers[layer].into, self._weights.layers[layer].out_of)
        (into_out, into_in), (out_out, out_in) = (tuple(matrix.shape) for matrix in matrices)

        def empty(size: int) -> Tensor:
            return torch.zeros(columns, size, dtype=self._weights.dtype, device=self._weights.device)

        return empty(into_in), empty(into_out), empty(out_in), empty(out_out)

    def _fill(self, tables: tuple[Tensor, Tensor, Tensor, Tensor], lora: Lora, layer: int, slot: int) -> None:
        """Write a layer's pairs: the first r columns of a slot are attention's, the other r the MLP's."""
        a_into, b_into, a_out, b_out = tables
        hidden, start = self._weights.hidden_size, self._columns(slot).start
        split = hidden + 2 * self._weights.head_size
        for half, (into, out_of) in enumerate(zip(_INTO, _OUT_OF, strict=True)):
            first = start + half * self._rank
            rows = slice(first, first + lora.rank)
            if (pair := lora.pairs.get((layer, into))) is not None:
                part = slice(0, split) if half == 0 else slice(split, None)
                a_into[rows] = pair.a.to(a_into)
                b_into[rows, part] = pair.b.T.to(b_into)
            if (pair := lora.pairs.get((layer, out_of))) is not None:
                part = slice(0, hidden) if half == 0 else slice(hidden, None)
                a_out[rows, part] = pair.a.to(a_out)
                b_out[rows] = pair.b.T.to(b_out)

    def _fitting(self, lora: Lora, folder: Path) -> Lora:
        if lora.rank > self._max_rank:
            raise ModelError(f"The adapter {folder} has rank {lora.rank}, and slots take {self._max_rank} at most.")
        for (layer, projection), pair in lora.pairs.items():
            if layer >= len(self._weights.layers) or _sizes(pair) != self._sizes_of(projection):
                raise ModelError(
                    f"The adapter {folder} does not fit the base model: {projection} of layer {layer} has the sizes "
                    f"{_sizes(pair)}."
                )
        return lora

    def _sizes_of(self, projection: str) -> tuple[int, int]:
        """Return the output and input width of a projection."""
        hidden, (joined, _) = self._weights.hidden_size, self._weights.layers[0].into.shape
        heads = hidden + 2 * self._weights.head_size
        width = joined - heads
        sizes = {
            "query_key_value": (heads, hidden),
            "dense": (hidden, hidden),
            "dense_h_to_4h": (width, hidden),
            "dense_4h_to_h": (hidden, width),
        }
        return sizes[projection]


def _sizes(pair: LoraPair) -> tuple[int, int]:
    return pair.b.shape[0], pair.a.shape[1]


def _kept(weight: Tensor, *, is_beside: bool) -> Tensor:
    """Return a copy of `weight`: beside it on its device, or in main memory."""
    if is_beside:
        return weight.clone()
    return torch.empty(weight.shape, dtype=weight.dtype, pin_memory=weight.is_cuda).copy_(weight)


def _has_room(matrices: list[Tensor]) -> bool:
    """Say whether a GPU can hold `matrices` a second time and still has as much left as a quarter of them."""
    if not matrices[0].is_cuda:
        return False
    return torch.cuda.mem_get_info(matrices[0].device)[0] > 1.25 * sum(matrix.nbytes for matrix in matrices)


def _add(weight: Tensor, b: Tensor, a: Tensor) -> None:
    weight.copy_(weight.float().addmm_(b.float().T, a.float()))
