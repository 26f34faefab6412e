"""The engine gives every request what transformers' `generate` gives for it alone, tokens and scores."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon.beam_search import EarlyStopping, SearchSettings
from falcon.engine import EngineRequest
from tests.falcon.engine_world import (
    LAST_TOKEN,
    assert_as_transformers,
    assert_nothing_inside,
    falcon_that_ends,
    make_engine,
    run,
    search_for,
)

ENDS_EARLY, ENDS_LATE, NEVER_ENDS = 3.0, 1.5, -50.0
GRID = [[2, 3], [9], [4, 5, 6, 7, 1, 2, 8, 3]]
prompts = st.lists(st.integers(1, LAST_TOKEN), min_size=1, max_size=8)


@st.composite
def searches(draw: st.DrawFn) -> SearchSettings:
    num_beams = draw(st.integers(1, 8))
    # transformers does not search with a single beam, it takes the best token until the first EOS.
    return search_for(
        num_beams,
        draw(st.integers(1, 7)),
        length_penalty=draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])),
        early_stopping=num_beams == 1 or draw(st.sampled_from([False, True, "never"])),
    )


def assert_batch_as_transformers(
    bias: float, batch: list[list[int]], search: SearchSettings, *, is_late: bool = False
) -> None:
    model = falcon_that_ends(bias)
    engine = make_engine(model, search, num_seats=len(batch), is_late=is_late)
    ended = run(engine, [EngineRequest(id=str(number), prompt=prompt) for number, prompt in enumerate(batch)])
    assert len(ended) == len(batch)
    for number, prompt in enumerate(batch):
        assert_as_transformers(model, prompt, search, ended[str(number)])
    assert_nothing_inside(engine)


@given(
    st.sampled_from([ENDS_EARLY, 2.0, ENDS_LATE, 0.5, NEVER_ENDS]),
    st.lists(prompts, min_size=1, max_size=3),
    searches(),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_request_of_a_batch_gets_what_transformers_gives_it_alone(
    bias: float, batch: list[list[int]], search: SearchSettings, is_late: bool
) -> None:
    assert_batch_as_transformers(bias, batch, search, is_late=is_late)


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("bias", [ENDS_EARLY, ENDS_LATE, NEVER_ENDS])
@pytest.mark.parametrize("length_penalty", [-1.0, 2.0])
def test_when_a_search_ends_is_transformers_choice(
    early_stopping: EarlyStopping, bias: float, length_penalty: float
) -> None:
    search = search_for(4, 10, length_penalty=length_penalty, early_stopping=early_stopping)
    assert_batch_as_transformers(bias, GRID, search)


def test_searches_of_the_grid_end_at_many_places() -> None:
    """A grid on which all searches end alike would prove nothing about ends."""
    found: set[tuple[int, bool]] = set()
    for bias, early_stopping in product((ENDS_EARLY, ENDS_LATE, NEVER_ENDS), (False, True)):
        engine = make_engine(falcon_that_ends(bias), search_for(4, 10, early_stopping=early_stopping))
        batch = [EngineRequest(id=str(prompt), prompt=prompt) for prompt in GRID]
        groups = [end.groups[0] for end in run(engine, batch).values()]
        found |= {(beam.length, beam.is_ended) for group in groups for beam in group}
    assert {(1, True), (2, True), (10, True), (10, False)} <= found
    assert len(found) >= 6


@given(prompts, st.integers(1, 5), st.sampled_from([ENDS_EARLY, ENDS_LATE]))
@settings(max_examples=30, deadline=None)
def test_limit_of_a_request_is_transformers_max_new_tokens(prompt: list[int], limit: int, bias: float) -> None:
    model = falcon_that_ends(bias)
    engine = make_engine(model, search_for(3, 6, length_penalty=0.5), num_seats=2)
    ended = run(
        engine,
        [EngineRequest(id="short", prompt=prompt, max_new_tokens=limit), EngineRequest(id="full", prompt=prompt)],
    )
    assert_as_transformers(model, prompt, search_for(3, limit, length_penalty=0.5), ended["short"])
    assert_as_transformers(model, prompt, engine.search, ended["full"])
