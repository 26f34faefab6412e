"""How good a model is: how well it predicts held-out answers, and what people would see of it.

Answers are decoded by the generator that serves (falcon/decoding.py), and models are loaded as the worker loads them,
so that nothing is measured that nobody will meet. It knows no training loop and writes no file.
"""

import gc
import itertools
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from core.errors import InvalidData, MjpromptError, OutOfMemory
from core.logs import get_logger
from core.parameters import parse, validate
from core.records import CandidateDraft
from core.settings import Settings
from falcon.decode_config import read_decode_config
from falcon.decoding import TransformersGenerator
from falcon.generator import GenerationRequest, Generator
from falcon.loading import LoadedModel, load_model
from falcon.selection import content_words, jaccard_distance
from trainer.likelihood import Likelihood, measure_likelihood
from trainer.pairs import Pair
from trainer.run.stop_flag import Stopped
from trainer.text_measures import CopyFinder, Words, distinct, has_repeated_ngram, self_bleu, words_of

log = get_logger(__name__)
BASE, SERVING, CANDIDATE = "base", "serving", "candidate"
REPEATED_WORDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """What every model is measured on.

    `pairs` are the validation pairs; the first `num_subjects` of their subjects are answered (none of them: only losses
    are measured), `requests_at_once` together, with `num_candidates` each. `is_stop_wanted` is asked while they are.
    """

    pairs: tuple[Pair, ...]
    copies: CopyFinder
    midjourney_version: str
    num_subjects: int = 64
    num_candidates: int = 4
    requests_at_once: int = 4
    is_stop_wanted: Callable[[], bool] = lambda: False

    @property
    def subjects(self) -> list[str]:
        """The distinct subjects to answer, in the order of the pairs."""
        return list(dict.fromkeys(pair.subject for pair in self.pairs))[: self.num_subjects]

    def warm_up(self) -> "EvaluationPlan":
        """Return a plan for one answer that is not counted, since a process's first one takes longer."""
        return replace(self, num_subjects=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMeasures:
    """What people see. Shares (0 to 1) are over candidates where nothing else is said.

    `full_answers` is the share of requests with as many candidates as were asked for. Variety (`distinct_1` and
    `distinct_2` over all candidates, `self_bleu` the mean within a request) leaves out the subject and the parameters,
    which the candidates of a request share anyway; `jaccard_distance` is of whole prompts, as decoding chooses by it.
    `copied` is the share of runs of eight words that some training prompt has as well. `seconds_p50` and `seconds_p95`
    are how long a person waits for an answer while `requests_at_once` are decoded. None: there was too little text.
    """

    num_requests: int
    num_candidates: int
    requests_at_once: int
    full_answers: float
    subject_kept: float
    valid_parameters: float
    with_parameters: float
    ended_by_eos: float
    repeated_4grams: float
    distinct_1: float | None
    distinct_2: float | None
    self_bleu: float | None
    jaccard_distance: float | None
    copied: float
    words_median: float
    seconds_p50: float
    seconds_p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One model's figures; `adapter` is None for the base alone, `answers` where none were asked for."""

    adapter: str | None
    precision: str
    likelihood: Likelihood
    answers: AnswerMeasures | None

    def as_dict(self) -> dict[str, object]:
        """Return the figures as plain JSON values."""
        return {**asdict(self), "perplexity": self.likelihood.perplexity}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The candidates of one subject, and the seconds until they were there."""

    subject: str
    candidates: tuple[CandidateDraft, ...]
    seconds: float


def compare(
    settings: Settings, candidate: Path, plan: EvaluationPlan, *, report: Callable[[str], None] = lambda _: None
) -> dict[str, Evaluation]:
    """Evaluate the base model, the adapter that `settings` serve where there is one, and `candidate`.

    Each is loaded from its files and freed again, so the caller's own model should be gone before. `report` is told
    each one's name (`base`, `serving`, `candidate`) before its turn. A serving adapter that cannot be loaded on this
    base is left out with a warning: it must not cost the candidate its evaluation.

    Raises:
        core.errors.MjpromptError: the base or the candidate cannot be loaded or decoded.
    """
    adapters: dict[str, Path | None] = {BASE: None, CANDIDATE: candidate}
    if settings.adapter is not None:
        adapters = {BASE: None, SERVING: settings.adapter, CANDIDATE: candidate}
    found: dict[str, Evaluation] = {}
    for name, folder in adapters.items():
        report(name)
        try:
            found[name] = _evaluate_folder(settings, folder, plan)
        except MjpromptError as error:
            if name != SERVING:
                raise
            log.warning("evaluate.serving_left_out", reason=str(error))
    return found


def _evaluate_folder(settings: Settings, adapter: Path | None, plan: EvaluationPlan) -> Evaluation:
    try:
        loaded = load_model(settings.model_copy(update={"adapter": adapter}))
        return evaluate(loaded, TransformersGenerator(loaded, read_decode_config(settings.decode_config)), plan)
    finally:
        free_device_memory()


def free_device_memory() -> None:
    """Give memory of models that nobody holds any more back to the device."""
    gc.collect()
    torch.cuda.empty_cache()


def evaluate(loaded: LoadedModel, generator: Generator, plan: EvaluationPlan) -> Evaluation:
    """Measure one model that is loaded already, and the generator that decodes with it."""
    if plan.num_subjects:
        next(answers(generator, plan.warm_up()), None)
    return Evaluation(
        adapter=loaded.info.adapter,
        precision=loaded.info.precision,
        likelihood=measure_likelihood(loaded.model, loaded.tokenizer, plan.pairs),
        answers=measure_answers(list(answers(generator, plan)), plan) if plan.num_subjects else None,
    )


def answers(generator: Generator, plan: EvaluationPlan) -> Iterator[Answer]:
    """Yield the answer of each subject, decoded as for people.

    Raises:
        OutOfMemory: not even one request fits.
        Stopped: somebody asked to end, which the generator hears of between two decoding steps.
    """
    requests = [
        GenerationRequest(
            id=str(number),
            subject=subject,
            parameters="",
            images=(),
            midjourney_version=plan.midjourney_version,
            num_candidates=plan.num_candidates,
            is_cancelled=plan.is_stop_wanted,
        )
        for number, subject in enumerate(plan.subjects)
    ]
    for start in range(0, len(requests), plan.requests_at_once):
        found = _decode(generator, requests[start : start + plan.requests_at_once])
        if plan.is_stop_wanted():  # these may be half an answer
            raise Stopped
        yield from found


def _decode(generator: Generator, batch: Sequence[GenerationRequest]) -> list[Answer]:
    """Decode a batch, in halves where it does not fit, as the worker does."""
    try:
        generated = generator.generate(batch)
    except OutOfMemory:
        if len(batch) == 1:
            raise
        half = len(batch) // 2
        return _decode(generator, batch[:half]) + _decode(generator, batch[half:])
    return [
        Answer(subject=request.subject, candidates=found.candidates, seconds=found.decoding_seconds)
        for request, found in zip(batch, generated, strict=True)
    ]


def measure_answers(found: Sequence[Answer], plan: EvaluationPlan) -> AnswerMeasures:
    """Count what people would see of `found`, at least one answer with a candidate.

    Raises:
        InvalidData: there is nothing to count.
    """
    candidates = [(answer.subject, candidate) for answer in found for candidate in answer.candidates]
    if not candidates:
        raise InvalidData("The model gave no answer to any validation subject; add prompts to the data and try again.")
    texts = [candidate.text for _, candidate in candidates]
    prompts = [parse(text) for text in texts]
    added = [_added_words(subject, candidate) for subject, candidate in candidates]
    groups = [[_added_words(answer.subject, candidate) for candidate in answer.candidates] for answer in found]
    seconds = [answer.seconds for answer in found]

    def share(flags: Iterable[object]) -> float:
        return sum(map(bool, flags)) / len(candidates)

    return AnswerMeasures(
        num_requests=len(found),
        num_candidates=len(candidates),
        requests_at_once=plan.requests_at_once,
        full_answers=sum(len(answer.candidates) == plan.num_candidates for answer in found) / len(found),
        subject_kept=share(candidate.text.startswith(subject) for subject, candidate in candidates),
        valid_parameters=share(not validate(prompt, plan.midjourney_version) for prompt in prompts),
        with_parameters=share(prompt.parameters for prompt in prompts),
        ended_by_eos=share(candidate.is_ended for _, candidate in candidates),
        repeated_4grams=share(has_repeated_ngram(words_of(text), REPEATED_WORDS) for text in texts),
        distinct_1=distinct(added, 1),
        distinct_2=distinct(added, 2),
        self_bleu=_mean(self_bleu(group) for group in groups),
        jaccard_distance=_mean(_mean_distance(answer.candidates) for answer in found),
        copied=plan.copies.share(map(words_of, texts)),
        words_median=statistics.median(len(words_of(text)) for text in texts),
        seconds_p50=float(np.percentile(seconds, 50)),
        seconds_p95=float(np.percentile(seconds, 95)),
    )


def _added_words(subject: str, candidate: CandidateDraft) -> Words:
    return words_of(candidate.text.removeprefix(subject))


def _mean_distance(candidates: Sequence[CandidateDraft]) -> float | None:
    words = [content_words(candidate.text) for candidate in candidates]
    return _mean(jaccard_distance(left, right) for left, right in itertools.combinations(words, 2))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
