"""What the search may write next, for every request of a running batch: constraints, and words kept apart.

The rules themselves are pure functions (`falcon/constraints.py`, `falcon/diversity.py`). Here lies what they need to
know of each request, in static tensors with one place a seat, so that a captured graph can apply them.

Shapes: B seats, G groups, K beams of one group, N new tokens at most, T longest prompt, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.errors import ConfigError
from falcon.beam_search import Beams, SearchSettings
from falcon.constraints import banned_words, min_new_tokens, no_repeat_ngram, prepare_banned_words, repetition_penalty
from falcon.diversity import separate_words
from falcon.seats import to_device


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """Rules of all requests; those that are off cost nothing. Penalties of words are in nats.

    `words` (V,) bool marks the tokens that word penalties touch, `first_tokens` (V,) bool those that may come first.

    Raises:
        ConfigError: a value is out of range.
    """

    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    min_new_tokens: int = 0
    bad_words_ids: Sequence[Sequence[int]] = field(default=())
    word_diversity_penalty: float = 0.0
    word_repetition_penalty: float = 0.0
    words: Tensor | None = None
    first_tokens: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.repetition_penalty > 0:
            raise ConfigError(f"repetition_penalty = {self.repetition_penalty} is out of range; set more than 0.")
        for name in ("no_repeat_ngram_size", "min_new_tokens", "word_diversity_penalty", "word_repetition_penalty"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} = {getattr(self, name)} is out of range; set 0 or more.")
        if self._has_word_penalty and self.words is None:
            raise ConfigError("word penalties need to know which tokens begin words; give words.")

    @property
    def _has_word_penalty(self) -> bool:
        return self.word_diversity_penalty > 0 or self.word_repetition_penalty > 0

    @property
    def separates_words(self) -> bool:
        """Whether groups are kept apart by their words."""
        return self._has_word_penalty

    @property
    def reads_history(self) -> bool:
        """Whether a rule looks at what a row has read and written."""
        return self.repetition_penalty != 1.0 or self.no_repeat_ngram_size > 0 or bool(self.bad_words_ids)

    @property
    def is_empty(self) -> bool:
        """Whether scores stay as they are."""
        return not (self.reads_history or self.separates_words or self.min_new_tokens or self.first_tokens is not None)


@dataclass(frozen=True, slots=True)
class Known:
    """What rules know of a request, in tokens: its prompt, its subject, and prompts that it has to differ from."""

    prompt: Sequence[int]
    subject: Sequence[int]
    avoided: Sequence[int]


class SearchRules:
    """The rules with what they know of each seat."""

    def __init__(
        self,
        rules: RuleSettings,
        search: SearchSettings,
        *,
        num_seats: int,
        max_prompt_tokens: int,
        vocab_size: int,
        device: torch.device,
    ) -> None:
        """Make room for `num_seats` requests.

        Raises:
            ConfigError: a banned word has a token that the model does not know.
        """
        for token in (token for word in rules.bad_words_ids for token in word):
            if not 0 <= token < vocab_size:
                raise ConfigError(
                    f"bad_words_ids has {token}, outside of the vocabulary of {vocab_size}; use the model's tokenizer."
                )
        self.settings = rules
        self._search = search
        self._bad_words = prepare_banned_words(rules.bad_words_ids, device) if rules.bad_words_ids else None
        self._words = None if rules.words is None else rules.words.to(device)
        self._forbidden_first = None if rules.first_tokens is None else ~rules.first_tokens.to(device)
        self._prompts = torch.zeros(num_seats, max_prompt_tokens, dtype=torch.int64, device=device)
        marks = (num_seats, vocab_size if rules.separates_words else 0)
        self._subjects = torch.zeros(marks, dtype=torch.bool, device=device)
        self._avoided = torch.zeros(marks, dtype=torch.bool, device=device)

    def join(self, newcomers: Sequence[tuple[int, Known]]) -> None:
        """Take in what is known of the requests in some seats."""
        device = self._prompts.device
        seats = to_device([seat for seat, _ in newcomers], device)
        if self.settings.reads_history:
            self._prompts.index_copy_(
                0, seats, self._padded([one.prompt for _, one in newcomers], self._prompts.shape[1])
            )
        if self.settings.separates_words:
            for static, tokens in (
                (self._subjects, [one.subject for _, one in newcomers]),
                (self._avoided, [one.avoided for _, one in newcomers]),
            ):
                marks = torch.zeros(len(newcomers), static.shape[1], dtype=torch.bool, device=device)
                width = max(1, *map(len, tokens))
                static.index_copy_(0, seats, marks.scatter_(1, self._padded(tokens, width), True))

    def _padded(self, texts: Sequence[Sequence[int]], width: int) -> Tensor:
        """Return `texts` as rows, filled up with EOS, which is no word and beyond every prompt's length."""
        eos = self._search.eos_token_id
        return to_device([[*text, *[eos] * (width - len(text))] for text in texts], self._prompts.device)

    def move(self, sources: Tensor, targets: Tensor) -> None:
        """Put what is known of seats `sources` (S,) int64 into seats `targets` (S,)."""
        for known in (self._prompts, self._subjects, self._avoided):
            known.index_copy_(0, targets, known.index_select(0, sources))

    def apply(self, log_probs: Tensor, beams: Beams, prompt_lengths: Tensor) -> Tensor:
        """Return scores (B, G, K, V): the `log_probs` of the next token after every rule.

        `prompt_lengths` (B,) int64. The seats are the first B, as those of `beams`.
        """
        num_seats, groups, num_beams, vocabulary = log_probs.shape
        rows = groups * num_beams
        scores = log_probs.reshape(num_seats * rows, vocabulary)
        num_new = beams.num_steps.repeat_interleave(rows)
        rules = self.settings
        if rules.reads_history:
            scores = self._apply_to_history(scores, beams, prompt_lengths)
        if rules.min_new_tokens:
            scores = min_new_tokens(scores, num_new, rules.min_new_tokens, self._search.eos_token_id)
        if self._forbidden_first is not None:
            scores = scores.masked_fill((num_new == 0).unsqueeze(1) & self._forbidden_first, -torch.inf)
        scores = scores.view(log_probs.shape)
        return self._separate(scores, beams) if rules.separates_words else scores

    def _apply_to_history(self, scores: Tensor, beams: Beams, prompt_lengths: Tensor) -> Tensor:
        rows = beams.tokens.shape[1] * beams.tokens.shape[2]
        history = self._history(beams, prompt_lengths).flatten(0, 1)  # (R, T + N)
        lengths = (prompt_lengths + beams.num_steps).repeat_interleave(rows)
        rules = self.settings
        if rules.repetition_penalty != 1.0:
            scores = repetition_penalty(scores, history, lengths, rules.repetition_penalty)
        if rules.no_repeat_ngram_size:
            scores = no_repeat_ngram(scores, history, lengths, rules.no_repeat_ngram_size)
        if self._bad_words is not None:
            scores = banned_words(scores, history, lengths, self._bad_words)
        return scores

    def _history(self, beams: Beams, prompt_lengths: Tensor) -> Tensor:
        """Return (B, G·K, T + N) each row's prompt, and right behind it what it has written."""
        num_seats, new_tokens = len(prompt_lengths), beams.tokens.flatten(1, 2)
        prompts = self._prompts[:num_seats]
        columns = torch.arange(prompts.shape[1] + new_tokens.shape[2], device=prompts.device)
        places = columns - prompt_lengths.unsqueeze(1)  # (B, T + N) among the new tokens; below 0 in the prompt
        written = new_tokens.gather(2, _for_rows(places.clamp(0, new_tokens.shape[2] - 1), new_tokens))
        read = prompts.gather(1, columns.clamp(max=prompts.shape[1] - 1).expand(num_seats, -1))
        return torch.where((places < 0).unsqueeze(1), read.unsqueeze(1), written)

    def _separate(self, scores: Tensor, beams: Beams) -> Tensor:
        assert self._words is not None
        num_seats = len(scores)
        # A group that is over speaks by what it has finished. EOS stands for what is not written, and is no word.
        is_open = beams.is_open[:, :, None, None]
        tokens = torch.where(is_open, beams.tokens, beams.finished_tokens)
        lengths = torch.where(is_open, beams.num_steps[:, None, None, None], beams.finished_lengths.unsqueeze(3))
        is_written = torch.arange(tokens.shape[3], device=scores.device) < lengths
        tokens = tokens.where(is_written, self._search.eos_token_id)
        used = torch.zeros_like(scores, dtype=torch.bool).scatter_(3, tokens, True)
        return separate_words(
            scores,
            used,
            self._subjects[:num_seats].unsqueeze(1),
            self._avoided[:num_seats].unsqueeze(1),
            self._words,
            is_open=beams.is_open,
            diversity_penalty=self.settings.word_diversity_penalty,
            word_repetition_penalty=self.settings.word_repetition_penalty,
        )


def _for_rows(places: Tensor, rows: Tensor) -> Tensor:
    return places.unsqueeze(1).expand(-1, rows.shape[1], -1)
