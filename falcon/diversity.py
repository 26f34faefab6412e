"""Keep the beam groups of one request apart while they decode.

Diverse beam search (Vijayakumar et al. 2016, arXiv 1610.02424) subtracts from a group's scores what earlier groups
chose at the same step. Here every group is a beam search of its own inside one `generate` call, and a word counts as
used from the step another group chose it, so ideas stay apart over the whole text (the paper's cumulative variant).
Only tokens that begin a word are touched: punctuation, parameters and the pieces that finish a word stay free.

Shapes: Q requests, G groups of one request, K beams of one group, R rows = Q·G·K, T tokens, V vocabulary.
"""

import torch
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedTokenizerBase

_FREE_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "of",
        "in",
        "on",
        "at",
        "with",
        "by",
        "to",
        "for",
        "from",
        "as",
        "is",
        "are",
        "its",
        "his",
        "her",
        "into",
        "over",
        "under",
        "no",
        "not",
        "very",
        "it",
    ]
)


def word_starts(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> Tensor:
    """Return (V,) bool: tokens that begin a content word, that is a space and at least two letters."""
    marks = torch.zeros(vocab_size, dtype=torch.bool)
    for token_id, text in enumerate(_token_texts(tokenizer, vocab_size)):
        word = text[1:].lower()
        marks[token_id] = text.startswith(" ") and len(word) > 1 and word.isalpha() and word not in _FREE_WORDS
    return marks


def boundary_tokens(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> Tensor:
    """Return (V,) bool: tokens that may follow a finished word, so that a subject's last word cannot grow."""
    marks = torch.zeros(vocab_size, dtype=torch.bool)
    special = set(tokenizer.all_special_ids)
    for token_id, text in enumerate(_token_texts(tokenizer, vocab_size)):
        marks[token_id] = token_id not in special and text[:1] in (" ", ",", ";", ":")
    return marks


def _token_texts(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> list[str]:
    known = min(vocab_size, len(tokenizer))
    return [str(tokenizer.decode([token_id])) for token_id in range(known)] + [""] * (vocab_size - known)


class GroupDiversity(LogitsProcessor):
    """Take `diversity_penalty` nats from words that other groups of the same request have used, or are using now.

    `word_repetition_penalty` is taken from words that the row itself has used since `prompt_length`, or that stand in
    its subject (`subject_tokens`, one list for each group's row). Words of prompts that the request has to differ from
    (`avoided_tokens`, likewise) cost the same as words of another group.
    """

    def __init__(
        self,
        *,
        num_groups: int,
        num_beams: int,
        prompt_length: int,
        words: Tensor,
        subject_tokens: list[list[int]],
        avoided_tokens: list[list[int]],
        diversity_penalty: float,
        word_repetition_penalty: float,
    ) -> None:
        self._groups, self._beams, self._prompt_length = num_groups, num_beams, prompt_length
        self._words = words
        self._diversity, self._repetition = diversity_penalty, word_repetition_penalty
        self._subjects = _marks(subject_tokens, words)
        self._avoided = _marks(avoided_tokens, words)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the log-probabilities `scores` (R, V) with penalties taken; `input_ids` is (R, T)."""
        vocab = scores.shape[-1]
        shape = (-1, self._groups, self._beams, vocab)
        return separate_words(
            scores.view(shape),
            self._used_words(input_ids, vocab).view(shape),
            self._subjects.view(-1, self._groups, vocab),
            self._avoided.view(-1, self._groups, vocab),
            self._words,
            diversity_penalty=self._diversity,
            word_repetition_penalty=self._repetition,
        ).view_as(scores)

    def _used_words(self, input_ids: Tensor, vocab: int) -> Tensor:
        used = torch.zeros(input_ids.shape[0], vocab, dtype=torch.bool, device=input_ids.device)
        return used.scatter_(1, input_ids[:, self._prompt_length :], True)


def separate_words(
    scores: Tensor,
    used: Tensor,
    subjects: Tensor,
    avoided: Tensor,
    words: Tensor,
    *,
    diversity_penalty: float,
    word_repetition_penalty: float,
    is_open: Tensor | None = None,
) -> Tensor:
    """Return `scores` (Q, G, K, V) with the penalties of `GroupDiversity` taken, all in nats.

    `used` (Q, G, K, V) bool marks what each row has written since its prompt; `subjects` and `avoided` are (Q, G, V)
    bool, or (Q, 1, V) where all groups of a request share them; `words` (V,) bool marks the tokens that may cost.
    A group that is not open (Q, G) chooses nothing more; None takes all to be open.
    """
    by_group = used[:, :, 0]  # the best beam speaks for its group: (Q, G, V)
    by_others = (by_group.sum(1, keepdim=True) - by_group.int()) > 0
    repeated = (used | subjects.unsqueeze(2)) & words
    result = scores - word_repetition_penalty * repeated
    result = result - diversity_penalty * ((by_others | avoided) & words).unsqueeze(2)
    _separate_this_step(result, words, diversity_penalty, is_open)
    return result


def _separate_this_step(scores: Tensor, words: Tensor, diversity_penalty: float, is_open: Tensor | None) -> None:
    """Take the penalty from words that earlier groups are about to choose; changes `scores` (Q, G, K, V)."""
    chosen = torch.zeros(scores.shape[0], scores.shape[-1], dtype=torch.bool, device=scores.device)
    for group in range(scores.shape[1]):
        scores[:, group] -= diversity_penalty * (chosen & words).unsqueeze(1)
        best = scores[:, group].argmax(-1)  # (Q, K)
        if is_open is None:
            chosen.scatter_(1, best, True)
        else:
            chosen |= torch.zeros_like(chosen).scatter_(1, best, True) & is_open[:, group : group + 1]


def _marks(tokens_of_rows: list[list[int]], words: Tensor) -> Tensor:
    """Return (Q·G, V) bool on the device of `words` (V,), True where a row's list names the token."""
    marks = torch.zeros(len(tokens_of_rows), words.shape[0], dtype=torch.bool, device=words.device)
    for row, tokens in enumerate(tokens_of_rows):
        marks[row, tokens] = True
    return marks


class WordBoundary(LogitsProcessor):
    """Let the first new token only be one that may follow a finished word."""

    def __init__(self, allowed: Tensor, prompt_length: int) -> None:
        self._forbidden, self._prompt_length = ~allowed, prompt_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return `scores` (R, V) with minus infinity where a word would grow, at the first step only."""
        if input_ids.shape[1] > self._prompt_length:
            return scores
        return scores.masked_fill(self._forbidden, float("-inf"))
