"""Read the raw prompt files, build leak-free splits of pairs, and encode them into flat token arrays.

It knows the files' names and layout, not how a model is trained. Raw text never leaves this module except as tokens.
"""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from core.errors import ConfigError
from falcon.template import render_answer, render_question
from trainer.cleaning import NameFinder
from trainer.pairs import NearDuplicates, Pair, is_validation, pairs_of, split_key

EOS_TOKEN, PAD_TOKEN = "<|endoftext|>", "<|pad|>"
EOS_ID, PAD_ID = 0, 1
MIDJOURNEY_VALIDATION_PERCENT = 12.0
GENERAL_VALIDATION_PERCENT = 1.0
_CHUNK_ROWS = 2000


@dataclass(slots=True)
class Corpus:
    """Pairs by source and side. `general` is the large corpus without parameters, `midjourney` the small one with."""

    general_train: list[Pair] = field(default_factory=list)
    general_validation: list[Pair] = field(default_factory=list)
    midjourney_train: list[Pair] = field(default_factory=list)
    midjourney_validation: list[Pair] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class EncodedPairs:
    """Documents as one flat array: `tokens` (N,) uint16, `offsets` (D + 1,) int64, `text_bytes` (D,) int64.

    `text_bytes` counts the UTF-8 bytes of subject and prompt, the denominator of bits per byte.
    """

    tokens: npt.NDArray[np.uint16]
    offsets: npt.NDArray[np.int64]
    text_bytes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each document, (D,) int64."""
        return np.diff(self.offsets)

    def save(self, path: Path) -> None:
        """Write one compressed `.npz` file."""
        np.savez_compressed(path, tokens=self.tokens, offsets=self.offsets, text_bytes=self.text_bytes)

    @classmethod
    def load(cls, path: Path) -> "EncodedPairs":
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["tokens"], arrays["offsets"], arrays["text_bytes"])


def build_corpus(data: Path, *, version: str, max_general_rows: int | None = None) -> Corpus:
    """Read `data` and return its pairs, split by first clause, with near-duplicates of validation prompts left out.

    Raises:
        ConfigError: a file of the data folder is missing or damaged.
    """
    names = NameFinder(read_artist_names(data))
    corpus = Corpus(counts=Counter({"names to remove": len(names)}))
    midjourney_train, midjourney_validation = midjourney_sides(data, names, version=version)
    general = _pairs_by_row(_texts(data / "discord_prompts.jsonl.gz", max_general_rows), names, version)
    natural = _pairs_by_row(_texts(data / "natural_pairs.jsonl.gz", max_general_rows, key="prompt"), names, version)
    held_keys = {key for pairs in midjourney_validation for key in _keys(pairs)}
    near = NearDuplicates(pairs[0].prompt for pairs in midjourney_validation)
    corpus.midjourney_validation = [pairs[-1] for pairs in midjourney_validation]
    for pairs in midjourney_train:
        corpus.midjourney_train.extend(pair for pair in pairs if _may_train([pair], held_keys, near, corpus.counts))
    for pairs in (*general, *natural):
        if _is_held(pairs, GENERAL_VALIDATION_PERCENT):
            corpus.general_validation.append(pairs[-1])
        elif _may_train(pairs, held_keys, near, corpus.counts):
            corpus.general_train.extend(pairs)
    _drop_repeats(corpus)
    return corpus


def midjourney_sides(data: Path, names: NameFinder, *, version: str) -> tuple[list[list[Pair]], list[list[Pair]]]:
    """Return the pairs of every usable Midjourney prompt, training side first, validation side second."""
    rows = _pairs_by_row(_texts(data / "midjourney_prompts.jsonl.gz"), names, version)
    train = [pairs for pairs in rows if not _is_held(pairs, MIDJOURNEY_VALIDATION_PERCENT)]
    return train, [pairs for pairs in rows if _is_held(pairs, MIDJOURNEY_VALIDATION_PERCENT)]


def read_artist_names(data: Path) -> list[str]:
    """Return the names that no training text may hold."""
    return _existing(data / "vocabulary" / "artists.txt").read_text(encoding="utf-8").splitlines()


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError(f"{path} is missing: --data must name the folder that holds the prompt files.")
    return path


def _texts(path: Path, limit: int | None = None, *, key: str = "text") -> Iterator[str]:
    try:
        with gzip.open(_existing(path), "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if limit is not None and number >= limit:
                    return
                yield json.loads(line)[key]
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{path} is no gzipped JSON lines with a {key!r} each ({error}); fetch it again.") from error


def _pairs_by_row(texts: Iterable[str], names: NameFinder, version: str) -> list[list[Pair]]:
    """Return the pairs of every row that has any, in order; rows are cleaned on all cores."""
    rows = list(texts)
    chunks = [rows[start : start + _CHUNK_ROWS] for start in range(0, len(rows), _CHUNK_ROWS)]
    work = partial(_pairs_of_chunk, names=names, version=version)
    if len(chunks) < 4:
        return [pairs for chunk in chunks for pairs in work(chunk)]
    with ProcessPoolExecutor() as pool:
        return [pairs for found in pool.map(work, chunks) for pairs in found]


def _pairs_of_chunk(rows: list[str], *, names: NameFinder, version: str) -> list[list[Pair]]:
    found = (list(pairs_of(text, names, version=version)) for text in rows)
    return [pairs for pairs in found if pairs]


def _keys(pairs: list[Pair]) -> set[str]:
    return {split_key(text) for pair in pairs for text in (pair.subject, pair.prompt)}


def _is_held(pairs: list[Pair], percent: float) -> bool:
    return is_validation(split_key(pairs[0].prompt), percent=percent)


def _may_train(pairs: list[Pair], held_keys: set[str], near: NearDuplicates, counts: Counter[str]) -> bool:
    if not held_keys.isdisjoint(_keys(pairs)):
        counts["dropped: subject is held out"] += 1
        return False
    if pairs[0].prompt in near:
        counts["dropped: near a held-out prompt"] += 1
        return False
    return True


def _drop_repeats(corpus: Corpus) -> None:
    for side in ("general_train", "general_validation", "midjourney_train", "midjourney_validation"):
        pairs: list[Pair] = getattr(corpus, side)
        unique = list(dict.fromkeys(pairs))
        corpus.counts[f"{side}: repeats dropped"] = len(pairs) - len(unique)
        corpus.counts[side] = len(unique)
        setattr(corpus, side, unique)


def train_tokenizer(documents: Iterable[str], *, vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE of `vocab_size` tokens that folds case, with end-of-sequence as 0 and padding as 1."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[EOS_TOKEN, PAD_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def render(pair: Pair) -> str:
    """Return a pair as one training document."""
    return render_question(pair.subject) + render_answer(pair.prompt, EOS_TOKEN)


def encode(
    pairs: list[Pair], tokenizer: Tokenizer, *, max_tokens: int, as_text: Callable[[Pair], str] = render
) -> EncodedPairs:
    """Encode `pairs` as documents; those longer than `max_tokens` are left out, never cut."""
    kept: list[npt.NDArray[np.uint16]] = []
    text_bytes: list[int] = []
    for start in range(0, len(pairs), 10_000):
        chunk = pairs[start : start + 10_000]
        encodings = tokenizer.encode_batch([as_text(pair) for pair in chunk])
        for pair, encoding in zip(chunk, encodings, strict=True):
            if len(encoding.ids) <= max_tokens:
                kept.append(np.asarray(encoding.ids, dtype=np.uint16))
                text_bytes.append(len(pair.subject.encode()) + len(pair.prompt.encode()))
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in kept])]).astype(np.int64)
    tokens = np.concatenate(kept) if kept else np.empty(0, dtype=np.uint16)
    return EncodedPairs(tokens, offsets, np.asarray(text_bytes, dtype=np.int64))
