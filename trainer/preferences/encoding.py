"""Judged and preferred pairs as examples for a step; what the base model makes of them is still missing."""

import statistics
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from trainer.dataset import TrainingData
from trainer.pairs import Pair
from trainer.preferences.examples import PreferredDocument, RatedDocument
from trainer.preferences.pairs import JudgedPair
from trainer.tokens import Document, Example, encode


def encode_opinions(
    data: TrainingData, tokenizer: PreTrainedTokenizerBase, *, max_document_tokens: int
) -> list[Example]:
    """Return an example for each opinion of `data` whose pairs fit into documents, cut where they are too long.

    All of them count like an answer of the mean length. Likes and dislikes are weighed so that both sides are worth the
    same together, which is within what Ethayarajh et al. 2024 (arXiv 2402.01306) advise: with few likes
    the model would mostly learn to write otherwise than it does.

    Raises:
        ConfigError: as trainer.tokens.encode says.
    """
    pairs = [
        *(one.pair for one in data.judged),
        *(pair for one in data.preferred for pair in (one.chosen, one.rejected)),
    ]
    documents = _by_pair(pairs, tokenizer, max_document_tokens)
    if not documents:
        return []
    usual = statistics.fmean(document.num_answer_tokens for document in documents.values())
    judged = [one for one in data.judged if one.pair in documents]
    factors = balance(judged)
    rated = [
        RatedDocument(
            document=documents[one.pair],
            is_liked=one.is_liked,
            usual_tokens=usual,
            weight=one.weight * factors[one.is_liked],
        )
        for one in judged
    ]
    preferred = [
        PreferredDocument(
            chosen=documents[one.chosen], rejected=documents[one.rejected], usual_tokens=usual, weight=one.weight
        )
        for one in data.preferred
        if one.chosen in documents and one.rejected in documents
    ]
    return [*rated, *preferred]


def balance(judged: Sequence[JudgedPair]) -> dict[bool, float]:
    """Return the factors of dislikes (False) and likes (True) that give both sides half of the whole weight.

    Where one side is empty, nothing can be balanced.
    """
    sides = {is_liked: sum(one.weight for one in judged if one.is_liked is is_liked) for is_liked in (False, True)}
    if not all(sides.values()):
        return {False: 1.0, True: 1.0}
    return {is_liked: sum(sides.values()) / 2 / side for is_liked, side in sides.items()}


def _by_pair(
    pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerBase, max_document_tokens: int
) -> dict[Pair, Document]:
    distinct = list(dict.fromkeys(pairs))
    encoded = encode(distinct, tokenizer, max_document_tokens=max_document_tokens)
    return {distinct[number]: document for number, document in zip(encoded.numbers, encoded.documents, strict=True)}
