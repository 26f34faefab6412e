"""Pairs as documents: what is learned from may be cut, what is measured on is whole or left out."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from core.errors import ConfigError, InvalidData
from falcon.loading import load_tokenizer
from tests.falcon.tiny_falcon import write_tiny_falcon
from trainer.data.card import DataCard
from trainer.dataset import TrainingData
from trainer.pairs import Pair
from trainer.preferences.encoding import balance
from trainer.preferences.examples import PreferredDocument, RatedDocument
from trainer.preferences.pairs import JudgedPair, PreferredPair
from trainer.tokens import Document
from trainer.train_config import TokenConfig
from trainer.training_set import encode_data, read_names

SHORT = Pair("a fox", "a fox in the snow")
LONG = Pair("a fox", f"a fox{' in the snow' * 30}")
CARD = DataCard(
    content_hash="0",
    midjourney_version="8.2",
    num_names=0,
    validation_share=0.1,
    seed=0,
    num_train=1,
    num_distinct=1,
    num_validation=1,
    num_votes=0,
    parameters={},
    sources=(),
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return load_tokenizer(write_tiny_falcon(tmp_path_factory.mktemp("base") / "tiny"))


def data(train: tuple[Pair, ...], validation: tuple[Pair, ...]) -> TrainingData:
    return TrainingData(train=train, validation=validation, card=CARD)


def tokens(*, block_tokens: int) -> TokenConfig:
    return TokenConfig(max_document_tokens=32, block_tokens=block_tokens, is_packed=True)


def test_long_answers_are_cut_for_learning_and_whole_for_measuring(tokenizer: PreTrainedTokenizerBase) -> None:
    made = encode_data(data((SHORT, LONG), (SHORT, LONG)), tokenizer, tokens(block_tokens=256))
    assert [len(document) <= 32 for document in made.train] == [True, True]
    assert len(made.validation[1]) > 90
    assert made.validation[1].input_ids[-1] == tokenizer.eos_token_id
    assert made.num_validation_bytes == len(SHORT.prompt) + len(LONG.prompt)


def test_what_no_block_has_room_for_is_not_measured(tokenizer: PreTrainedTokenizerBase) -> None:
    made = encode_data(data((SHORT,), (SHORT, LONG)), tokenizer, tokens(block_tokens=64))
    assert (len(made.validation), made.num_validation_bytes) == (1, len(SHORT.prompt))
    with pytest.raises(InvalidData, match="Every validation prompt is longer than block_tokens = 64; set more"):
        encode_data(data((SHORT,), (LONG,)), tokenizer, tokens(block_tokens=64))


def test_names_are_read_one_a_line(tmp_path: Path) -> None:
    assert len(read_names(None)) == 0
    (tmp_path / "names.txt").write_text("Zora Quillfeather\n\nÖlaf\n", encoding="utf-8")
    names = read_names(str(tmp_path / "names.txt"))
    assert names.find("a fox by zora quillfeather") == "zora quillfeather"


def test_names_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe")
    for name in ("names.txt", "gone.txt"):
        with pytest.raises(ConfigError, match=r"names_file = .* cannot be read as text"):
            read_names(str(tmp_path / name))


def test_judged_pairs_are_learned_from_once_and_as_what_people_said(tokenizer: PreTrainedTokenizerBase) -> None:
    other = Pair("an owl", "an owl at night")
    judged = (JudgedPair(pair=SHORT, is_liked=True, weight=2.0), JudgedPair(pair=LONG, is_liked=False, weight=0.5))
    found = replace(data((SHORT, SHORT, other), (SHORT,)), judged=judged)
    plain, liked, disliked = encode_data(found, tokenizer, tokens(block_tokens=256)).train
    assert isinstance(plain, Document)
    assert isinstance(liked, RatedDocument)
    assert isinstance(disliked, RatedDocument)
    assert (liked.is_liked, disliked.is_liked) == (True, False)
    assert (liked.weight, disliked.weight) == (1.25, 1.25), "both sides are worth the same"
    answers = [example.document.num_answer_tokens for example in (liked, disliked)]
    assert liked.usual_tokens == disliked.usual_tokens == sum(answers) / 2


def test_preferred_pairs_come_as_one_example_beside_the_others(tokenizer: PreTrainedTokenizerBase) -> None:
    other = Pair("a fox", "a fox at night")
    preferred = (PreferredPair(chosen=SHORT, rejected=other, weight=0.5),)
    plain, both = encode_data(
        replace(data((SHORT,), (SHORT,)), preferred=preferred), tokenizer, tokens(block_tokens=256)
    ).train
    assert isinstance(both, PreferredDocument)
    assert both.chosen == plain
    assert both.rejected != both.chosen
    assert len(both) == len(both.chosen) + len(both.rejected)


def test_weighed_pair_counts_as_much_as_its_weight(tokenizer: PreTrainedTokenizerBase) -> None:
    other = Pair("an owl", "an owl at night")
    made = encode_data(
        replace(data((SHORT, other), (SHORT,)), weights={other: 0.25}), tokenizer, tokens(block_tokens=256)
    )
    assert [example.num_counted for example in made.train] == [
        made.train[0].documents[0].num_answer_tokens,
        made.train[1].documents[0].num_answer_tokens / 4,
    ]


def test_likes_and_dislikes_are_worth_the_same_together_and_as_much_as_before() -> None:
    judged = [
        JudgedPair(pair=Pair("a", str(number)), is_liked=number < 2, weight=1.0 + number % 2) for number in range(8)
    ]
    factors = balance(judged)
    sides = {
        is_liked: sum(factors[is_liked] * one.weight for one in judged if one.is_liked is is_liked)
        for is_liked in (False, True)
    }
    assert sides[True] == pytest.approx(sides[False])
    assert sum(sides.values()) == pytest.approx(sum(one.weight for one in judged))
    assert balance(judged[:2]) == {False: 1.0, True: 1.0}, "nobody disliked anything"
