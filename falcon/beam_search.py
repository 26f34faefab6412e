"""Beam search as arithmetic: scores of the next tokens in, the next beams out.

The rules are those of transformers 5.24 (`GenerationMixin._beam_search`), held by every request and every group of
beams as if it were alone in its batch. With a diversity penalty the groups of a request are those of Vijayakumar et
al. 2016 (arXiv 1610.02424, algorithm 1); without one they are searches of their own. It does not know the model, what
the tokens spell, where keys and values lie, or who waits: a caller gives scores and moves its rows as `advance` says.

All state lies in static tensors that are changed in place, and nothing here waits for the device, so that one step can
be captured in a CUDA graph and replayed; only `hypotheses` and `hypotheses_by_group` read values on the host.

Shapes: B requests, G groups, K beams of ONE group, N new tokens at most, C = 2K candidates of a group, V vocabulary or
the shortlist of a row.
"""

import math
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from core.errors import ConfigError

EarlyStopping = Literal["never"] | bool

IMPOSSIBLE = -1.0e9  # transformers' score of what must not be chosen; finite, so that sums with it stay ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """What every request of a batch is searched with.

    `num_beams` counts all beams of a request, those of all groups. `diversity_penalty` is in nats for each time an
    earlier group chose the same token in the same step. Lengths are in new tokens, EOS counted.

    Raises:
        ConfigError: a value is out of range, or two of them cannot go together.
    """

    num_beams: int
    num_beam_groups: int = 1
    num_return_sequences: int
    diversity_penalty: float = 0.0
    length_penalty: float = 1.0
    early_stopping: EarlyStopping = False
    max_new_tokens: int
    eos_token_id: int
    is_stochastic: bool = False

    def __post_init__(self) -> None:
        for name in ("num_beams", "num_beam_groups", "num_return_sequences", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} is too small; set 1 or more.")
        if self.eos_token_id < 0:
            raise ConfigError(f"eos_token_id = {self.eos_token_id} is no token; set the tokenizer's, 0 or more.")
        if self.early_stopping not in (True, False, "never"):
            raise ConfigError(f'early_stopping = {self.early_stopping!r} is unknown; set true, false or "never".')
        self._check_penalties()
        self._check_counts()

    def _check_penalties(self) -> None:
        if not math.isfinite(self.length_penalty):
            raise ConfigError(f"length_penalty = {self.length_penalty} is out of range; set a finite number.")
        if not math.isfinite(self.diversity_penalty) or self.diversity_penalty < 0:
            raise ConfigError(f"diversity_penalty = {self.diversity_penalty} is out of range; set 0 or more.")
        if self.is_stochastic and self.diversity_penalty > 0:
            raise ConfigError(
                f"diversity_penalty = {self.diversity_penalty} cannot go with is_stochastic; set one of them only."
            )

    def _check_counts(self) -> None:
        if self.num_beams % self.num_beam_groups:
            raise ConfigError(
                f"num_beams = {self.num_beams} cannot be shared out to num_beam_groups = {self.num_beam_groups}; set a "
                "multiple of it."
            )
        if self.num_return_sequences > self.num_beams:
            raise ConfigError(
                f"num_return_sequences = {self.num_return_sequences} is more than num_beams = {self.num_beams}; set at "
                "most as many."
            )

    @property
    def beams_per_group(self) -> int:
        """K, the beams of one group."""
        return self.num_beams // self.num_beam_groups

    @property
    def is_diverse(self) -> bool:
        """Whether a group has to know what earlier groups chose."""
        return self.num_beam_groups > 1 and self.diversity_penalty > 0


@dataclass(slots=True)
class Beams:
    """The state of B searches; every tensor begins with a request's seat, and is only ever changed in place."""

    tokens: Tensor  # (B, G, K, N) int64, what each running beam has written; EOS where nothing is written yet
    scores: Tensor  # (B, G, K) float32, running, best first, with penalties; perturbed when stochastic
    log_probs: Tensor  # (B, G, K) float32, running, the model's own
    finished_tokens: Tensor  # (B, G, K, N) int64, best first
    finished_scores: Tensor  # (B, G, K) float32, with the length penalty
    finished_log_probs: Tensor  # (B, G, K) float32
    finished_lengths: Tensor  # (B, G, K) int64, EOS counted
    is_finished: Tensor  # (B, G, K) bool, that place holds a finished hypothesis
    can_improve: Tensor  # (B, G) bool, once False always False
    num_steps: Tensor  # (B,) int64, new tokens of the beams that still run
    limits: Tensor  # (B,) int64, new tokens at most, 1 to N
    is_open: Tensor  # (B, G) bool, the group goes on


