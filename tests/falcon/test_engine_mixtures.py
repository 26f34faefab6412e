"""What a request gets does not depend on who else is inside, when they came, or that they were cancelled."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon.beam_search import SearchSettings
from falcon.engine import Ended, Engine, EngineRequest
from falcon.search_rules import RuleSettings
from tests.falcon.engine_world import (
    LAST_TOKEN,
    Arrival,
    assert_nothing_inside,
    assert_same_answer,
    falcon_that_ends,
    make_engine,
    run,
    search_for,
)
from tests.falcon.tiny_falcon import WORDS

NEVER_ENDS, ENDS_LATE, ENDS_EARLY = -50.0, 0.5, 1.5
WORD_MARKS = torch.tensor([token > 1 for token in range(len(WORDS))])
SEARCHES: dict[str, SearchSettings] = {
    "plain": search_for(3, 5),
    "diverse": search_for(4, 4, num_beam_groups=2, diversity_penalty=1.0),
    "stochastic": search_for(3, 4, is_stochastic=True),
    "words apart": search_for(4, 5, num_beam_groups=2, early_stopping=True),
    "history": search_for(3, 6, early_stopping="never"),
}
RULES = {
    "words apart": RuleSettings(words=WORD_MARKS, word_diversity_penalty=2.0, word_repetition_penalty=1.0),
    "history": RuleSettings(repetition_penalty=1.5, no_repeat_ngram_size=2, min_new_tokens=2, bad_words_ids=[[3, 4]]),
}


def engine_of(kind: str, *, bias: float = NEVER_ENDS, num_seats: int, is_late: bool = False) -> Engine:
    model, rules = falcon_that_ends(bias), RULES.get(kind)
    return make_engine(model, SEARCHES[kind], rules, num_seats=num_seats, max_prompt_tokens=6, is_late=is_late)


@cache
def alone(kind: str, request: EngineRequest, bias: float = NEVER_ENDS) -> Ended:
    """Return how `request` ends when nobody else was ever there."""
    [end] = run(engine_of(kind, bias=bias, num_seats=1), [request]).values()
    return end


def assert_as_alone(kind: str, request: EngineRequest, end: Ended, bias: float = NEVER_ENDS) -> None:
    assert_same_answer(end, alone(kind, replace(request, id="alone"), bias))


tokens = st.lists(st.integers(1, LAST_TOKEN), min_size=1, max_size=6).map(tuple)


@st.composite
def arrivals(draw: st.DrawFn, max_new_tokens: int = 4) -> list[Arrival]:
    count = draw(st.integers(1, 7))
    return [
        Arrival(
            EngineRequest(
                id=str(number),
                prompt=draw(tokens),
                subject=draw(st.sampled_from([(), (2,), (5, 8)])),
                avoided=draw(st.sampled_from([(), (3, 4)])),
                seed=draw(st.integers(0, 2)),
                max_new_tokens=draw(st.none() | st.integers(1, max_new_tokens)),
            ),
            step=draw(st.integers(0, 8)),
            cancelled_at=draw(st.none() | st.integers(0, 12)),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("kind", SEARCHES)
@given(arrivals(), st.sampled_from([NEVER_ENDS, ENDS_LATE, ENDS_EARLY]), st.integers(1, 4), st.booleans())
@settings(max_examples=80, deadline=None)
def test_request_gets_in_any_mixture_of_arrivals_what_it_gets_alone(
    kind: str, coming: list[Arrival], bias: float, num_seats: int, is_late: bool
) -> None:
    engine = engine_of(kind, bias=bias, num_seats=num_seats, is_late=is_late)
    ended = run(engine, coming)
    assert len(ended) == len(coming)
    for one in coming:
        end = ended[one.request.id]
        if end.groups:
            assert_as_alone(kind, one.request, end, bias)
        else:  # only who was cancelled may have nothing
            assert one.cancelled_at is not None
            assert end.error is None
    assert_nothing_inside(engine)


def test_kinds_of_mixtures_differ() -> None:
    """Were all kinds to give one answer, their rules would not be in the mixtures."""
    request = EngineRequest(id="alone", prompt=(2, 3, 4), subject=(5, 8), avoided=(3, 4))
    answers = [str([[beam.tokens for beam in group] for group in alone(kind, request).groups]) for kind in SEARCHES]
    assert len(answers) == 5
    assert len(set(answers)) == 5


def test_seed_subject_and_avoided_tokens_matter() -> None:
    """Were they ignored, the mixtures could not show that they stay with their request."""
    plain = EngineRequest(id="alone", prompt=(2, 3, 4))
    for kind, other in (
        ("stochastic", replace(plain, seed=1)),
        ("words apart", replace(plain, subject=(2, 5, 8))),
        ("words apart", replace(plain, avoided=(2, 3, 4, 5))),
        ("plain", replace(plain, max_new_tokens=2)),
    ):
        assert alone(kind, other).groups != alone(kind, plain).groups, (kind, other)


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("cancelled_at", range(13))
@pytest.mark.parametrize("place", [0, 1, 3])
def test_cancelling_at_any_step_leaves_the_others_answers_as_they_are(
    place: int, cancelled_at: int, is_late: bool
) -> None:
    """Place 3 waits for a seat at first; before step 0 nobody has joined; after the last step it is over anyway."""
    engine = engine_of("plain", num_seats=3, is_late=is_late)
    requests = [EngineRequest(id=str(number), prompt=(number + 2,) * (number + 1)) for number in range(5)]
    ended = run(
        engine,
        [Arrival(one, cancelled_at=cancelled_at if number == place else None) for number, one in enumerate(requests)],
    )
    assert len(ended) == 5
    for number, request in enumerate(requests):
        if number != place:
            assert_as_alone("plain", request, ended[request.id])
    first_step = 5 if place == 3 else 0
    assert (ended[str(place)].groups == []) == (cancelled_at < first_step + 5)
    num_cancelled = int(not ended[str(place)].groups)
    endings = {"done": 5 - num_cancelled, "cancelled": num_cancelled, "failed": 0, "out_of_memory": 0}
    assert engine.metrics.snapshot()["endings"] == endings
    assert_nothing_inside(engine)


@pytest.mark.parametrize("is_late", [False, True])
def test_all_cancelled_at_once_leave_nothing(is_late: bool) -> None:
    engine = engine_of("plain", num_seats=2, is_late=is_late)
    requests = [EngineRequest(id=str(number), prompt=(number + 2,)) for number in range(4)]
    ended = run(engine, [Arrival(one, cancelled_at=2) for one in requests])
    assert all(end.groups == [] and end.error is None for end in ended.values())
    assert_nothing_inside(engine)
    [end] = run(engine, [requests[0]]).values()
    assert_as_alone("plain", requests[0], end)
