"""Rules within the engine: transformers' constraints for every row, and words kept apart between groups."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.errors import ConfigError
from falcon.beam_search import Beams, SearchSettings, open_beams
from falcon.diversity import separate_words
from falcon.engine import EngineRequest
from falcon.search_rules import Known, RuleSettings, SearchRules
from tests.falcon.engine_world import (
    EOS,
    LAST_TOKEN,
    assert_as_transformers,
    assert_same_answer,
    falcon_that_ends,
    make_engine,
    run,
    search_for,
)
from tests.falcon.tiny_falcon import CPU, WORDS

VOCABULARY = len(WORDS)
prompts = st.lists(st.integers(1, LAST_TOKEN), min_size=1, max_size=8)
# A single EOS is left out: transformers strikes it from its list, here it would forbid ending.
bad_words = st.lists(st.lists(st.integers(1, LAST_TOKEN), min_size=1, max_size=3), max_size=3)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """Return one rule or several, named as both sides name them."""
    possible: dict[str, Any] = {
        "repetition_penalty": draw(st.sampled_from([0.7, 1.3, 2.0])),
        "no_repeat_ngram_size": draw(st.integers(1, 3)),
        "min_new_tokens": draw(st.integers(1, 6)),
        "bad_words_ids": draw(bad_words.filter(bool)),
    }
    names = draw(st.lists(st.sampled_from(sorted(possible)), min_size=1, unique=True))
    if "min_new_tokens" in names:  # some token has to be left
        possible["no_repeat_ngram_size"] += 1
    return {name: possible[name] for name in names}


@given(
    rules(),
    st.lists(prompts, min_size=1, max_size=3),
    st.integers(2, 4),
    st.sampled_from([-50.0, 0.5, 1.5, 3.0]),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_engine_with_rules_gives_what_transformers_gives(
    given_rules: dict[str, Any], batch: list[list[int]], num_beams: int, bias: float, is_late: bool
) -> None:
    model, search = falcon_that_ends(bias), search_for(num_beams, 6, early_stopping=True)
    engine = make_engine(model, search, RuleSettings(**given_rules), is_late=is_late)
    ended = run(engine, [EngineRequest(id=str(number), prompt=prompt) for number, prompt in enumerate(batch)])
    for number, prompt in enumerate(batch):
        assert_as_transformers(model, prompt, search, ended[str(number)], **given_rules)


@pytest.mark.parametrize(
    "given_rules",
    [
        {"repetition_penalty": 2.0},
        {"no_repeat_ngram_size": 1},
        {"min_new_tokens": 4},
        {"bad_words_ids": [[9], [3, 8]]},
        {"first_tokens": torch.arange(VOCABULARY) == 5},
    ],
)
def test_each_rule_changes_what_is_written(given_rules: dict[str, Any]) -> None:
    """A rule without effect would equal transformers without being there."""
    model, search = falcon_that_ends(1.5), search_for(3, 6)
    request = EngineRequest(id="one", prompt=[3, 4])
    answers = [
        run(make_engine(model, search, settings), [request])["one"].groups
        for settings in (None, RuleSettings(**given_rules))
    ]
    assert answers[0] != answers[1]


def test_first_token_is_one_of_those_that_may_come_first_and_later_ones_are_free() -> None:
    first = torch.tensor([token in (5, 7) for token in range(VOCABULARY)])
    engine = make_engine(falcon_that_ends(-50.0), search_for(4, 5), RuleSettings(first_tokens=first))
    ended = run(engine, [EngineRequest(id=str(number), prompt=[number + 2]) for number in range(5)])
    texts = [beam.tokens for end in ended.values() for group in end.groups for beam in group]
    assert len(texts) == 20
    assert {text[0] for text in texts} == {5, 7}
    assert {token for text in texts for token in text[1:]} - {5, 7}


@pytest.mark.parametrize("is_late", [False, True])
def test_request_that_has_no_token_left_to_write_ends_without_beams_and_alone(is_late: bool) -> None:
    """Nothing may be repeated, and the end may not come before more tokens than there are."""
    model, search = falcon_that_ends(0.5), search_for(3, 8)
    settings = RuleSettings(no_repeat_ngram_size=1, min_new_tokens=8)
    stuck = EngineRequest(id="stuck", prompt=[1, 2, 3, 4, 5, 6, 7, 8])
    free = EngineRequest(id="free", prompt=[1, 2])
    ended = run(make_engine(model, search, settings, is_late=is_late), [stuck, free])
    assert (ended["stuck"].groups, ended["stuck"].error) == ([[]], None)
    [alone] = run(make_engine(model, search, settings), [free]).values()
    assert_same_answer(ended["free"], alone)
    assert len(alone.groups[0]) == 3


# ---- words apart, one step by hand


SEARCH = SearchSettings(num_beams=4, num_beam_groups=2, num_return_sequences=4, max_new_tokens=3, eos_token_id=EOS)
WORD_MARKS = torch.tensor([2 <= token < 12 for token in range(VOCABULARY)])


def rules_of(settings: RuleSettings, num_seats: int = 2) -> SearchRules:
    return SearchRules(settings, SEARCH, num_seats=num_seats, max_prompt_tokens=4, vocab_size=VOCABULARY, device=CPU)


def word_rules() -> SearchRules:
    return rules_of(RuleSettings(words=WORD_MARKS, word_diversity_penalty=2.0, word_repetition_penalty=0.5))


def tensor(*tokens: int) -> Tensor:
    return torch.tensor(tokens, dtype=torch.int64)


def beams_that_wrote(texts: list[list[list[list[int]]]]) -> Beams:
    """Return running beams with texts[seat][group][beam], all of one request as long."""
    beams = open_beams(len(texts), SEARCH, CPU)
    for seat, groups in enumerate(texts):
        beams.num_steps[seat] = len(groups[0][0])
        for group, rows in enumerate(groups):
            for row, text in enumerate(rows):
                beams.tokens[seat, group, row, : len(text)] = tensor(*text)
    return beams


def marks(*tokens: int) -> Tensor:
    found = torch.zeros(VOCABULARY, dtype=torch.bool)
    found[list(tokens)] = True
    return found


def log_probs_of(num_seats: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(num_seats, 2, 2, VOCABULARY, generator=generator).log_softmax(3)


def expected(log_probs: Tensor, used: list[list[Tensor]], subject: Tensor, avoided: Tensor, **options: Any) -> Tensor:
    return separate_words(
        log_probs,
        torch.stack([torch.stack(rows) for rows in used]).unsqueeze(0),
        subject[None, None],
        avoided[None, None],
        WORD_MARKS,
        diversity_penalty=2.0,
        word_repetition_penalty=0.5,
        **options,
    )


def test_words_of_a_row_of_its_subject_and_of_other_groups_cost() -> None:
    rules = word_rules()
    rules.join([(0, Known([3], [4], [9])), (1, Known([3, 5], [], [7, 8]))])
    beams = beams_that_wrote([[[[2, 6], [3, 3]], [[5, 5], [1, 6]]], [[[2], [3]], [[4], [5]]]])
    log_probs = log_probs_of(2)
    scores = rules.apply(log_probs, beams, tensor(1, 2))
    first = expected(
        log_probs[:1],
        [[marks(EOS, 2, 6), marks(EOS, 3)], [marks(EOS, 5), marks(EOS, 1, 6)]],
        marks(4),
        marks(9),
    )
    second = expected(
        log_probs[1:], [[marks(EOS, 2), marks(EOS, 3)], [marks(EOS, 4), marks(EOS, 5)]], marks(), marks(7, 8)
    )
    torch.testing.assert_close(scores, torch.cat([first, second]))
    # By hand: its own word 6 and its subject's 4 cost row (0, 0) half a nat, the other group's 5 and the avoided 9 two.
    cost = (log_probs - scores)[0, 0, 0]
    assert cost[[6, 4, 5, 9, 8, 12]].tolist() == pytest.approx([0.5, 0.5, 2.0, 2.0, 0.0, 0.0], abs=1e-5)


def test_next_request_in_a_seat_knows_nothing_of_the_one_before() -> None:
    rules, fresh = word_rules(), word_rules()
    rules.join([(0, Known([3, 4, 5, 6], [4, 5], [9]))])
    rules.join([(0, Known([7], [8], []))])
    fresh.join([(0, Known([7], [8], []))])
    beams, log_probs = beams_that_wrote([[[[2], [3]], [[4], [5]]]]), log_probs_of(1)
    assert torch.equal(rules.apply(log_probs, beams, tensor(1)), fresh.apply(log_probs, beams, tensor(1)))


def test_who_joins_together_is_known_as_who_joins_alone() -> None:
    """Lists of different lengths are filled up to go to the device at once."""
    settings = RuleSettings(
        words=WORD_MARKS, word_diversity_penalty=2.0, word_repetition_penalty=0.5, no_repeat_ngram_size=2
    )
    together, apart = rules_of(settings, num_seats=3), rules_of(settings, num_seats=3)
    newcomers = [(2, Known([3, 4, 2], [4, 5, 6], [])), (0, Known([2], [], [9, 10])), (1, Known([5, 3], [8], [7]))]
    together.join(newcomers)
    for newcomer in newcomers:
        apart.join([newcomer])
    texts = [[[2], [3]], [[4], [5]]]
    scores = [
        rules.apply(log_probs_of(3), beams_that_wrote([texts] * 3), tensor(1, 2, 3)) for rules in (together, apart)
    ]
    assert torch.equal(scores[0], scores[1])
    assert not torch.equal(scores[0], log_probs_of(3))


def test_moved_request_keeps_what_is_known_of_it() -> None:
    settings = RuleSettings(
        words=WORD_MARKS, word_diversity_penalty=2.0, word_repetition_penalty=0.5, repetition_penalty=2.0
    )
    rules = rules_of(settings)
    for seat, first in ((0, 5), (1, 9)):
        rules.join([(seat, Known([first, 3], [4], [first]))])
    texts = [[[2], [3]], [[4], [5]]]
    log_probs = log_probs_of(1)
    both = rules.apply(log_probs.repeat(2, 1, 1, 1), beams_that_wrote([texts, texts]), tensor(2, 2))
    assert not torch.equal(both[0], both[1])
    rules.move(torch.tensor([1]), torch.tensor([0]))
    assert torch.equal(rules.apply(log_probs, beams_that_wrote([texts]), tensor(2))[0], both[1])


def test_group_that_is_over_speaks_by_what_it_has_finished() -> None:
    """Its running beams wrote on after its best one had ended, and nobody will read that."""
    rules = word_rules()
    rules.join([(0, Known([3], [], []))])
    beams = beams_that_wrote([[[[2, 6], [3, 3]], [[5, 5], [1, 6]]]])
    beams.is_open[0, 0] = False
    beams.finished_tokens[0, 0, 0, :2] = tensor(10, EOS)
    beams.finished_lengths[0, 0, 0] = 2
    log_probs = log_probs_of(1)
    scores = rules.apply(log_probs, beams, tensor(1))
    cost = (log_probs - scores)[0, 1, 0]
    assert cost[[10, 5]].tolist() == pytest.approx([2.0, 0.5], abs=1e-5)
    assert cost[6] == pytest.approx(0.0, abs=1e-5)


# ---- settings


@pytest.mark.parametrize(
    ("given_rules", "part"),
    [
        ({"repetition_penalty": 0.0}, "repetition_penalty = 0.0"),
        ({"repetition_penalty": float("nan")}, "repetition_penalty = nan"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size = -1"),
        ({"min_new_tokens": -2}, "min_new_tokens = -2"),
        ({"word_diversity_penalty": -0.5}, "word_diversity_penalty = -0.5"),
        ({"word_repetition_penalty": float("nan")}, "word_repetition_penalty = nan"),
        ({"word_repetition_penalty": 1.0}, "give words"),
    ],
)
def test_impossible_rule_is_refused_with_a_sentence(given_rules: dict[str, Any], part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RuleSettings(**given_rules)
    assert part in str(caught.value)
    assert str(caught.value).endswith(".")


def test_banned_word_that_the_model_does_not_know_is_refused() -> None:
    """On a GPU it would end the whole process, at the first request."""
    with pytest.raises(ConfigError) as caught:
        rules_of(RuleSettings(bad_words_ids=[[3], [4, VOCABULARY]]))
    assert f"vocabulary of {VOCABULARY}" in str(caught.value)
    with pytest.raises(ConfigError):
        rules_of(RuleSettings(bad_words_ids=[[3, -1]]))
    rules_of(RuleSettings(bad_words_ids=[[3, VOCABULARY - 1]]))


def test_without_rules_scores_stay_as_they_are() -> None:
    assert RuleSettings().is_empty
    log_probs = log_probs_of(2)
    rules = rules_of(RuleSettings())
    assert torch.equal(rules.apply(log_probs, open_beams(2, SEARCH, CPU), tensor(1, 1)), log_probs)
