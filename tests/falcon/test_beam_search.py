"""The state of a batch of searches: who joins, who leaves, who is left alone, and what settings are taken."""

from dataclasses import fields
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.errors import ConfigError
from falcon.beam_search import (
    Beams,
    EarlyStopping,
    SearchSettings,
    advance,
    close,
    hypotheses,
    hypotheses_by_group,
    move,
    open_beams,
    reset,
    take,
)
from tests.falcon.plain_search import EOS, TableModel, search
from tests.falcon.tiny_falcon import CPU

VOCABULARY = 11
GROUPS, BEAMS = 2, 3

SEARCHES = [
    SearchSettings(
        num_beams=GROUPS * BEAMS,
        num_beam_groups=GROUPS,
        num_return_sequences=4,
        diversity_penalty=penalty,
        max_new_tokens=6,
        eos_token_id=EOS,
    )
    for penalty in (0.0, 0.7)
]
asked_for = pytest.mark.parametrize("asked", SEARCHES, ids=["plain", "diverse"])


def state(beams: Beams, seat: int) -> list[Any]:
    """Return all values of one request."""
    return [getattr(beams, field.name)[seat].tolist() for field in fields(Beams)]


def random_scores(requests: int, seed: int, *, end_bonus: float = 0.0) -> Tensor:
    scores = torch.randn(requests, GROUPS, BEAMS, VOCABULARY, generator=torch.Generator().manual_seed(seed))
    scores[..., EOS] += end_bonus
    return scores.log_softmax(-1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_beams": 0}, "num_beams = 0 is too small; set 1 or more"),
        ({"num_beam_groups": 0}, "num_beam_groups = 0 is too small; set 1 or more"),
        ({"num_return_sequences": 0}, "num_return_sequences = 0 is too small; set 1 or more"),
        ({"max_new_tokens": 0}, "max_new_tokens = 0 is too small; set 1 or more"),
        ({"num_beam_groups": 4}, "num_beams = 6 cannot be shared out to num_beam_groups = 4; set a multiple"),
        ({"num_return_sequences": 7}, "num_return_sequences = 7 is more than num_beams = 6; set at most as many"),
        ({"diversity_penalty": -0.5}, "diversity_penalty = -0.5 is out of range; set 0 or more"),
        ({"diversity_penalty": float("nan")}, "diversity_penalty = nan is out of range; set 0 or more"),
        ({"length_penalty": float("inf")}, "length_penalty = inf is out of range; set a finite number"),
        ({"early_stopping": "always"}, "early_stopping = 'always' is unknown; set true, false or \"never\""),
        ({"eos_token_id": -1}, "eos_token_id = -1 is no token; set the tokenizer's"),
        (
            {"num_beam_groups": 2, "diversity_penalty": 1.0, "is_stochastic": True},
            "diversity_penalty = 1.0 cannot go with is_stochastic; set one of them only",
        ),
    ],
)
def test_impossible_settings_are_refused_with_a_cure(changes: dict[str, Any], message: str) -> None:
    possible = {"num_beams": 6, "num_return_sequences": 2, "max_new_tokens": 5, "eos_token_id": 0}
    assert SearchSettings(**possible).beams_per_group == 6
    with pytest.raises(ConfigError, match=message):
        SearchSettings(**(possible | changes))


def test_beams_are_shared_out_to_groups() -> None:
    assert SEARCHES[0].beams_per_group == BEAMS


def test_stochastic_search_without_log_probs_is_refused() -> None:
    asked = SearchSettings(num_beams=2, num_return_sequences=1, max_new_tokens=3, eos_token_id=EOS, is_stochastic=True)
    with pytest.raises(ValueError, match="give both"):
        advance(open_beams(1, asked, CPU), torch.zeros(1, 1, 2, 5), asked)


@asked_for
@given(seed=st.integers(0, 2**31), prompts=st.lists(st.integers(1, VOCABULARY - 1), min_size=2, max_size=5))
@settings(deadline=None)
def test_request_alone_and_in_any_batch_are_the_same(asked: SearchSettings, seed: int, prompts: list[int]) -> None:
    model = TableModel(VOCABULARY, seed=seed, sharpness=2.0)
    together = search(model, [[prompt] for prompt in prompts], asked)
    for seat, prompt in enumerate(prompts):
        assert state(together, seat) == state(search(model, [[prompt]], asked), 0)


