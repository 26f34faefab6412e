"""One step of beam search for every group in one kernel: what `Seats.go_on` does in eighty.

A program owns one group of one request. It holds the candidates in registers, finds everybody's place by comparing all
with all, reads every text that it will move before it writes one, and so reorders in place. The rules are those of
`falcon/beam_search.py`, which stays the reference; diversity between groups and stochastic beams run there.

Shapes: B seats, G groups, K beams of one group, W = G·K rows, C = 2K candidates, M tokens of a row's shortlist, N new
tokens at most, L longest text.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from falcon.beam_search import IMPOSSIBLE, Beams, SearchSettings
from falcon.seats import Seats, first_seats

MAX_TEXT_TOKENS = 16384  # that a program may hold in registers
_EARLY = {False: 0, True: 1, "never": 2}


class KernelSeats(Seats):
    """Seats whose search advances in one kernel where it can."""

    def go_on(self, num_seats: int, scores: Tensor, log_probs: Tensor, token_ids: Tensor) -> None:
        """Advance the first seats by one token; see `Seats.go_on`."""
        num_texts = triton.next_power_of_2(2 * self._search.beams_per_group) * self.places.shape[2]
        if self._search.is_diverse or self._search.is_stochastic or num_texts > MAX_TEXT_TOKENS:
            super().go_on(num_seats, scores, log_probs, token_ids)
            return
        beams = first_seats(self.beams, num_seats)
        was_open = beams.is_open.any(1)
        self._advance(beams, scores, log_probs, token_ids)
        beams.num_steps.add_(was_open)

    def _advance(self, beams: Beams, scores: Tensor, log_probs: Tensor, token_ids: Tensor) -> None:
        num_seats, groups, num_beams, size = scores.shape
        search: SearchSettings = self._search
        _advance[(num_seats * groups,)](
            *(scores, log_probs, token_ids),
            *(beams.tokens, beams.scores, beams.log_probs),
            *(beams.finished_tokens, beams.finished_scores, beams.finished_log_probs, beams.finished_lengths),
            *(beams.is_finished, beams.can_improve, beams.num_steps, beams.limits, beams.is_open),
            *(self.places, self.last_tokens, self._length_divisors()),
            *(groups, search.eos_token_id, beams.tokens.shape[3], self.places.shape[2]),
            IMPOSSIBLE=IMPOSSIBLE,
            NUM_BEAMS=num_beams,
            SIZE=size,
            ALL=triton.next_power_of_2(num_beams * size),
            CANDIDATES=max(2, triton.next_power_of_2(2 * num_beams)),
            COLUMNS=triton.next_power_of_2(beams.tokens.shape[3]),
            PLACES=triton.next_power_of_2(self.places.shape[2]),
            EARLY=_EARLY[search.early_stopping],
            NEVER_SHORTER=search.early_stopping == "never" and search.length_penalty > 0,
            num_warps=4,
        )

    def _length_divisors(self) -> Tensor:
        """Return length ** penalty for lengths 0 to N, made once."""
        if self._divisors is None:
            lengths = torch.arange(self._search.max_new_tokens + 1, dtype=torch.float64)
            self._divisors = (lengths**self._search.length_penalty).float().to(self._device)
        return self._divisors


@triton.jit
def _advance(
    next_scores,
    next_log_probs,
    next_tokens,
    tokens,
    scores,
    log_probs,
    finished_tokens,
    finished_scores,
    finished_log_probs,
    finished_lengths,
    is_finished,
    can_improve,
    num_steps,
    limits,
    is_open,
    places,
    last_tokens,
    divisors,
    num_groups,
    eos,
    num_columns,
    num_places,
    IMPOSSIBLE: tl.constexpr,
    NUM_BEAMS: tl.constexpr,
    SIZE: tl.constexpr,
    ALL: tl.constexpr,
    CANDIDATES: tl.constexpr,
    COLUMNS: tl.constexpr,
    PLACES: tl.constexpr,
    EARLY: tl.constexpr,
    NEVER_SHORTER: tl.constexpr,
):
    group = tl.program_id(0)
    seat = group // num_groups
    first = (group * NUM_BEAMS).to(tl.int64)  # its first beam among all
    options = first * SIZE
    slots = tl.arange(0, CANDIDATES)
    if tl.load(is_open + group).to(tl.int1):
        step = tl.load(num_steps + seat)
        limit = tl.load(limits + seat)
        # 1. the 2K best continuations, best first
        flat = tl.arange(0, ALL)
        is_option = flat < NUM_BEAMS * SIZE
        running = tl.load(scores + first + flat // SIZE, mask=is_option, other=float("-inf"))
        total = running + tl.load(next_scores + options + flat, mask=is_option, other=float("-inf"))
        chosen_score = tl.full((CANDIDATES,), float("-inf"), tl.float32)
        chosen = tl.zeros((CANDIDATES,), tl.int32)
        for number in range(2 * NUM_BEAMS):
            best = tl.max(total, 0)
            at = tl.min(tl.where(total == best, flat, NUM_BEAMS * SIZE - 1), 0)
            chosen_score = tl.where(slots == number, best, chosen_score)
            chosen = tl.where(slots == number, at, chosen)
            total = tl.where(flat == at, float("-inf"), total)
        is_candidate = slots < 2 * NUM_BEAMS
        parent = chosen // SIZE
        token = tl.load(next_tokens + options + chosen)
        log_prob = tl.load(log_probs + first + parent) + tl.load(next_log_probs + options + chosen)
        is_ending = (token == eos) | (step + 1 >= limit)
        # 2. places among those that go on, and among what is finished
        running_score = chosen_score + tl.where(is_ending, IMPOSSIBLE, 0.0)
        running_rank = _rank(running_score, is_candidate, slots)
        is_new = is_ending & (slots < NUM_BEAMS)
        new_score = chosen_score / tl.load(divisors + step + 1) + tl.where(is_new, 0.0, IMPOSSIBLE)
        is_old = slots < NUM_BEAMS
        old_score = tl.load(finished_scores + first + slots, mask=is_old, other=float("-inf"))
        beats_old = (old_score[None, :] >= new_score[:, None]) & is_old[None, :]
        new_rank = _rank(new_score, is_candidate, slots) + tl.sum(beats_old.to(tl.int32), 1)
        beats_new = (new_score[None, :] > old_score[:, None]) & is_candidate[None, :]
        old_rank = _rank(old_score, is_old, slots) + tl.sum(beats_new.to(tl.int32), 1)
        # 3. read everything that moves
        columns = tl.arange(0, COLUMNS)
        is_column = (columns < num_columns)[None, :]
        text = tl.load(tokens + (first + parent[:, None]) * num_columns + columns[None, :], mask=is_column, other=0)
        text = tl.where(columns[None, :] == step, token[:, None], text)
        old_at = finished_tokens + (first + slots[:, None]) * num_columns + columns[None, :]
        old_text = tl.load(old_at, mask=is_column & is_old[:, None], other=0)
        old_log_prob = tl.load(finished_log_probs + first + slots, mask=is_old, other=0.0)
        old_length = tl.load(finished_lengths + first + slots, mask=is_old, other=0)
        old_is_finished = tl.load(is_finished + first + slots, mask=is_old, other=0).to(tl.int1)
        place = tl.arange(0, PLACES)
        is_place = (place < num_places)[None, :]
        way = tl.load(places + (first + parent[:, None]) * num_places + place[None, :], mask=is_place, other=0)
        tl.debug_barrier()
        # 4. write it where it belongs
        goes_on = is_candidate & (running_rank < NUM_BEAMS)
        target = first + running_rank
        tl.store(scores + target, running_score, mask=goes_on)
        tl.store(log_probs + target, log_prob, mask=goes_on)
        tl.store(last_tokens + target, token, mask=goes_on)
        wide = target[:, None]
        tl.store(tokens + wide * num_columns + columns[None, :], text, mask=is_column & goes_on[:, None])
        tl.store(places + wide * num_places + place[None, :], way, mask=is_place & goes_on[:, None])
        enters, stays = is_candidate & (new_rank < NUM_BEAMS), is_old & (old_rank < NUM_BEAMS)
        target = first + new_rank
        tl.store(finished_scores + target, new_score, mask=enters)
        tl.store(finished_log_probs + target, log_prob, mask=enters)
        tl.store(finished_lengths + target, tl.zeros((CANDIDATES,), tl.int64) + step + 1, mask=enters)
        tl.store(is_finished + target, is_new, mask=enters)
        at = finished_tokens + target[:, None] * num_columns + columns[None, :]
        tl.store(at, text, mask=is_column & enters[:, None])
        target = first + old_rank
        tl.store(finished_scores + target, old_score, mask=stays)
        tl.store(finished_log_probs + target, old_log_prob, mask=stays)
        tl.store(finished_lengths + target, old_length, mask=stays)
        tl.store(is_finished + target, old_is_finished, mask=stays)
        at = finished_tokens + target[:, None] * num_columns + columns[None, :]
        tl.store(at, old_text, mask=is_column & stays[:, None])
        # 5. does the group go on
        length = limit if NEVER_SHORTER else step + 1
        best_running = tl.max(tl.where(goes_on, running_score, float("-inf")), 0)
        best_possible = best_running / tl.load(divisors + length)
        kept = tl.where(enters, new_score, float("inf"))
        worst = tl.minimum(tl.min(kept, 0), tl.min(tl.where(stays, old_score, float("inf")), 0))
        num_finished = tl.sum((enters & is_new).to(tl.int32), 0) + tl.sum((stays & old_is_finished).to(tl.int32), 0)
        beats_worst = (num_finished > 0) & (best_possible > worst)
        beats_nothing = (num_finished < NUM_BEAMS) & (best_possible > IMPOSSIBLE)
        improves = tl.load(can_improve + group).to(tl.int1) & (beats_worst | beats_nothing)
        is_over = tl.sum((is_candidate & ~is_ending).to(tl.int32), 0) == 0
        if EARLY == 1:
            is_over = is_over | (num_finished == NUM_BEAMS)
        tl.store(can_improve + group, improves)
        tl.store(is_open + group, improves & ~is_over)
    else:
        tl.store(last_tokens + first + slots, tl.zeros((CANDIDATES,), tl.int64) + eos, mask=slots < NUM_BEAMS)


@triton.jit
def _rank(values, is_there, slots):
    """Return how many of those that are there come before each: higher, or as high and earlier."""
    is_higher = values[None, :] > values[:, None]
    is_tied = (values[None, :] == values[:, None]) & (slots[None, :] < slots[:, None])
    return tl.sum(((is_higher | is_tied) & is_there[None, :]).to(tl.int32), 1)
