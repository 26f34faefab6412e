"""Pairs become documents by the template that serves, whole at the subject and closed by end-of-sequence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from core.errors import ConfigError
from core.settings import POCKET_FOLDER
from falcon.template import render_answer, render_opening, render_question
from trainer.pairs import Pair
from trainer.tokens import encode

BOY = Pair("a boy", "a boy running in the snow, oil on canvas --ar 16:9")
WORDS = st.lists(st.sampled_from(["a", "red", "fox", "löwe", "3d", "雪", "f/1.4", "“x”"]), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    """The shipped tokenizer: it lower-cases, and its end-of-sequence token is spelt <|endoftext|>."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(POCKET_FOLDER)
    return tokenizer


def test_document_is_the_rendered_question_and_answer(tokenizer: PreTrainedTokenizerBase) -> None:
    (document,) = encode([BOY], tokenizer, max_document_tokens=128).documents
    question = tokenizer.decode(document.input_ids[: document.num_question_tokens])
    answer = tokenizer.decode(document.input_ids[document.num_question_tokens :])
    assert question == render_question(BOY.subject)
    assert answer == render_answer(BOY.prompt, str(tokenizer.eos_token))


def test_every_document_ends_with_end_of_sequence_once(tokenizer: PreTrainedTokenizerBase) -> None:
    """Neither Falcon's tokenizer nor the pocket's adds it, and a model that never sees it never stops."""
    encoded = encode([BOY, Pair("a fox", "a fox, ink")], tokenizer, max_document_tokens=128)
    assert [document.input_ids.count(tokenizer.eos_token_id) for document in encoded.documents] == [1, 1]
    assert [document.input_ids[-1] for document in encoded.documents] == [tokenizer.eos_token_id] * 2
    assert (encoded.num_cut, encoded.num_dropped) == (0, 0)


def test_text_that_spells_a_special_token_does_not_become_one(tokenizer: PreTrainedTokenizerBase) -> None:
    pair = Pair(f"a {tokenizer.eos_token} boy", f"a {tokenizer.eos_token} boy in snow")
    (document,) = encode([pair], tokenizer, max_document_tokens=128).documents
    assert document.input_ids.index(tokenizer.eos_token_id) == len(document.input_ids) - 1


@given(subject=WORDS, rest=WORDS)
@settings(max_examples=60, deadline=None)
def test_model_reads_in_training_what_it_reads_when_it_serves(
    tokenizer: PreTrainedTokenizerBase, subject: list[str], rest: list[str]
) -> None:
    """Serving tokenises question and opening as one text; the document must begin with the very same tokens."""
    idea = " ".join(subject)
    (document,) = encode([Pair(idea, f"{idea}, {' '.join(rest)}")], tokenizer, max_document_tokens=256).documents
    served = tokenizer(render_question(idea) + render_opening(idea))["input_ids"]
    assert document.input_ids[: len(served)] == served


def test_long_answer_is_cut_at_its_end_and_does_not_pretend_to_stop(tokenizer: PreTrainedTokenizerBase) -> None:
    (whole,) = encode([BOY], tokenizer, max_document_tokens=128).documents
    encoded = encode([BOY], tokenizer, max_document_tokens=len(whole) - 1)
    assert encoded.num_cut == 1
    assert encoded.documents[0].input_ids == whole.input_ids[:-1]
    assert tokenizer.eos_token_id not in encoded.documents[0].input_ids


def test_subject_is_never_cut(tokenizer: PreTrainedTokenizerBase) -> None:
    """Every limit either keeps the subject in question and answer, or drops the pair and counts it."""
    short = Pair("a", "a b")
    (whole,) = encode([BOY], tokenizer, max_document_tokens=128).documents
    (shortest,) = encode([short], tokenizer, max_document_tokens=128).documents
    was_dropped = []
    for limit in range(len(shortest), len(whole) + 1):
        encoded = encode([short, BOY], tokenizer, max_document_tokens=limit)
        was_dropped.append(encoded.num_dropped == 1)
        if not was_dropped[-1]:
            assert tokenizer.decode(encoded.documents[1].input_ids).count(BOY.subject) == 2
    assert was_dropped == sorted(was_dropped, reverse=True)
    assert 0 < sum(was_dropped) < len(was_dropped)


def test_subject_that_fills_a_document_alone_is_dropped_and_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    endless = Pair("snow " * 60, "snow " * 60 + ", ink")
    encoded = encode([endless, BOY], tokenizer, max_document_tokens=64)
    assert (len(encoded.documents), encoded.num_dropped) == (1, 1)


def test_limit_that_no_subject_fits_into_is_refused_with_one_that_does(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ConfigError, match="max_document_tokens = 8 is less than any subject needs") as caught:
        encode([BOY], tokenizer, max_document_tokens=8)
    limit = int(str(caught.value).rsplit("set ", 1)[1].split()[0])
    assert len(encode([BOY], tokenizer, max_document_tokens=limit).documents) == 1
    with pytest.raises(ConfigError):
        encode([BOY], tokenizer, max_document_tokens=limit - 1)


def test_no_pairs_make_no_documents(tokenizer: PreTrainedTokenizerBase) -> None:
    assert encode([], tokenizer, max_document_tokens=64).documents == []


def test_more_pairs_than_one_batch_keep_their_order(tokenizer: PreTrainedTokenizerBase) -> None:
    pairs = [Pair(f"fox {number}", f"fox {number} in snow") for number in range(1005)]
    documents = encode(pairs, tokenizer, max_document_tokens=64).documents
    assert len(documents) == len(pairs)
    assert render_question("fox 1003") in tokenizer.decode(documents[1003].input_ids)