@given(seed=st.integers(0, 2**31), num_beams=st.integers(1, 6))
@settings(deadline=None, derandomize=True)  # two equal sums may come in either order
def test_shortlist_of_twice_the_beams_is_as_good_as_the_vocabulary(seed: int, num_beams: int) -> None:
    model = TableModel(50, seed=seed)
    asked = SearchSettings(num_beams=num_beams, num_return_sequences=num_beams, max_new_tokens=6, eos_token_id=EOS)
    whole, short = (search(model, [[1], [2, 3]], asked, shortlist=size) for size in (None, 2 * num_beams))
    assert [state(short, seat) for seat in (0, 1)] == [state(whole, seat) for seat in (0, 1)]


@asked_for
def test_requests_that_join_late_find_what_they_find_alone(asked: SearchSettings) -> None:
    """One seat begins afresh while the other goes on; each gets its own scores by its own age."""
    steps = [random_scores(1, seed, end_bonus=0.5) for seed in range(20)]
    alone = open_beams(1, asked, CPU)
    for scores in steps[: asked.max_new_tokens]:
        advance(alone, scores, asked)
    beams = open_beams(2, asked, CPU)
    for age in range(3):
        advance(beams, torch.cat([random_scores(1, 99 + age), steps[age]]), asked)
    reset(beams, torch.tensor([0]), asked)
    for age in range(asked.max_new_tokens):
        advance(beams, torch.cat([steps[age], steps[3 + age]]), asked)
    assert not beams.is_open.any()
    assert state(beams, 0) == state(beams, 1) == state(alone, 0)


@asked_for
def test_every_step_is_written_into_the_same_tensors(asked: SearchSettings) -> None:
    beams = open_beams(2, asked, CPU)
    addresses = [getattr(beams, field.name).data_ptr() for field in fields(Beams)]
    advance(beams, random_scores(2, 1), asked)
    reset(beams, torch.tensor([1]), asked)
    close(beams, torch.tensor([0]))
    move(beams, torch.tensor([1]), torch.tensor([0]))
    assert [getattr(beams, field.name).data_ptr() for field in fields(Beams)] == addresses


@asked_for
def test_closed_group_keeps_all_it_has_and_hands_back_its_own_beams(asked: SearchSettings) -> None:
    beams = open_beams(3, asked, CPU)
    advance(beams, random_scores(3, 1), asked)
    beams.is_open[1, 1] = False
    close(beams, torch.tensor([2]))
    group_before = [
        getattr(beams, f.name)[1, 1].tolist() for f in fields(Beams) if f.name not in ("num_steps", "limits")
    ]
    request_before = state(beams, 2)
    for seed in range(2, 6):
        parents, tokens = advance(beams, random_scores(3, seed), asked)
        for closed in ((1, 1), (2, 0), (2, 1)):
            assert parents[closed].tolist() == list(range(BEAMS))
            assert tokens[closed].tolist() == [EOS] * BEAMS
    assert [
        getattr(beams, f.name)[1, 1].tolist() for f in fields(Beams) if f.name not in ("num_steps", "limits")
    ] == group_before
    assert state(beams, 2) == request_before
    assert beams.num_steps.tolist() == [5, 5, 1]


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
def test_search_that_is_over_stays_as_it_ended_whatever_comes(early_stopping: EarlyStopping) -> None:
    asked = SearchSettings(
        num_beams=BEAMS,
        num_return_sequences=BEAMS,
        early_stopping=early_stopping,
        max_new_tokens=30,
        eos_token_id=EOS,
    )
    beams = search(TableModel(VOCABULARY, seed=1), [[1]], asked)
    ended = state(beams, 0)
    for bonus in (-100.0, 0.0, 100.0):
        advance(beams, random_scores(1, 1)[:, :1] + bonus, asked)
        assert state(beams, 0) == ended


@asked_for
def test_seat_that_is_reset_is_as_one_that_was_just_opened(asked: SearchSettings) -> None:
    beams = search(TableModel(VOCABULARY, seed=1), [[1], [2], [3]], asked)
    kept = state(beams, 1)
    reset(beams, torch.tensor([2, 0]), asked)
    assert state(beams, 0) == state(beams, 2) == state(open_beams(1, asked, CPU), 0)
    assert state(beams, 1) == kept


