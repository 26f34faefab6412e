"""Turn pairs into token documents by the template that serves, with the end-of-sequence token that ends an answer.

It knows the tokenizer and the template, not how documents are laid into batches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from core.errors import ConfigError
from falcon.template import render_answer, render_opening, render_question
from trainer.pairs import Pair

_BATCH_PAIRS = 1000


class Example(Protocol):
    """What a step learns from, laid into a block in one piece: a document, or some that belong together."""

    def __len__(self) -> int:
        """Return its tokens."""

    @property
    def documents(self) -> "tuple[Document, ...]":
        """The documents that it is made of, in the order in which they are laid into a block."""

    @property
    def num_counted(self) -> float:
        """How many answer tokens of a step it stands for; a step's loss is divided by the sum."""


@dataclass(frozen=True, slots=True)
class Document:
    """One question and its answer; the first `num_question_tokens` of `input_ids` are read and never learned.

    A `weight` of 2 teaches as much as two of it.
    """

    input_ids: list[int]
    num_question_tokens: int
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def documents(self) -> "tuple[Document, ...]":
        """Return the document itself."""
        return (self,)

    @property
    def num_answer_tokens(self) -> int:
        """Return how many of its tokens are learned."""
        return len(self) - max(1, self.num_question_tokens)

    @property
    def num_counted(self) -> float:
        """Return the answer tokens, as often as it counts."""
        return self.weight * self.num_answer_tokens


@dataclass(frozen=True, slots=True)
class EncodedDocuments:
    """Documents in the order of their pairs, and how many pairs did not come through whole.

    `numbers` are the places of the documents' pairs. `num_cut` answers lost their end; `num_dropped` pairs were left
    out, since their subject alone fills a document.
    """

    documents: list[Document]
    numbers: list[int]
    num_cut: int
    num_dropped: int


def encode(pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerBase, *, max_document_tokens: int) -> EncodedDocuments:
    """Return a document a pair, at most `max_document_tokens` long.

    An answer that is too long is cut at its end, and gets no end-of-sequence token, since nothing ends there; the
    subject, which stands in the question and again at the answer's beginning, is never cut.

    Raises:
        ConfigError: there are pairs and not one fits; the message names the shortest limit that would take one.
    """
    documents: list[Document] = []
    numbers: list[int] = []
    num_cut = num_dropped = shortest = 0
    for number, (pair, whole) in enumerate(zip(pairs, _whole_documents(pairs, tokenizer), strict=True)):
        if len(whole) > max_document_tokens:
            num_fixed = whole.num_question_tokens + len(_ids([render_opening(pair.subject)], tokenizer)[0])
            if num_fixed >= max_document_tokens:
                num_dropped += 1
                shortest = min(shortest or num_fixed, num_fixed)
                continue
            num_cut += 1
        documents.append(Document(whole.input_ids[:max_document_tokens], whole.num_question_tokens))
        numbers.append(number)
    if num_dropped and not documents:
        raise ConfigError(
            f"max_document_tokens = {max_document_tokens} is less than any subject needs; set {shortest + 1} or more."
        )
    return EncodedDocuments(documents, numbers, num_cut, num_dropped)


def _whole_documents(pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerBase) -> Iterator[Document]:
    """Yield each pair's document, however long."""
    for start in range(0, len(pairs), _BATCH_PAIRS):
        some = pairs[start : start + _BATCH_PAIRS]
        questions = _ids([render_question(pair.subject) for pair in some], tokenizer)
        answers = _ids([render_answer(pair.prompt, eos_token="") for pair in some], tokenizer)
        for question, answer in zip(questions, answers, strict=True):
            yield Document([*question, *answer, int(tokenizer.eos_token_id)], len(question))


def _ids(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Return the tokens of each text; one that spells out a special token is read as plain characters."""
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids
