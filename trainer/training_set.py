"""The pairs of a run as token documents: those that are learned from and those that are measured on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from core.errors import ConfigError, InvalidData
from core.logs import get_logger
from trainer.cleaning import NameFinder
from trainer.dataset import TrainingData
from trainer.likelihood import NO_LIMIT_TOKENS
from trainer.tokens import Document, encode
from trainer.train_config import TokenConfig

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Documents to learn from and to measure on; `num_validation_bytes` is the UTF-8 length of the latter's answers."""

    train: Sequence[Document]
    validation: Sequence[Document]
    num_validation_bytes: int


def encode_data(data: TrainingData, tokenizer: PreTrainedTokenizerBase, tokens: TokenConfig) -> TrainingSet:
    """Encode both sides. Long answers are cut for learning, and stay whole (or out, without room) for measuring.

    Raises:
        ConfigError: max_document_tokens has no room for any subject.
        InvalidData: nothing is left to measure on.
    """
    train = encode(data.train, tokenizer, max_document_tokens=tokens.max_document_tokens)
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
        tokens=sum(map(len, train.documents)),
        cut=train.num_cut,
        dropped=train.num_dropped,
        validation=len(measured),
    )
    return TrainingSet(
        train=train.documents,
        validation=[document for _, document in measured],
        num_validation_bytes=sum(len(pair.prompt.encode()) for pair, _ in measured),
    )


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
