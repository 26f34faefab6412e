"""The running batch's state: who sits where, in static tensors whose first dimension is the seat.

Seats are kept dense: the batch is always the first n of them, and when one is left the last one moves there. Moving
and joining change tensors in place, in the order in which they are queued on the device, so a step that was queued
before sees what was there before. One seat more than requests may be inside stands for rows without a request; its
home is nobody's. It does not know the model, the queue of waiting requests or when a request is done.

Shapes: B seats, W rows of a request, L longest text, T longest prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from falcon.beam_search import Beams, SearchSettings, advance, close, move, open_beams, reset
from falcon.row_model import Rows
from falcon.token_memory import TokenMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A request that sits down: its `prompt` in tokens will be read into `home`, for `limit` new tokens at most.

    `adapter_slot` is -1 for none.
    """

    seat: int
    home: int
    prompt: Sequence[int]
    adapter_slot: int
    seed: int
    limit: int


class Seats:
    """State of up to `num_seats` requests, all of them empty at first."""

    def __init__(self, memory: TokenMemory, search: SearchSettings, device: torch.device) -> None:
        shape = memory.shape
        self.num_seats, self.num_rows = shape.num_homes, shape.rows_per_home
        self._shape, self._memory, self._search, self._device = shape, memory, search, device
        self.beams = open_beams(self.num_seats, search, device)
        close(self.beams, torch.arange(self.num_seats, device=device))
        seats = self.num_seats + 1
        self.prompt_lengths = torch.ones(seats, dtype=torch.int64, device=device)
        self.first_places = torch.full((seats,), memory.first_place(memory.spare_home), device=device)
        self.places = torch.full(
            (seats, self.num_rows, shape.max_tokens), memory.first_place(memory.spare_home), dtype=torch.int32
        ).to(device)
        self.last_tokens = torch.zeros(seats, self.num_rows, dtype=torch.int64, device=device)
        self.adapter_slots = torch.full((seats,), -1, device=device)
        self.seeds = torch.zeros(seats, dtype=torch.int64, device=device)
        self.is_broken = torch.zeros(self.num_seats, dtype=torch.bool, device=device)
        self._divisors: Tensor | None = None  # of lengths, for those who look them up
        self._columns = torch.arange(shape.max_tokens, dtype=torch.int32, device=device)
        self._row_starts = torch.arange(self.num_rows, dtype=torch.int32, device=device) * shape.max_new_tokens
        self._row_starts += shape.max_prompt_tokens

    @property
    def spare_seat(self) -> int:
        """The seat of rows without a request."""
        return self.num_seats

    def join(self, newcomers: Sequence[Newcomer]) -> None:
        """Seat requests; their prompts are still to be read."""
        columns = [
            [
                one.seat,
                len(one.prompt),
                self._memory.first_place(one.home),
                one.prompt[-1],
                one.adapter_slot,
                one.seed,
                one.limit,
            ]
            for one in newcomers
        ]
        seats, lengths, first_places, last_tokens, slots, seeds, limits = to_device(columns, self._device).T
        reset(self.beams, seats, self._search, limits)
        self.is_broken.index_fill_(0, seats, False)
        for static, values in (
            (self.prompt_lengths, lengths),
            (self.first_places, first_places),
            (self.last_tokens, last_tokens.unsqueeze(1).expand(-1, self.num_rows)),
            (self.adapter_slots, slots),
            (self.seeds, seeds),
        ):
            static.index_copy_(0, seats, values)
        # What is not read yet stands for the row's own first place: that is written before anything is attended to, and
        # what an earlier owner left in this home, a NaN even, is never looked at.
        is_read = (self._columns < lengths.unsqueeze(1) - 1).unsqueeze(1)  # (S, 1, L)
        own = torch.where(is_read, self._columns, self._row_starts.unsqueeze(1)) + first_places[:, None, None]
        self.places.index_copy_(0, seats, own.int())

    def leave(self, seats: Tensor) -> None:
        """Empty `seats` (S,) int64: they write to nobody's home from now on."""
        close(self.beams, seats)
        self._copy(torch.full_like(seats, self.spare_seat), seats)

    def move(self, sources: Tensor, targets: Tensor) -> None:
        """Let the requests of seats `sources` (S,) int64 sit in seats `targets` (S,)."""
        move(self.beams, sources, targets)
        self.is_broken.index_copy_(0, targets, self.is_broken.index_select(0, sources))
        self._copy(sources, targets)

    def _copy(self, sources: Tensor, targets: Tensor) -> None:
        for tensor in (
            self.prompt_lengths,
            self.first_places,
            self.places,
            self.last_tokens,
            self.adapter_slots,
            self.seeds,
        ):
            tensor.index_copy_(0, targets, tensor.index_select(0, sources))

    def decoding_rows(self, num_seats: int, longest: int) -> Rows:
        """Return the rows of the first `num_seats` seats: each beam's newest token, at a place of its own."""
        shape = self._shape
        # A request that is done stays where it is until the host takes it out.
        steps = self.beams.num_steps[:num_seats].clamp(max=shape.max_new_tokens - 1)
        positions = self.prompt_lengths[:num_seats] - 1 + steps
        write_at = (self.first_places[:num_seats] + steps).unsqueeze(1) + self._row_starts  # (B, W)
        column = positions[:, None, None].expand(-1, self.num_rows, 1)
        self.places[:num_seats].scatter_(2, column, write_at.unsqueeze(2).int())
        return Rows(
            tokens=self.last_tokens[:num_seats].flatten(),
            positions=positions.repeat_interleave(self.num_rows),
            write_at=write_at.flatten(),
            places=self.places[:num_seats].flatten(0, 1),
            longest=longest,
            adapter_slots=self.adapter_slots[:num_seats].repeat_interleave(self.num_rows),
        )

    def prompt_rows(self, tokens: Tensor, seats: Tensor, positions: Tensor, longest: int) -> Rows:
        """Return rows that read prompts: `tokens` (R,) at `positions` (R,) of the requests in `seats` (R,)."""
        return Rows(
            tokens=tokens,
            positions=positions,
            write_at=self.first_places[seats] + positions,
            places=self.places[seats, 0],
            longest=longest,
            adapter_slots=self.adapter_slots[seats],
        )

    def go_on(self, num_seats: int, scores: Tensor, log_probs: Tensor, token_ids: Tensor) -> None:
        """Advance the first seats by one token and let every row go on as the beam that it became.

        `scores`, `log_probs` (B, G, K, M) float32 and `token_ids` (B, G, K, M) int64 are each row's shortlist, as
        `beam_search.advance` takes it.
        """
        beams = first_seats(self.beams, num_seats)
        parents, tokens = advance(beams, scores, self._search, token_ids=token_ids, log_probs=log_probs)
        groups, num_beams = parents.shape[1:]
        group_starts = torch.arange(groups, device=self._device).unsqueeze(1) * num_beams
        rows = (parents + group_starts).flatten(1)  # (B, W)
        places = self.places[:num_seats]
        places.copy_(places.gather(1, rows.unsqueeze(2).expand_as(places)))
        self.last_tokens[:num_seats].copy_(tokens.flatten(1))


def first_seats(beams: Beams, num_seats: int) -> Beams:
    """Return views of the first seats' state; changing them in place changes the whole."""
    return Beams(**{name: getattr(beams, name)[:num_seats] for name in Beams.__slots__})


def to_device(values: Sequence[Sequence[int]] | Sequence[int], device: torch.device) -> Tensor:
    """Return `values` as int64 on `device`, without waiting for what is queued there."""
    host = torch.tensor(values, dtype=torch.int64, pin_memory=device.type == "cuda")
    return host.to(device, non_blocking=True)
