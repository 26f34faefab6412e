"""Rules on next-token scores, held against transformers' processors row by row."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    LogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from core.errors import ConfigError
from falcon.constraints import (
    banned_words,
    forced_prefix,
    min_new_tokens,
    no_repeat_ngram,
    prepare_banned_words,
    repetition_penalty,
)
from tests.falcon.tiny_falcon import CPU

VOCABULARY = 4  # few, so that tokens and phrases repeat
EOS = 0

tokens = st.integers(0, VOCABULARY - 1)


class Rows:
    """Rows of different age in one tensor; what lies beyond a row's history is whatever was there before."""

    def __init__(self, texts: list[list[int]], room: int, seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        self.texts = texts
        self.lengths = torch.tensor([len(text) for text in texts])
        size = int(self.lengths.max()) + room
        self.history = torch.randint(VOCABULARY, (len(texts), size), generator=random)
        for row, text in enumerate(texts):
            self.history[row, : len(text)] = torch.tensor(text)
        self.scores = torch.randn(len(texts), VOCABULARY, generator=random)

    def one_by_one(self, processor: LogitsProcessor) -> Tensor:
        """Return what `processor` makes of each row alone."""
        return torch.cat(
            [
                processor(torch.tensor([text]), row[None].clone())
                for text, row in zip(self.texts, self.scores, strict=True)
            ]
        )


rows = st.builds(
    Rows,
    st.lists(st.lists(tokens, min_size=1, max_size=9), min_size=1, max_size=5),
    st.integers(0, 3),
    st.integers(0, 2**31),
)


@given(rows, st.sampled_from([0.5, 1.0, 1.3, 5.0]))
def test_repetition_penalty_is_that_of_transformers(rows: Rows, penalty: float) -> None:
    mine = repetition_penalty(rows.scores, rows.history, rows.lengths, penalty)
    torch.testing.assert_close(mine, rows.one_by_one(RepetitionPenaltyLogitsProcessor(penalty)))


@given(rows, st.integers(1, 5))
def test_no_repeat_ngram_is_that_of_transformers(rows: Rows, size: int) -> None:
    mine = no_repeat_ngram(rows.scores, rows.history, rows.lengths, size)
    torch.testing.assert_close(mine, rows.one_by_one(NoRepeatNGramLogitsProcessor(size)))


@given(rows, st.lists(st.lists(tokens, min_size=1, max_size=4), min_size=1, max_size=5))
def test_banned_words_are_those_of_transformers(rows: Rows, words: list[list[int]]) -> None:
    mine = banned_words(rows.scores, rows.history, rows.lengths, prepare_banned_words(words, CPU))
    torch.testing.assert_close(mine, rows.one_by_one(NoBadWordsLogitsProcessor(words)))


@given(rows, st.integers(1, 5), st.integers(0, 5))
def test_min_new_tokens_is_that_of_transformers(rows: Rows, prompt_length: int, minimum: int) -> None:
    mine = min_new_tokens(rows.scores, rows.lengths - prompt_length, minimum, EOS)
    processor = MinNewTokensLengthLogitsProcessor(prompt_length, minimum, EOS, device="cpu")
    torch.testing.assert_close(mine, rows.one_by_one(processor))


@given(rows, st.data())
def test_forced_prefix_leaves_only_its_next_token_until_it_is_written(rows: Rows, data: st.DataObject) -> None:
    count = len(rows.texts)
    room = data.draw(st.integers(0, 4))
    prefix = data.draw(st.lists(st.lists(tokens, min_size=room, max_size=room), min_size=count, max_size=count))
    lengths = data.draw(st.lists(st.integers(0, room), min_size=count, max_size=count))
    written = data.draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    mine = forced_prefix(
        rows.scores,
        torch.tensor(written),
        torch.tensor(prefix, dtype=torch.int64).view(count, room),
        torch.tensor(lengths),
    )
    for row in range(count):
        expected = rows.scores[row].tolist()
        if written[row] < lengths[row]:
            forced = prefix[row][written[row]]
            expected = [score if token == forced else -torch.inf for token, score in enumerate(expected)]
        assert mine[row].tolist() == expected


@given(rows)
def test_rules_leave_the_callers_scores_alone(rows: Rows) -> None:
    before = rows.scores.clone()
    repetition_penalty(rows.scores, rows.history, rows.lengths, 2.0)
    no_repeat_ngram(rows.scores, rows.history, rows.lengths, 2)
    banned_words(rows.scores, rows.history, rows.lengths, prepare_banned_words([[1], [2, 3]], CPU))
    min_new_tokens(rows.scores, rows.lengths, 99, EOS)
    forced_prefix(rows.scores, rows.lengths * 0, rows.history, rows.lengths)
    assert torch.equal(rows.scores, before)


@given(rows)
def test_no_banned_word_forbids_nothing(rows: Rows) -> None:
    mine = banned_words(rows.scores, rows.history, rows.lengths, prepare_banned_words([], CPU))
    assert torch.equal(mine, rows.scores)


def test_row_that_is_shorter_than_a_banned_words_beginning_has_not_begun_it() -> None:
    history, words = torch.tensor([[1, 1], [1, 1]]), prepare_banned_words([[1, 1, 2]], CPU)
    scores = banned_words(torch.zeros(2, VOCABULARY), history, torch.tensor([1, 2]), words)
    assert scores.tolist() == [[0, 0, 0, 0], [0, 0, -torch.inf, 0]]


def test_banned_word_without_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no tokens; take it out"):
        prepare_banned_words([[1], []], CPU)


def test_ngram_of_no_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="no_repeat_ngram_size = 0 is too small; set 1 or more"):
        no_repeat_ngram(torch.zeros(1, 4), torch.zeros(1, 3, dtype=torch.long), torch.tensor([3]), 0)
