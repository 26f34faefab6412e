"""Pairs as documents: what is learned from may be cut, what is measured on is whole or left out."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from core.errors import ConfigError, InvalidData
from falcon.loading import load_tokenizer
from tests.falcon.tiny_falcon import write_tiny_falcon
from trainer.data.card import DataCard
from trainer.dataset import TrainingData
from trainer.pairs import Pair
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
