"""From raw files to sides without leaks, and from pairs to tokens."""

import gzip
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from core.errors import ConfigError
from core.parameters import parse
from tests.trainer.invented_data import (
    LISTED_NAME,
    NUM_DISCORD_ROWS,
    NUM_MIDJOURNEY_ROWS,
    NUM_NATURAL_ROWS,
    UNLISTED_NAME,
    VERSION,
    held_subject,
    leaks,
)
from trainer.cleaning import NameFinder
from trainer.pairs import Pair, pairs_of, split_key, trigrams
from trainer.pretraining.corpus import (
    EOS_ID,
    EOS_TOKEN,
    PAD_ID,
    PAD_TOKEN,
    Corpus,
    EncodedPairs,
    _pairs_by_row,
    build_corpus,
    encode,
    render,
    train_tokenizer,
)

SIDES = ("general_train", "general_validation", "midjourney_train", "midjourney_validation")
FILES = (
    "midjourney_prompts.jsonl.gz",
    "discord_prompts.jsonl.gz",
    "natural_pairs.jsonl.gz",
    "vocabulary/artists.txt",
)


def keys(pairs: list[Pair]) -> set[str]:
    return {split_key(text) for pair in pairs for text in (pair.subject, pair.prompt)}


def test_every_side_has_a_fair_part_of_the_rows(corpus: Corpus) -> None:
    assert 10 <= len(corpus.midjourney_validation) <= 0.25 * NUM_MIDJOURNEY_ROWS
    assert len(corpus.midjourney_train) > 0.6 * NUM_MIDJOURNEY_ROWS
    assert len(corpus.general_train) > 0.6 * (NUM_DISCORD_ROWS + NUM_NATURAL_ROWS)
    assert corpus.general_validation


def test_no_subject_or_first_clause_of_the_midjourney_validation_is_trained_on(corpus: Corpus) -> None:
    held = keys(corpus.midjourney_validation)
    assert not held & keys(corpus.midjourney_train)
    assert not held & keys(corpus.general_train)
    assert len(held) >= 10


def test_no_first_clause_of_the_general_validation_is_trained_on(corpus: Corpus) -> None:
    held = {split_key(pair.prompt) for pair in corpus.general_validation}
    assert not held & {split_key(pair.prompt) for pair in (*corpus.general_train, *corpus.midjourney_train)}


def test_no_training_prompt_shares_half_its_words_with_a_held_out_one(corpus: Corpus) -> None:
    held = [trigrams(pair.prompt) for pair in corpus.midjourney_validation]
    for pair in (*corpus.midjourney_train, *corpus.general_train):
        own = trigrams(pair.prompt)
        assert max(len(own & other) for other in held) * 2 < len(own)


def test_rows_that_would_leak_are_dropped_and_counted(corpus: Corpus) -> None:
    same_subject, same_words = (next(pairs_of(row, NameFinder([]), version=VERSION)) for row in leaks())
    assert split_key(same_subject.prompt) == split_key(held_subject())
    trained = {pair.prompt for pair in (*corpus.general_train, *corpus.midjourney_train)}
    assert not trained & {same_subject.prompt, same_words.prompt}
    assert corpus.counts["dropped: subject is held out"] >= 1
    assert corpus.counts["dropped: near a held-out prompt"] >= 1


def test_counts_are_those_of_the_sides_and_repeats_are_dropped(corpus: Corpus) -> None:
    for side in SIDES:
        pairs = getattr(corpus, side)
        assert corpus.counts[side] == len(pairs) == len(set(pairs))
    assert corpus.counts["midjourney_validation: repeats dropped"] >= 1


def test_no_listed_name_and_no_name_that_follows_by_reaches_any_side(corpus: Corpus) -> None:
    everything = list(chain.from_iterable(getattr(corpus, side) for side in SIDES))
    texts = [f"{pair.subject} {pair.prompt}" for pair in everything]
    for name in (LISTED_NAME.lower(), UNLISTED_NAME):
        assert not [text for text in texts if name in text]
    assert any("slow heavy copper clouds" in text for text in texts), "the rest of such a row stays"


def test_general_text_has_no_parameters_and_midjourney_text_has_those_of_today(corpus: Corpus) -> None:
    assert not [pair for pair in corpus.general_train if "--" in pair.prompt]
    names = {parameter.name for pair in corpus.midjourney_train for parameter in parse(pair.prompt).parameters}
    assert names == {"aspect", "no"}