@dataclass(frozen=True, slots=True)
class FinishedBeam:
    """One hypothesis on the host: `tokens` with EOS where `is_ended`, and the summed `log_prob` in nats."""

    tokens: list[int]
    score: float
    log_prob: float
    is_ended: bool

    @property
    def length(self) -> int:
        """New tokens, EOS counted."""
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The C best continuations of each group, best first: (B, G, C) each."""

    scores: Tensor
    log_probs: Tensor
    parents: Tensor
    tokens: Tensor


def open_beams(num_requests: int, settings: SearchSettings, device: torch.device) -> Beams:
    """Return `num_requests` searches that are about to begin."""
    groups = (num_requests, settings.num_beam_groups)
    places = (*groups, settings.beams_per_group)
    texts = (*places, settings.max_new_tokens)
    beams = Beams(
        tokens=torch.zeros(texts, dtype=torch.int64, device=device),
        scores=torch.zeros(places, device=device),
        log_probs=torch.zeros(places, device=device),
        finished_tokens=torch.zeros(texts, dtype=torch.int64, device=device),
        finished_scores=torch.zeros(places, device=device),
        finished_log_probs=torch.zeros(places, device=device),
        finished_lengths=torch.zeros(places, dtype=torch.int64, device=device),
        is_finished=torch.zeros(places, dtype=torch.bool, device=device),
        can_improve=torch.zeros(groups, dtype=torch.bool, device=device),
        num_steps=torch.zeros(num_requests, dtype=torch.int64, device=device),
        limits=torch.zeros(num_requests, dtype=torch.int64, device=device),
        is_open=torch.zeros(groups, dtype=torch.bool, device=device),
    )
    reset(beams, torch.arange(num_requests, device=device), settings)
    return beams


def reset(beams: Beams, seats: Tensor, settings: SearchSettings, limits: Tensor | None = None) -> None:
    """Let the requests in `seats` (S,) int64 begin afresh, for `limits` (S,) int64 new tokens, N where not given."""
    for texts in (beams.tokens, beams.finished_tokens):
        texts.index_fill_(0, seats, settings.eos_token_id)
    # Beams of a group begin equal: only the first may be continued, or all would write the same.
    beams.scores.index_fill_(0, seats, IMPOSSIBLE)
    beams.scores[..., 0].index_fill_(0, seats, 0)
    beams.finished_scores.index_fill_(0, seats, IMPOSSIBLE)
    for zeroed in (beams.log_probs, beams.finished_log_probs, beams.finished_lengths, beams.num_steps):
        zeroed.index_fill_(0, seats, 0)
    if limits is None:
        beams.limits.index_fill_(0, seats, settings.max_new_tokens)
    else:
        beams.limits.index_copy_(0, seats, limits)
    beams.is_finished.index_fill_(0, seats, False)
    for flags in (beams.can_improve, beams.is_open):
        flags.index_fill_(0, seats, True)


def close(beams: Beams, seats: Tensor) -> None:
    """End the requests in `seats` (S,) int64 where they stand; an empty seat is closed too."""
    beams.is_open.index_fill_(0, seats, False)


def move(beams: Beams, sources: Tensor, targets: Tensor) -> None:
    """Put the requests of seats `sources` (S,) int64 into seats `targets` (S,); what was there is lost."""
    for tensor in _tensors(beams).values():
        tensor.index_copy_(0, targets, tensor.index_select(0, sources))


def take(beams: Beams, seats: Tensor, device: torch.device) -> Beams:
    """Return a copy of the requests in `seats` (S,) int64 on `device`, in that order."""
    return Beams(**{name: tensor.index_select(0, seats).to(device) for name, tensor in _tensors(beams).items()})


def _tensors(beams: Beams) -> dict[str, Tensor]:
    return {field.name: getattr(beams, field.name) for field in fields(beams)}


def advance(
    beams: Beams,
    scores: Tensor,
    settings: SearchSettings,
    *,
    token_ids: Tensor | None = None,
    log_probs: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Write one token in every open group of `beams`, in place; return the parents and tokens of the new beams.

    Parents (B, G, K) int64 are numbers of beams within the group, 0 to K-1, and tokens (B, G, K) int64 are what the
    new beams wrote. A group that is closed keeps all it has: its parents are its own beams and its tokens are EOS.

    `scores` (B, G, K, V) float32 are log-probabilities of the next token after constraints and penalties, `log_probs`
    (default: `scores`) those to be summed as the model's own. A stochastic search takes the perturbed totals of
    `falcon.stochastic_beams.perturb` as `scores`, and needs `log_probs`. `token_ids` (B, G, K, V) int64 names the
    columns of a shortlist; the result is that of the whole vocabulary when each row brings its 2K best tokens, and
    (G-1)·K more with a diversity penalty.
    """
    if settings.is_stochastic and log_probs is None:
        raise ValueError("A stochastic search sums log_probs, which perturbed scores do not tell; give both.")
    # 1. The 2K best continuations of each group: at most K of them end with EOS, so K go on.
    best = _best_candidates(beams, scores, settings, token_ids, scores if log_probs is None else log_probs)
    written = _written(beams, best)  # (B, G, C, N)
    is_last_step = beams.num_steps + 1 >= beams.limits
    is_ending = (best.tokens == settings.eos_token_id) | is_last_step[:, None, None]
    # 2. The K best that go on.
    running_scores, kept = (best.scores + is_ending * IMPOSSIBLE).topk(settings.beams_per_group)
    parents, tokens = best.parents.gather(2, kept), best.tokens.gather(2, kept)
    # 3. The K best of what ended before and now.
    is_open = beams.is_open.clone()
    if _may_end(is_ending):
        _finish(beams, best, written, is_ending, settings)
    _keep(beams.tokens, _gather_texts(written, kept), is_open)
    _keep(beams.scores, running_scores, is_open)
    _keep(beams.log_probs, best.log_probs.gather(2, kept), is_open)
    beams.num_steps.add_(is_open.any(1))
    # 4. Who goes on.
    _close(beams, running_scores[..., 0], is_ending.all(2), settings)
    own = torch.arange(settings.beams_per_group, device=parents.device)
    is_open = is_open.unsqueeze(2)
    return torch.where(is_open, parents, own), torch.where(is_open, tokens, settings.eos_token_id)


