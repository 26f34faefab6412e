"""What serves and the new adapter, measured on the same held-out data, each loaded as the worker loads it.

The base model alone is scored as well, since preferences are measured against it. It judges nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from core.settings import Settings
from falcon.generator import Generator
from falcon.loading import LoadedModel, load_model
from falcon.serving import load_generator
from trainer.evaluate import AnswerMeasures, EvaluationPlan, answers, free_device_memory, measure_answers
from trainer.gate_measures import Measures, measures_from
from trainer.likelihood import Likelihood, measure_likelihood, nats_by_pair
from trainer.pairs import Pair
from trainer.preference_measures import LabelledPair, Scores, rated_items, score_pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The figures of both sides."""

    champion: Measures
    challenger: Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Predictions:
    """How one model predicts the validation answers, one by one as well, and the judged prompts."""

    likelihood: Likelihood
    pair_nats: tuple[float, ...]
    scores: Scores


def measure_both(
    settings: Settings,
    plan: EvaluationPlan,
    judged: Sequence[LabelledPair],
    *,
    champion: Path | None,
    challenger: Path,
    report: Callable[[str], None] = lambda _: None,
) -> Compared:
    """Measure the adapter in the folder `champion` (None: the base alone) and the one in `challenger`.

    Raises:
        core.errors.MjpromptError: a model cannot be loaded or decoded.
    """
    report("base")
    base = _predict(settings, None, plan.pairs, judged)
    report("serving")
    serving = base if champion is None else _predict(settings, champion, plan.pairs, judged)
    serving_measures = _measures(settings, champion, plan, judged, serving, base=base.scores)
    report("candidate")
    candidate = _predict(settings, challenger, plan.pairs, judged)
    return Compared(
        champion=serving_measures,
        challenger=_measures(settings, challenger, plan, judged, candidate, base=base.scores),
    )


def _predict(
    settings: Settings, adapter: Path | None, pairs: Sequence[Pair], judged: Sequence[LabelledPair]
) -> _Predictions:
    try:
        return _predicted(load_model(settings.model_copy(update={"adapter": adapter})), pairs, judged)
    finally:  # of whoever holds the model, nobody is left
        free_device_memory()


def _predicted(loaded: LoadedModel, pairs: Sequence[Pair], judged: Sequence[LabelledPair]) -> _Predictions:
    costs = nats_by_pair(loaded.model, loaded.tokenizer, pairs)
    return _Predictions(
        likelihood=measure_likelihood(loaded.model, loaded.tokenizer, pairs),
        pair_nats=tuple(cost.nats for cost in costs if cost is not None),
        scores=score_pairs(loaded.model, loaded.tokenizer, judged),
    )


def _answered(generator: Generator, plan: EvaluationPlan) -> AnswerMeasures:
    next(answers(generator, plan.warm_up()), None)
    return measure_answers(list(answers(generator, plan)), plan)


def _measures(
    settings: Settings,
    adapter: Path | None,
    plan: EvaluationPlan,
    judged: Sequence[LabelledPair],
    predictions: _Predictions,
    *,
    base: Scores,
) -> Measures:
    """Return one model's figures; its answers are decoded by the generator that serves, once it is warm."""
    try:
        figures = _answered(load_generator(settings.model_copy(update={"adapter": adapter})), plan)
    finally:
        free_device_memory()
    evaluation = {
        "adapter": adapter.name if adapter else None,
        "likelihood": asdict(predictions.likelihood),
        "answers": asdict(figures),
    }
    rated = rated_items(predictions.scores, judged, base=base)
    return measures_from(evaluation, rated=rated, pair_nats=predictions.pair_nats)
