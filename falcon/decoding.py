"""Beam search through transformers' `generate`, behind the `Generator` port: the reference for the engine.

Each request becomes G rows of one batch, each row a beam search of its own; `falcon/diversity.py` keeps the rows of a
request apart, `falcon/prompt_texts.py` makes tokens of ideas and prompts of tokens. It serves every causal model that
transformers loads, where the engine knows Falcon-7B's shape only.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from core.errors import OutOfMemory
from core.records import ModelInfo
from falcon.decode_config import DecodeConfig
from falcon.diversity import GroupDiversity, WordBoundary
from falcon.generator import Generated, GenerationRequest
from falcon.loading import LoadedModel
from falcon.memory import is_out_of_memory
from falcon.prompt_texts import PromptTexts
from falcon.selection import Hypothesis


class StopCancelled(StoppingCriteria):
    """End the rows of requests that are cancelled while they decode."""

    def __init__(self, requests: Sequence[GenerationRequest]) -> None:
        self._requests = requests

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Return (S,) bool, True ends a row; beam search asks for S continuations, more than it has beams."""
        flags = torch.tensor([request.is_cancelled() for request in self._requests], device=input_ids.device)
        return flags.repeat_interleave(len(input_ids) // len(self._requests))


@dataclass(frozen=True, slots=True)
class _Prompts:
    """One batch: `input_ids` and `attention_mask` (Q·G, T), padded on the left; the lists are tokens per row."""

    input_ids: Tensor
    attention_mask: Tensor
    subjects: list[list[int]]
    avoided: list[list[int]]


class TransformersGenerator:
    """The reference implementation of the `Generator` port."""

    def __init__(self, loaded: LoadedModel, config: DecodeConfig) -> None:
        self._model, self._tokenizer, self._config = loaded.model, loaded.tokenizer, config
        self._info = loaded.info
        self._device = next(loaded.model.parameters()).device
        self._texts = PromptTexts(loaded.tokenizer, config, int(loaded.model.config.vocab_size))
        self._words, self._boundary = self._texts.words.to(self._device), self._texts.boundary.to(self._device)

    @property
    def info(self) -> ModelInfo:
        """What answers."""
        return self._info

    @property
    def settings(self) -> dict[str, object]:
        """The decoding settings, to be stored beside each candidate."""
        return self._config.as_dict()

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generated]:
        """Answer all `requests` together, in their order; see the port."""
        started = time.monotonic()
        texts: dict[str, list[Hypothesis]] = {}
        try:
            for groups, batch in self._by_groups(requests):
                texts |= zip([request.id for request in batch], self._search(batch, groups), strict=True)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            torch.cuda.empty_cache()
            raise OutOfMemory(f"Decoding {len(requests)} requests at once does not fit into memory.") from error
        seconds = time.monotonic() - started
        return [
            Generated(
                request_id=request.id,
                candidates=() if request.is_cancelled() else self._texts.candidates(request, texts[request.id]),
                decoding_seconds=seconds,
            )
            for request in requests
        ]

    def _search(self, requests: Sequence[GenerationRequest], groups: int) -> list[list[Hypothesis]]:
        """Return each request's hypotheses: `num_beams` continuations of each group, best first."""
        search = self._config.beam_search
        prompts = self._prompts(requests, groups)
        prompt_length = prompts.input_ids.shape[1]
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=prompts.input_ids,
                attention_mask=prompts.attention_mask,
                generation_config=self._generation_config(),
                logits_processor=self._processors(prompts, groups, prompt_length),
                stopping_criteria=StoppingCriteriaList([StopCancelled(requests)]),
            )
            new_tokens = output[:, prompt_length:]  # (Q·G·K, up to max_new_tokens)
            scores = self._mean_log_probabilities(prompts, output)
        found = [
            self._texts.hypothesis(row, score) for row, score in zip(new_tokens.tolist(), scores.tolist(), strict=True)
        ]
        size = groups * search.num_beams
        return [found[start : start + size] for start in range(0, len(found), size)]

    def _by_groups(self, requests: Sequence[GenerationRequest]) -> Iterator[tuple[int, list[GenerationRequest]]]:
        """Yield batches of requests that need as many groups, so that none changes another's answer."""
        batches: dict[int, list[GenerationRequest]] = defaultdict(list)
        for request in requests:
            batches[self._texts.num_groups(request)].append(request)
        yield from batches.items()

    def _prompts(self, requests: Sequence[GenerationRequest], groups: int) -> _Prompts:
        read = [self._texts.tokens(request) for request in requests]
        batch = self._tokenizer.pad({"input_ids": [tokens.prompt for tokens in read]}, return_tensors="pt")
        return _Prompts(
            batch["input_ids"].repeat_interleave(groups, dim=0).to(self._device),
            batch["attention_mask"].repeat_interleave(groups, dim=0).to(self._device),
            [tokens.subject for tokens in read for _ in range(groups)],
            [tokens.avoided for tokens in read for _ in range(groups)],
        )

    def _generation_config(self) -> GenerationConfig:
        search = self._config.beam_search
        return GenerationConfig(
            do_sample=False,
            num_beams=search.num_beams,
            num_return_sequences=search.num_beams,
            length_penalty=search.length_penalty,
            no_repeat_ngram_size=search.no_repeat_ngram_size,
            min_new_tokens=search.min_new_tokens,
            max_new_tokens=search.max_new_tokens,
            early_stopping=search.early_stopping,
            eos_token_id=self._tokenizer.eos_token_id,
            pad_token_id=self._tokenizer.pad_token_id,
            bad_words_ids=self._texts.bad_words_ids or None,
        )

    def _processors(self, prompts: _Prompts, groups: int, prompt_length: int) -> LogitsProcessorList:
        search = self._config.beam_search
        return LogitsProcessorList(
            [
                WordBoundary(self._boundary, prompt_length),
                GroupDiversity(
                    num_groups=groups,
                    num_beams=search.num_beams,
                    prompt_length=prompt_length,
                    words=self._words,
                    subject_tokens=prompts.subjects,
                    avoided_tokens=prompts.avoided,
                    diversity_penalty=search.diversity_penalty,
                    word_repetition_penalty=search.word_repetition_penalty,
                ),
            ]
        )

    def _mean_log_probabilities(self, prompts: _Prompts, sequences: Tensor) -> Tensor:
        """Return (R,) the mean log-probability of each row's new tokens under the model, without any penalty."""
        prompt_length = prompts.input_ids.shape[1]
        new = sequences[:, prompt_length:]
        is_real = real_tokens(new, self._tokenizer.eos_token_id)
        mask = torch.cat(
            [prompts.attention_mask.repeat_interleave(len(sequences) // len(prompts.input_ids), 0), is_real],
            1,
        )
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        logits = self._model(
            input_ids=sequences,
            attention_mask=mask,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=new.shape[1] + 1,  # the prompt's own logits are the larger part, and nobody reads them
        ).logits[:, :-1]
        chosen = logits.float().log_softmax(-1).gather(2, new.unsqueeze(2)).squeeze(2)
        means: Tensor = (chosen * is_real).sum(1) / is_real.sum(1).clamp(min=1)
        return means


def real_tokens(new: Tensor, eos_token_id: int) -> Tensor:
    """Return (R, N) 1 up to and with the first end-of-sequence token of each row of `new`, 0 after it; N may be 0."""
    ended_before = (new == eos_token_id).cumsum(1).roll(1, dims=1)
    ended_before[:, :1] = 0
    is_real: Tensor = (ended_before == 0).long()
    return is_real