def _best_candidates(
    beams: Beams, scores: Tensor, settings: SearchSettings, token_ids: Tensor | None, log_probs: Tensor
) -> _Candidates:
    totals = scores if settings.is_stochastic else beams.scores.unsqueeze(3) + scores  # (B, G, K, V)
    if not settings.is_diverse:
        return _top(beams.log_probs, totals, token_ids, log_probs)
    names = torch.arange(scores.shape[3], device=scores.device).expand_as(scores) if token_ids is None else token_ids
    found: list[_Candidates] = []
    chosen = totals.new_empty((totals.shape[0], 0), dtype=torch.int64)  # (B, g·K), by the groups before g
    for group in range(settings.num_beam_groups):
        mine = slice(group, group + 1)
        times = (names[:, mine].unsqueeze(4) == chosen[:, None, None, None]).sum(4)  # (B, 1, K, V)
        augmented = totals[:, mine] - settings.diversity_penalty * times
        best = _top(beams.log_probs[:, mine], augmented, names[:, mine], log_probs[:, mine])
        found.append(best)
        chosen = torch.cat([chosen, _going_on(best, beams.is_open[:, group], settings)], 1)
    return _Candidates(*(torch.cat([getattr(best, field.name) for best in found], 1) for field in fields(_Candidates)))


def _top(sums: Tensor, totals: Tensor, token_ids: Tensor | None, log_probs: Tensor) -> _Candidates:
    """Return the 2K best of `totals` (B, G, K, V); `sums` (B, G, K) are the log-probabilities so far."""
    num_beams, size = totals.shape[2:]
    scores, places = totals.flatten(2).topk(2 * num_beams)
    parents = places // size
    tokens = places % size if token_ids is None else token_ids.flatten(2).gather(2, places)
    return _Candidates(scores, log_probs.flatten(2).gather(2, places) + sums.gather(2, parents), parents, tokens)


def _going_on(best: _Candidates, is_open: Tensor, settings: SearchSettings) -> Tensor:
    """Return (B, K) the tokens one group goes on with; -1 where it is closed. EOS is not among them."""
    is_eos = best.tokens == settings.eos_token_id
    kept = (best.scores + is_eos * IMPOSSIBLE).topk(settings.beams_per_group).indices
    return torch.where(is_open.unsqueeze(1), best.tokens.gather(2, kept).squeeze(1), -1)


def _written(beams: Beams, best: _Candidates) -> Tensor:
    """Return (B, G, C, N) the texts of the candidates, their new token in the column of their step."""
    columns = torch.arange(beams.tokens.shape[3], device=beams.tokens.device)
    is_new = columns == beams.num_steps[:, None, None, None]
    return torch.where(is_new, best.tokens.unsqueeze(3), _gather_texts(beams.tokens, best.parents))


