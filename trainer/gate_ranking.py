"""Whether an adapter learned what people like: it is asked on judged prompts that it never saw.

Three questions, each by the AUC, the share of (liked, disliked) comparisons in which the liked prompt scores higher.
Against the base, the reward (RatedItem) has to rank better than chance, which noise cannot do. Against an adapter that
serves, the change of the log-probabilities must not go against the votes; a good champion leaves so little to gain that
asking a few hundred votes for a proven gain would refuse nearly every honest cycle, so that is only done on demand.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.gate_config import RankingBounds
from trainer.gate_measures import Measures, RatedItem
from trainer.gate_verdict import GateTest, Verdict, compared, text_of, uncompared
from trainer.statistics import Estimate, auc_estimate, auc_gain_estimate

CHANCE = 0.5
LIKED, SHIFT, GAIN = "liked_above_disliked", "change_favours_liked", "ranks_better_than_serving"
LABELS = {
    LIKED: "liked ranked above disliked",
    SHIFT: "change favours liked prompts",
    GAIN: "ranking better than what serves",
}


def ranking_tests(champion: Measures, challenger: Measures, bounds: RankingBounds) -> tuple[GateTest, ...]:
    """Return the tests on held-out votes; of the base alone no scores are needed, since its rewards are 0."""
    names = (LIKED, SHIFT) if bounds.min_auc_gain is None else (LIKED, SHIFT, GAIN)
    problem = _problem(champion, challenger, bounds)
    if problem is not None:
        verdict: Verdict = "failed" if bounds.is_needed else "skipped"
        return tuple(uncompared(name, LABELS[name], verdict, problem) for name in names)
    tests = [_liked_above_disliked(champion, challenger, bounds)]
    if champion.adapter is None:
        reason = "The base alone serves, so there is no adapter to compare with."
        return (*tests, *(uncompared(name, LABELS[name], "skipped", reason) for name in names[1:]))
    tests.append(_change_favours_liked(champion, challenger, bounds))
    if bounds.min_auc_gain is not None:
        tests.append(_ranks_better(champion, challenger, bounds, bounds.min_auc_gain))
    return tuple(tests)


def auc_of(items: Sequence[RatedItem], *, confidence: float = 0.95) -> Estimate:
    """Return how likely a liked item has a higher reward than a disliked one; NaN where a label is missing."""
    return auc_estimate(_rewards(items), _labels(items), _requests(items), confidence=confidence)


def _problem(champion: Measures, challenger: Measures, bounds: RankingBounds) -> str | None:
    """Return why nothing can be told, in words; None where something can."""
    items = challenger.rated
    if len(items) < bounds.min_rated:
        return f"Not enough held-out votes to tell: {len(items)} judged prompts, and {bounds.min_rated} are needed."
    if len({item.is_liked for item in items}) < 2:
        return f"All {len(items)} held-out judgements say the same, so there is nothing to rank."
    if len({item.request_id for item in items}) < 2:
        return f"All {len(items)} held-out judgements are of one request, which is not enough to tell."
    if champion.adapter is not None and [_key(item) for item in champion.rated] != [_key(item) for item in items]:
        return "The adapter that serves was not measured on the same judged prompts, so nothing can be compared."
    if not np.isfinite([*_rewards(champion.rated), *_rewards(items)]).all():
        return "A held-out judged prompt got no finite score, so the ranking cannot be trusted."
    return None


def _liked_above_disliked(champion: Measures, challenger: Measures, bounds: RankingBounds) -> GateTest:
    old = CHANCE if champion.adapter is None else auc_of(champion.rated).value
    new = auc_of(challenger.rated, confidence=bounds.confidence)
    needed = CHANCE + (new.value - new.lower)
    sentence = (
        f"The new adapter ranks liked above disliked prompts in {_percent(new.value)} of all comparisons, and more "
        f"than {_percent(needed)} rule out chance with {len(challenger.rated)} judged prompts."
    )
    return _judged(LIKED, old, new.value, needed, sentence, is_bound_enough=False)


def _change_favours_liked(champion: Measures, challenger: Measures, bounds: RankingBounds) -> GateTest:
    items = challenger.rated
    shift = auc_estimate(
        _rewards(items) - _rewards(champion.rated), _labels(items), _requests(items), confidence=bounds.confidence
    )
    needed = CHANCE - bounds.max_shift_fall
    sentence = (
        f"The change from the adapter that serves favours liked over disliked prompts in {_percent(shift.value)} of "
        f"all comparisons, and {_percent(needed)} are needed."
    )
    return _judged(SHIFT, CHANCE, shift.value, needed, sentence)


def _ranks_better(champion: Measures, challenger: Measures, bounds: RankingBounds, min_gain: float) -> GateTest:
    items = challenger.rated
    old, new = _rewards(champion.rated), _rewards(items)
    gain = auc_gain_estimate(old, new, _labels(items), _requests(items), confidence=bounds.confidence)
    champion_auc, challenger_auc = auc_of(champion.rated).value, auc_of(items).value
    needed = champion_auc + min_gain + (gain.value - gain.lower)
    sentence = (
        f"The ranking went from {_percent(champion_auc)} to {_percent(challenger_auc)}, and more than "
        f"{_percent(needed)} are needed to be sure of a gain of {_percent(min_gain)}."
    )
    return _judged(GAIN, champion_auc, challenger_auc, needed, sentence, is_bound_enough=False)


def _judged(
    name: str, champion: float, challenger: float, needed: float, sentence: str, *, is_bound_enough: bool = True
) -> GateTest:
    return compared(
        name,
        LABELS[name],
        champion,
        challenger,
        bound=needed,
        is_higher_better=True,
        is_share=True,
        sentence=sentence,
        is_bound_enough=is_bound_enough,
    )


def _key(item: RatedItem) -> tuple[str, bool]:
    return item.request_id, item.is_liked


def _rewards(items: Sequence[RatedItem]) -> NDArray[np.float64]:
    return np.array([item.reward for item in items], dtype=np.float64)


def _labels(items: Sequence[RatedItem]) -> NDArray[np.bool_]:
    return np.array([item.is_liked for item in items], dtype=np.bool_)


def _requests(items: Sequence[RatedItem]) -> list[str]:
    return [item.request_id for item in items]


def _percent(value: float) -> str:
    return text_of(value, is_share=True)