def test_group_that_is_closed_costs_later_groups_nothing() -> None:
    asked = SEARCHES[1]
    closed, open_ = open_beams(1, asked, CPU), open_beams(1, asked, CPU)
    closed.is_open[0, 0] = False
    scores = random_scores(1, 3)
    alone = SearchSettings(num_beams=BEAMS, num_return_sequences=1, max_new_tokens=6, eos_token_id=EOS)
    _, expected = advance(open_beams(1, alone, CPU), scores[:, 1:], alone)
    assert advance(closed, scores, asked)[1][0, 1].tolist() == expected[0, 0].tolist()
    scores[:, 0] = scores[:, 1]  # the first group takes what the second wants
    assert advance(open_, scores, asked)[1][0, 1].tolist() != expected[0, 0].tolist()


@asked_for
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_broken_scores_of_one_request_leave_the_others_unchanged(asked: SearchSettings, bad: float) -> None:
    sound, beams = open_beams(2, asked, CPU), open_beams(3, asked, CPU)
    for step in range(asked.max_new_tokens):
        scores = random_scores(2, step, end_bonus=0.5)
        broken = torch.full((1, *scores.shape[1:]), bad)
        advance(sound, scores, asked)
        parents, tokens = advance(beams, torch.cat([scores[:1], broken, scores[1:]]), asked)
        assert 0 <= parents.min() <= parents.max() < BEAMS
        assert 0 <= tokens.min() <= tokens.max() < VOCABULARY
    assert [state(beams, 0), state(beams, 2)] == [state(sound, 0), state(sound, 1)]
    assert not beams.is_open.any(), "a broken request ends too"


@asked_for
def test_scores_before_penalties_are_summed_as_the_models_own(asked: SearchSettings) -> None:
    model = TableModel(VOCABULARY, seed=1)
    sums = [item for groups in hypotheses_by_group(search(model, [[1]], asked), asked) for g in groups for item in g]
    assert len(sums) == GROUPS * BEAMS
    for item in sums:
        text = [1, *item.tokens]
        own = sum(float(model.row(text[:place])[text[place]]) for place in range(1, len(text)))
        assert item.log_prob == pytest.approx(own, abs=1e-4)
    beams = open_beams(1, asked, CPU)
    scores = random_scores(1, 1)
    advance(beams, scores - 1, asked, log_probs=scores)
    if not asked.is_diverse:
        assert (beams.log_probs - beams.scores).flatten().tolist() == pytest.approx([1.0] * GROUPS * BEAMS, abs=1e-5)


@asked_for
def test_callers_scores_are_not_changed(asked: SearchSettings) -> None:
    scores = random_scores(1, 1)
    before = scores.clone()
    advance(open_beams(1, asked, CPU), scores, asked)
    assert torch.equal(scores, before)


def test_moved_request_goes_on_as_before() -> None:
    asked = SEARCHES[1]
    beams = open_beams(3, asked, CPU)
    advance(beams, random_scores(3, 1), asked)
    last = state(beams, 2)
    move(beams, torch.tensor([2]), torch.tensor([0]))
    assert state(beams, 0) == last


def test_taken_requests_are_copies_in_the_order_that_was_asked() -> None:
    asked = SEARCHES[0]
    beams = open_beams(3, asked, CPU)
    advance(beams, random_scores(3, 1), asked)
    taken = take(beams, torch.tensor([2, 0]), CPU)
    assert [state(taken, 0), state(taken, 1)] == [state(beams, 2), state(beams, 0)]
    reset(beams, torch.tensor([0, 1, 2]), asked)
    assert taken.num_steps.tolist() == [1, 1]


def test_request_that_has_just_begun_has_no_hypotheses() -> None:
    asked = SEARCHES[0]
    beams = open_beams(2, asked, CPU)
    assert hypotheses(beams, asked) == [[], []]
    assert hypotheses_by_group(beams, asked) == [[[], []], [[], []]]


def test_what_is_not_written_yet_is_eos() -> None:
    asked = SearchSettings(num_beams=2, num_return_sequences=1, max_new_tokens=4, eos_token_id=7)
    beams = open_beams(1, asked, CPU)
    assert beams.tokens.tolist() == [[[[7] * 4] * 2]]
    advance(beams, torch.arange(9.0).flip(0).expand(1, 1, 2, 9).log_softmax(-1), asked)
    assert beams.tokens.tolist() == [[[[0, 7, 7, 7], [1, 7, 7, 7]]]]


@asked_for
def test_only_so_many_hypotheses_as_asked_are_returned(asked: SearchSettings) -> None:
    [found] = hypotheses(search(TableModel(VOCABULARY), [[1]], asked), asked)
    assert len(found) == asked.num_return_sequences
    for item in found:
        assert item.length == len(item.tokens)
        assert item.is_ended == (item.tokens[-1] == EOS)
        assert EOS not in item.tokens[:-1]
