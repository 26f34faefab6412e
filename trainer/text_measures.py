"""What can be counted on texts alone: variety, repetition, and how much was copied from the training set.

Pure functions over words. It knows no model, no tokens and no subjects.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from falcon.selection import PARAMETER_TAIL

COPIED_WORDS = 8  # the run that counts as copied, as in Radford et al. 2019 ("Language Models are Unsupervised …", §4)
MAX_BLEU_ORDER = 4
BLEU_EPSILON = 0.1  # stands for a count of zero: method 1 of Chen & Cherry 2014
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001 - the apostrophe that phones type

Words = tuple[str, ...]


def words_of(prompt: str) -> Words:
    """Return the words of a prompt without its parameters, in lower case and in order."""
    return tuple(_WORD.findall(PARAMETER_TAIL.sub("", prompt).lower()))


def ngrams(words: Words, size: int) -> list[Words]:
    """Return every run of `size` words, in order; none of a shorter text."""
    return [words[start : start + size] for start in range(len(words) - size + 1)]


def distinct(texts: Iterable[Words], size: int) -> float | None:
    """Return the distinct n-grams of all texts over all of their n-grams (Li et al. 2016, arXiv 1510.03055, §5.2).

    None means that no text is as long as `size`. The longer the texts, the lower it is: compare equally many.
    """
    grams = list(chain.from_iterable(ngrams(text, size) for text in texts))
    return len(set(grams)) / len(grams) if grams else None


def has_repeated_ngram(words: Words, size: int) -> bool:
    """Say whether a run of `size` words occurs twice."""
    grams = ngrams(words, size)
    return len(set(grams)) < len(grams)


def bleu(text: Words, references: Sequence[Words]) -> float:
    """Return sentence BLEU of up to 4-grams, 0 to 1 (Papineni et al. 2002).

    Longer n-grams without a match are smoothed by method 1 of Chen & Cherry 2014, so that a text that shares single
    words still gets a small number. A text that shares none gets 0.
    """
    if not any(set(text) & set(reference) for reference in references):
        return 0.0
    logarithms = [math.log(_precision(text, references, size)) for size in range(1, MAX_BLEU_ORDER + 1)]
    closest = min((len(reference) for reference in references), key=lambda length: (abs(length - len(text)), length))
    brevity = min(0.0, 1 - closest / len(text))
    return math.exp(brevity + sum(logarithms) / MAX_BLEU_ORDER)


def _precision(text: Words, references: Sequence[Words], size: int) -> float:
    """Return the clipped n-gram precision: each n-gram counts as often as the reference that has most of it."""
    counts = Counter(ngrams(text, size))
    limits: Counter[Words] = Counter()
    for reference in references:
        limits |= Counter(ngrams(reference, size))
    return ((counts & limits).total() or BLEU_EPSILON) / max(1, counts.total())


def self_bleu(texts: Sequence[Words]) -> float | None:
    """Return the mean BLEU of each text against all others (Zhu et al. 2018, arXiv 1802.01886); lower is more varied.

    None means that there are fewer than two texts.
    """
    if len(texts) < 2:
        return None
    scores = [bleu(text, [*texts[:number], *texts[number + 1 :]]) for number, text in enumerate(texts)]
    return sum(scores) / len(scores)


class CopyFinder:
    """Tell which runs of eight words occur in the training set.

    Kept as sorted 64-bit hashes, eight bytes a run: two different runs share a hash about once in 10^12 look-ups among
    ten million.
    """

    def __init__(self, prompts: Iterable[str]) -> None:
        runs = (hash(run) for prompt in prompts for run in ngrams(words_of(prompt), COPIED_WORDS))
        self._known = np.unique(np.fromiter(runs, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._known)

    def share(self, texts: Iterable[Words]) -> float:
        """Return the share of all runs of eight words that the training set has as well; 0 when there are none."""
        runs = [hash(run) for text in texts for run in ngrams(text, COPIED_WORDS)]
        found = np.isin(np.asarray(runs, dtype=np.int64), self._known)
        return float(found.mean()) if runs else 0.0
