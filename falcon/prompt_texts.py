"""Between a person's idea and tokens: what the model reads, and the prompts that its texts become.

Whatever decodes uses it, so that the engine and the reference offer the same prompts for the same beams.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from core.records import CandidateDraft
from falcon.decode_config import DecodeConfig
from falcon.diversity import boundary_tokens, word_starts
from falcon.finishing import finish_prompt
from falcon.generator import GenerationRequest
from falcon.selection import Hypothesis, avoidable_text, choose
from falcon.template import render_opening, render_question

MAX_SUBJECT_TOKENS = 96  # a script that the tokenizer does not know costs three tokens a letter
MAX_PROMPT_TOKENS = 256  # the question and the opening both hold the subject; the template has about a dozen tokens


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """What the model reads for one request: the whole prompt, and within it the subject; and what to keep away from."""

    prompt: list[int]
    subject: list[int]
    avoided: list[int]


class PromptTexts:
    """The texts of one model's tokenizer under one decoding configuration."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: DecodeConfig, vocab_size: int) -> None:
        self.tokenizer, self.config = tokenizer, config
        self.eos_token_id = int(tokenizer.eos_token_id)
        self.bad_words_ids: list[list[int]] = [
            tokenizer(f" {words}", add_special_tokens=False)["input_ids"] for words in config.beam_search.bad_words
        ]
        self.words: torch.Tensor = word_starts(tokenizer, vocab_size)
        self.boundary: torch.Tensor = boundary_tokens(tokenizer, vocab_size)

    def num_groups(self, request: GenerationRequest) -> int:
        """Return G, so that there is a group for each candidate."""
        return max(self.config.beam_search.num_beam_groups, request.num_candidates)

    def tokens(self, request: GenerationRequest) -> PromptTokens:
        """Return what the model reads for `request`."""
        subject = self._readable(request.subject)
        return PromptTokens(
            self._encode(render_question(subject) + render_opening(subject)),
            self._encode(render_opening(subject)),
            self._encode(avoidable_text(request.avoid)),
        )

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer(text)["input_ids"]
        return tokens

    def _readable(self, subject: str) -> str:
        """Return what the model reads of a subject; the whole of it stands in the finished prompt all the same."""
        tokens = self.tokenizer(subject, add_special_tokens=False)["input_ids"]
        if len(tokens) <= MAX_SUBJECT_TOKENS:
            return subject
        return str(self.tokenizer.decode(tokens[:MAX_SUBJECT_TOKENS])).rstrip("\ufffd")

    def hypothesis(self, tokens: list[int], score: float) -> Hypothesis:
        """Return the text of new tokens up to their end; `score` is their mean log-probability in nats."""
        is_ended = self.eos_token_id in tokens
        return Hypothesis(self.decode(tokens), score, is_ended)

    def decode(self, tokens: list[int]) -> str:
        """Return the text of new tokens up to their end."""
        is_ended = self.eos_token_id in tokens
        written = tokens[: tokens.index(self.eos_token_id)] if is_ended else tokens
        return str(self.tokenizer.decode(written, skip_special_tokens=True))

    def candidates(self, request: GenerationRequest, found: Sequence[Hypothesis]) -> tuple[CandidateDraft, ...]:
        """Return the candidates to offer, best first, of all that a request's beams found."""
        finished = [
            Hypothesis(finish_prompt(request, item.text, is_ended=item.is_ended), item.score, item.is_ended)
            for item in found
        ]
        selection = self.config.selection
        chosen = choose(
            finished,
            request.num_candidates,
            min_distance=selection.min_distance,
            distance_weight=selection.distance_weight,
            avoid=request.avoid,
        )
        return tuple(
            CandidateDraft(rank=rank, text=item.text, score=round(item.score, 4), is_ended=item.is_ended)
            for rank, item in enumerate(chosen, 1)
        )
