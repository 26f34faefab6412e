"""What may be said next: rules on next-token scores that every row of a batch keeps for itself.

Each function takes log-probabilities and returns new ones, as transformers' processor of the same purpose does. None
waits for the device, and lengths are values on the device, so that rows of different age share one CUDA graph. The
module does not know beams: a row's history is all that it has read and written, wherever that came from.

Shapes: R rows, T the room for history, V vocabulary, W banned words of up to L tokens. `history` (R, T) int64 begins at
column 0 and counts up to `lengths` (R,) int64; what lies beyond is ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BannedWords:
    """Token sequences that must not be written, prepared on a device."""

    beginnings: Tensor  # (W, L-1) int64, all but the last token, right-aligned
    is_padding: Tensor  # (W, L-1) bool, columns before a shorter sequence
    last_tokens: Tensor  # (W,) int64
    lengths: Tensor  # (W,) int64, of the beginnings


def prepare_banned_words(words: Sequence[Sequence[int]], device: torch.device) -> BannedWords:
    """Return `words`, sequences of one token or more, ready for `banned_words`; there may be none.

    Raises:
        ConfigError: a word has no tokens, and would forbid everything.
    """
    if not all(words):
        raise ConfigError("A banned word has no tokens; take it out of the list, or spell it.")
    size = max(map(len, words), default=1) - 1
    beginnings = [[0] * (size + 1 - len(word)) + list(word[:-1]) for word in words]
    lengths = torch.tensor([len(word) - 1 for word in words], dtype=torch.int64)
    return BannedWords(
        beginnings=torch.tensor(beginnings, dtype=torch.int64).view(len(words), size).to(device),
        is_padding=(torch.arange(size) < size - lengths[:, None]).to(device),
        last_tokens=torch.tensor([word[-1] for word in words], dtype=torch.int64).to(device),
        lengths=lengths.to(device),
    )


def repetition_penalty(scores: Tensor, history: Tensor, lengths: Tensor, penalty: float) -> Tensor:
    """Return `scores` (R, V) with those of a row's own tokens divided by `penalty`, or multiplied when below 0."""
    is_known = torch.arange(history.shape[1], device=history.device) < lengths[:, None]
    is_written = _marks(scores, history, is_known)
    return torch.where(is_written, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def no_repeat_ngram(scores: Tensor, history: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Return `scores` (R, V) with minus infinity where a token would write a row of `size` tokens a second time."""
    if size < 1:
        raise ConfigError(f"no_repeat_ngram_size = {size} is too small; set 1 or more, or leave the rule out.")
    if history.shape[1] < size:
        return scores
    grams = history.unfold(1, size, 1)  # (R, T-size+1, size)
    is_known = torch.arange(size, history.shape[1] + 1, device=history.device) <= lengths[:, None]
    end = _end(history, lengths, size - 1)
    is_begun = (grams[..., :-1] == end.unsqueeze(1)).all(2) & is_known
    return scores.masked_fill(_marks(scores, grams[..., -1], is_begun), -torch.inf)


def banned_words(scores: Tensor, history: Tensor, lengths: Tensor, words: BannedWords) -> Tensor:
    """Return `scores` (R, V) with minus infinity where a token would complete one of `words`."""
    end = _end(history, lengths, words.beginnings.shape[1])
    is_begun = ((end.unsqueeze(1) == words.beginnings) | words.is_padding).all(2)  # (R, W)
    is_begun &= words.lengths <= lengths[:, None]
    return scores.masked_fill(_marks(scores, words.last_tokens.expand_as(is_begun), is_begun), -torch.inf)


def min_new_tokens(scores: Tensor, num_new: Tensor, minimum: int, eos_token_id: int) -> Tensor:
    """Return `scores` (R, V) with minus infinity for EOS in rows that wrote fewer than `minimum` tokens (R,)."""
    scores = scores.clone()
    scores[:, eos_token_id].masked_fill_(num_new < minimum, -torch.inf)
    return scores


def forced_prefix(scores: Tensor, num_new: Tensor, prefix: Tensor, prefix_lengths: Tensor) -> Tensor:
    """Return `scores` (R, V) with minus infinity for all but the next token of a row's prefix, while it lasts.

    A row has written `num_new` (R,) tokens and has to begin with the first `prefix_lengths` (R,) of `prefix` (R, P).
    """
    if not prefix.shape[1]:
        return scores
    place = num_new.clamp(max=prefix.shape[1] - 1)
    is_other = torch.arange(scores.shape[1], device=scores.device) != prefix.gather(1, place[:, None])
    return scores.masked_fill((num_new < prefix_lengths)[:, None] & is_other, -torch.inf)


def _end(history: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Return (R, size) the last `size` tokens of each row, something of its beginning where it has fewer."""
    places = lengths[:, None] - size + torch.arange(size, device=history.device)
    return history.gather(1, places.clamp(min=0))


def _marks(scores: Tensor, tokens: Tensor, is_meant: Tensor) -> Tensor:
    """Return (R, V) True for the `tokens` (R, X) that `is_meant` (R, X) names."""
    rows, vocabulary = scores.shape
    marks = torch.zeros(rows, vocabulary + 1, dtype=torch.bool, device=scores.device)
    # A column of its own takes what is not meant: one token may be meant in one place and not in another.
    marks.scatter_(1, torch.where(is_meant, tokens, vocabulary), True)
    return marks[:, :vocabulary]
