"""The pairs of a run as token documents: what is learned from, by the objective, and what is measured on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from core.errors import ConfigError, InvalidData
from core.logs import get_logger
from trainer.cleaning import NameFinder
from trainer.dataset import TrainingData
from trainer.likelihood import NO_LIMIT_TOKENS
from trainer.pairs import Pair
from trainer.preferences.encoding import encode_opinions
from trainer.tokens import Document, EncodedDocuments, Example, encode
from trainer.train_config import TokenConfig

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Examples to learn from and documents to measure on; `num_validation_bytes` is the length of the latter's answers.

    The length is that of their UTF-8.
    """

    train: Sequence[Example]
    validation: Sequence[Document]
    num_validation_bytes: int


def encode_data(data: TrainingData, tokenizer: PreTrainedTokenizerBase, tokens: TokenConfig) -> TrainingSet:
    """Encode both sides. Long answers are cut for learning, and stay whole (or out, without room) for measuring.

    What is learned from: pairs as they are, then those that people judged, then those of which they preferred one. The
    latter two still lack what the base model makes of them (trainer/preferences/reference.py).

    Raises:
        ConfigError: max_document_tokens has no room for any subject.
        InvalidData: nothing is left to measure on.
    """
    judged = {one.pair for one in data.judged}
    plain = [pair for pair in data.train if pair not in judged]
    train = encode(plain, tokenizer, max_document_tokens=tokens.max_document_tokens)
    opinions = encode_opinions(data, tokenizer, max_document_tokens=tokens.max_document_tokens)
    whole = encode(data.validation, tokenizer, max_document_tokens=NO_LIMIT_TOKENS).documents
    measured = [
        (pair, document)
        for pair, document in zip(data.validation, whole, strict=True)
        if len(document) <= tokens.block_tokens
    ]
    if not measured:
        raise InvalidData(
            f"Every validation prompt is longer than block_tokens = {tokens.block_tokens}; set more, or add prompts."
        )
    log.info(
        "train.data_ready",
        documents=len(train.documents),
        opinions=len(opinions),
        tokens=sum(map(len, (*train.documents, *opinions))),
        cut=train.num_cut,
        dropped=train.num_dropped,
        validation=len(measured),
    )
    return TrainingSet(
        train=[*_weighed(train, plain, data.weights), *opinions],
        validation=[document for _, document in measured],
        num_validation_bytes=sum(len(pair.prompt.encode()) for pair, _ in measured),
    )


def _weighed(encoded: EncodedDocuments, pairs: Sequence[Pair], weights: Mapping[Pair, float]) -> Iterator[Document]:
    for number, document in zip(encoded.numbers, encoded.documents, strict=True):
        yield replace(document, weight=weights.get(pairs[number], 1.0))


def read_names(file: str | None) -> NameFinder:
    """Return the names that no prompt may hold, none without a file.

    Raises:
        ConfigError: the file cannot be read.
    """
    if file is None:
        return NameFinder(())
    try:
        return NameFinder(Path(file).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"names_file = {file!r} cannot be read as text: {error}.") from error
