"""Keys and values of everything that is being decoded: a pool of token positions, and lists of places in it.

A *home* is the part of the pool that one request writes to: its prompt's positions, then N positions for each of its
W rows. A row of the batch is a list of places, so its beams share the prompt by naming the same places, and reordering
beams copies lists and never keys or values. What a row writes at step n of its request has one place of its own,
which no other row ever writes, so a list stays true however often its owner's ancestors were chosen by others.

The pool has one home more than requests may be inside: rows without a request write there. It does not know the
model's arithmetic or the search.

Shapes: P places in the pool, L longest text, T longest prompt, N new tokens, W rows of a request, D head size.
"""

from dataclasses import dataclass

import torch

from core.errors import NotEnoughMemory
from falcon.memory import GIB, is_out_of_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryShape:
    """How large the pool is."""

    num_layers: int
    head_size: int
    num_homes: int  # requests inside at once
    rows_per_home: int
    max_prompt_tokens: int
    max_new_tokens: int

    @property
    def places_per_home(self) -> int:
        return self.max_prompt_tokens + self.rows_per_home * self.max_new_tokens

    @property
    def num_places(self) -> int:
        """P, with the home of rows without a request."""
        return (self.num_homes + 1) * self.places_per_home

    @property
    def max_tokens(self) -> int:
        """L."""
        return self.max_prompt_tokens + self.max_new_tokens

    def num_bytes(self, dtype: torch.dtype) -> int:
        return 2 * self.num_layers * self.num_places * self.head_size * dtype.itemsize


class TokenMemory:
    """The pool: `layers[number]` is (P, 2D), a key and its value side by side; homes are taken and given back."""

    def __init__(self, shape: MemoryShape, dtype: torch.dtype, device: torch.device) -> None:
        """Allocate the whole pool.

        Raises:
            NotEnoughMemory: it does not fit; the message says what to set.
        """
        self.shape = shape
        self._free = list(range(shape.num_homes))
        try:
            # One tensor a layer: a compiler or kernel that writes one place must never be led to copy them all.
            size = (shape.num_places, 2 * shape.head_size)
            self.layers = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.num_layers)]
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise NotEnoughMemory(
                f"Keys and values of {shape.num_homes} requests need {shape.num_bytes(dtype) / GIB:.2f} GiB, which are "
                "not free; set MAX_BATCH_REQUESTS lower."
            ) from error

    @property
    def num_free_homes(self) -> int:
        return len(self._free)

    @property
    def spare_home(self) -> int:
        """The home of rows without a request."""
        return self.shape.num_homes

    def take_home(self) -> int:
        """Return a home that nobody has."""
        return self._free.pop()

    def give_home_back(self, home: int) -> None:
        """Free `home`; its contents stay until somebody else writes there."""
        if home in self._free or not 0 <= home < self.shape.num_homes:
            raise ValueError(f"home {home} is not taken")
        self._free.append(home)

    def first_place(self, home: int) -> int:
        """Return where a home begins: its prompt's first token."""
        return home * self.shape.places_per_home