def _gather_texts(texts: Tensor, places: Tensor) -> Tensor:
    return texts.gather(2, places.unsqueeze(3).expand(*places.shape, texts.shape[3]))


def _may_end(is_ending: Tensor) -> bool:
    """Say whether a candidate may end now; only a CPU looks, since asking a device would mean waiting for it."""
    return is_ending.device.type != "cpu" or bool(is_ending.any())


def _finish(beams: Beams, best: _Candidates, written: Tensor, is_ending: Tensor, settings: SearchSettings) -> None:
    """Keep the K best of the finished hypotheses and of those among the K best candidates that end now."""
    num_beams = settings.beams_per_group
    lengths = (beams.num_steps + 1)[:, None, None]
    is_among_best = torch.arange(2 * num_beams, device=is_ending.device) < num_beams
    is_new = is_ending & is_among_best
    scores = best.scores / _length_divisor(lengths, settings) + ~is_new * IMPOSSIBLE
    scores, kept = torch.cat([beams.finished_scores, scores], 2).topk(num_beams)
    is_open = beams.is_open
    _keep(beams.finished_scores, scores, is_open)
    for static, new in (
        (beams.finished_log_probs, best.log_probs),
        (beams.finished_lengths, lengths.expand_as(best.tokens)),
        (beams.is_finished, is_new),
    ):
        _keep(static, torch.cat([static, new], 2).gather(2, kept), is_open)
    _keep(beams.finished_tokens, _gather_texts(torch.cat([beams.finished_tokens, written], 2), kept), is_open)


def _close(beams: Beams, best_running: Tensor, is_ended: Tensor, settings: SearchSettings) -> None:
    """Close the groups that cannot improve, need no more, or have no beam left; (B, G) both."""
    lengths = beams.num_steps.unsqueeze(1)
    if settings.early_stopping == "never" and settings.length_penalty > 0:
        lengths = beams.limits.unsqueeze(1)
    best_possible = best_running / _length_divisor(lengths, settings)
    worst = torch.where(beams.is_finished, beams.finished_scores.amin(2, keepdim=True), IMPOSSIBLE)
    beams.can_improve.logical_and_((best_possible.unsqueeze(2) > worst).any(2) | ~beams.is_open)
    is_enough = beams.is_finished.all(2) & (settings.early_stopping is True and not settings.is_stochastic)
    beams.is_open.logical_and_(beams.can_improve & ~is_enough & ~is_ended)


def _length_divisor(lengths: Tensor, settings: SearchSettings) -> Tensor:
    """Return length ** penalty as float32; a perturbed score is never weighed by length."""
    penalty = 0.0 if settings.is_stochastic else settings.length_penalty
    return (lengths.double() ** penalty).float()


def _keep(static: Tensor, new: Tensor, is_open: Tensor) -> None:
    """Write `new` into `static`, in the groups (B, G) that are open only."""
    static.copy_(torch.where(is_open.view(*is_open.shape, *[1] * (static.dim() - 2)), new, static))


def hypotheses(beams: Beams, settings: SearchSettings) -> list[list[FinishedBeam]]:
    """Return each request's `num_return_sequences` best finished beams over all groups, best first.

    There are fewer only where a request is not over, or had no possible token left. Give a copy that lies on the CPU.
    """
    return [
        sorted((item for group in groups for item in group), key=lambda item: -item.score)[
            : settings.num_return_sequences
        ]
        for groups in hypotheses_by_group(beams, settings)
    ]


def hypotheses_by_group(beams: Beams, settings: SearchSettings) -> list[list[list[FinishedBeam]]]:
    """Return the finished beams of each group of each request, best first: K where the group is over."""
    texts, lengths = beams.finished_tokens.tolist(), beams.finished_lengths.tolist()
    scores, log_probs = beams.finished_scores.tolist(), beams.finished_log_probs.tolist()
    is_finished = beams.is_finished.tolist()

    def read(seat: int, group: int, place: int) -> FinishedBeam:
        tokens = texts[seat][group][place][: lengths[seat][group][place]]
        is_ended = tokens[-1] == settings.eos_token_id
        return FinishedBeam(tokens, scores[seat][group][place], log_probs[seat][group][place], is_ended)

    return [
        [
            [read(seat, group, place) for place, is_there in enumerate(places) if is_there]
            for group, places in enumerate(groups)
        ]
        for seat, groups in enumerate(is_finished)
    ]