def test_fewer_general_rows_are_read_when_so_asked(data_folder: Path, corpus: Corpus) -> None:
    smaller = build_corpus(data_folder, version=VERSION, max_general_rows=40)
    assert 0 < len(smaller.general_train) < 0.5 * len(corpus.general_train)
    assert len(smaller.midjourney_validation) == len(corpus.midjourney_validation)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(data_folder: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    (folder / name).unlink()
    with pytest.raises(ConfigError, match="--data must name the folder") as caught:
        build_corpus(folder, version=VERSION)
    assert str(folder / name) in str(caught.value)


@pytest.mark.parametrize(
    "damaged",
    [
        b"not gzip",
        gzip.compress(b'{"text": "a fox"}\n' * 500)[:-20],
        gzip.compress(b"not json\n"),
        gzip.compress(b"\xff\xfe\n"),
        gzip.compress(b'{"txt": "a fox"}\n'),
        gzip.compress(b"[1]\n"),
    ],
    ids=["no gzip", "cut off", "no JSON", "no UTF-8", "another key", "no object"],
)
def test_damaged_file_is_named(data_folder: Path, tmp_path: Path, damaged: bytes) -> None:
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    (folder / "midjourney_prompts.jsonl.gz").write_bytes(damaged)
    with pytest.raises(ConfigError, match=r"midjourney_prompts\.jsonl\.gz is no gzipped JSON lines with a 'text' each"):
        build_corpus(folder, version=VERSION)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_many_rows_are_cleaned_in_order_on_all_cores() -> None:
    real = {2500: "a red fox, soft light, early dusk", 7999: "an old owl, misty dawn, tall trees"}
    rows = [real.get(number, "x") for number in range(8001)]
    found = _pairs_by_row(rows, NameFinder([]), VERSION)
    assert [[pair.subject for pair in pairs] for pairs in found] == [["a red fox"], ["an old owl"]]


@pytest.fixture(scope="module")
def tokenizer(corpus: Corpus) -> Tokenizer:
    return train_tokenizer(map(render, corpus.midjourney_train), vocab_size=400)


def test_special_tokens_have_their_fixed_numbers(tokenizer: Tokenizer) -> None:
    assert tokenizer.token_to_id(EOS_TOKEN) == EOS_ID == 0
    assert tokenizer.token_to_id(PAD_TOKEN) == PAD_ID == 1
    assert tokenizer.get_vocab_size() == 400


@pytest.mark.parametrize("text", ["a red fox, f/1.4 --ar 16:9", "café 東京 🐱\n\t x"])
def test_tokenizer_folds_case_and_gives_any_lower_case_text_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.encode(text.upper()).ids == tokenizer.encode(text).ids


def test_documents_lie_end_to_end_each_with_its_end_of_sequence(corpus: Corpus, tokenizer: Tokenizer) -> None:
    pairs = corpus.midjourney_train[:50]
    encoded = encode(pairs, tokenizer, max_tokens=1000)
    assert len(encoded) == 50
    assert encoded.offsets[0] == 0
    assert encoded.offsets[-1] == len(encoded.tokens)
    for number, pair in enumerate(pairs):
        tokens = encoded.tokens[encoded.offsets[number] : encoded.offsets[number + 1]].tolist()
        assert tokens[-1] == EOS_ID
        assert tokens.count(EOS_ID) == 1
        assert tokenizer.decode(tokens, skip_special_tokens=False) == render(pair)
        assert encoded.text_bytes[number] == len((pair.subject + pair.prompt).encode())
        assert encoded.lengths[number] == len(tokens)


def test_longer_document_is_left_out_and_never_cut(tokenizer: Tokenizer) -> None:
    short, long = Pair("a fox", "a fox, dusk"), Pair("a fox", "a fox, " + "soft light " * 40)
    limit = len(tokenizer.encode(render(short)).ids)
    encoded = encode([long, short, long], tokenizer, max_tokens=limit)
    assert encoded.lengths.tolist() == [limit]
    assert len(encode([short], tokenizer, max_tokens=limit - 1)) == 0


def test_encoded_pairs_are_read_back_as_written(corpus: Corpus, tokenizer: Tokenizer, tmp_path: Path) -> None:
    encoded = encode(corpus.midjourney_validation, tokenizer, max_tokens=1000)
    encoded.save(tmp_path / "side.npz")
    again = EncodedPairs.load(tmp_path / "side.npz")
    for name in ("tokens", "offsets", "text_bytes"):
        assert np.array_equal(getattr(again, name), getattr(encoded, name))
        assert getattr(again, name).dtype == getattr(encoded, name).dtype
