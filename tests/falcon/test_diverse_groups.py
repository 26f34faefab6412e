"""Groups of one request: the paper's algorithm when they differ, searches of their own when they need not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon.beam_search import FinishedBeam, SearchSettings, hypotheses, hypotheses_by_group
from falcon.diversity import separate_words
from tests.falcon.plain_search import EOS, TableModel, search

VOCABULARY = 9


class SlowGroup:
    """One group in plain Python: running beams and finished ones as (score, log-probability, text), best first."""

    def __init__(self) -> None:
        self.running: list[tuple[float, float, list[int]]] = [(0.0, 0.0, [])]
        self.finished: list[tuple[float, float, list[int]]] = []
        self.is_open = True

    def advance(self, model: TableModel, prompt: list[int], earlier: list[int], asked: SearchSettings) -> list[int]:
        """Write one token, knowing what `earlier` groups chose; return what this group chose."""
        num_beams, candidates = asked.beams_per_group, []
        for score, log_prob, text in self.running:
            for token, step in enumerate(model.row(prompt + text).tolist()):
                cost = asked.diversity_penalty * earlier.count(token)
                candidates.append((score + step - cost, log_prob + step, [*text, token]))
        best = sorted(candidates, key=lambda item: -item[0])[: 2 * num_beams]
        length = len(best[0][2])
        is_last = length == asked.max_new_tokens
        for score, log_prob, text in best[:num_beams]:
            if text[-1] == EOS or is_last:
                self.finished.append((score / length**asked.length_penalty, log_prob, text))
        self.finished = sorted(self.finished, key=lambda item: -item[0])[:num_beams]
        self.running = [item for item in best if item[2][-1] != EOS][:num_beams]
        is_full = len(self.finished) == num_beams
        reachable = self.running[0][0] / length**asked.length_penalty
        can_improve = not is_full or reachable > self.finished[-1][0]
        self.is_open = not is_last and can_improve and not (is_full and asked.early_stopping is True)
        return [text[-1] for _, _, text in self.running]


def slow_search(model: TableModel, prompt: list[int], asked: SearchSettings) -> list[SlowGroup]:
    """Search as Vijayakumar et al. write it: group after group within each step."""
    groups = [SlowGroup() for _ in range(asked.num_beam_groups)]
    while any(group.is_open for group in groups):
        chosen: list[int] = []
        for group in groups:
            if group.is_open:
                chosen += group.advance(model, prompt, chosen, asked)
    return groups


def plain(found: list[FinishedBeam]) -> list[list[int]]:
    return [item.tokens for item in found]


def asked_for(
    groups: int, num_beams: int, penalty: float, *, length_penalty: float = 1.0, early: bool = False
) -> SearchSettings:
    return SearchSettings(
        num_beams=groups * num_beams,
        num_beam_groups=groups,
        num_return_sequences=groups * num_beams,
        diversity_penalty=penalty,
        length_penalty=length_penalty,
        early_stopping=early,
        max_new_tokens=6,
        eos_token_id=EOS,
    )


prompts = st.lists(st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=3), min_size=1, max_size=3)
searches = st.builds(
    asked_for,
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.3, 1.0, 5.0]),
    length_penalty=st.sampled_from([0.0, 1.0, 2.0]),
    early=st.booleans(),
)


@given(st.integers(0, 2**31), prompts, searches)
@settings(max_examples=100, deadline=None, derandomize=True)  # two equal sums may come in either order
def test_groups_are_those_of_the_papers_algorithm(seed: int, prompts: list[list[int]], asked: SearchSettings) -> None:
    model = TableModel(VOCABULARY, seed=seed)
    found = hypotheses_by_group(search(model, prompts, asked), asked)
    for prompt, mine in zip(prompts, found, strict=True):
        slow = slow_search(model, prompt, asked)
        for group, expected in zip(mine, slow, strict=True):
            assert plain(group) == [text for _, _, text in expected.finished]
            assert [item.score for item in group] == pytest.approx([item[0] for item in expected.finished], abs=1e-4)
            assert [item.log_prob for item in group] == pytest.approx([item[1] for item in expected.finished], abs=1e-4)


@given(st.integers(0, 2**31), prompts, st.integers(2, 4), st.integers(1, 4), st.sampled_from([0.3, 1.0, 5.0]))
@settings(deadline=None, derandomize=True)
def test_diverse_groups_need_no_more_than_a_shortlist(
    seed: int, prompts: list[list[int]], groups: int, num_beams: int, penalty: float
) -> None:
    vocabulary = 40
    model = TableModel(vocabulary, seed=seed)
    asked = asked_for(groups, num_beams, penalty)
    enough = 2 * num_beams + (groups - 1) * num_beams
    assert enough < vocabulary
    short = search(model, prompts, asked, shortlist=enough)
    assert hypotheses_by_group(short, asked) == hypotheses_by_group(search(model, prompts, asked), asked)


def test_groups_begin_with_different_tokens_when_the_penalty_is_high() -> None:
    model = TableModel(VOCABULARY, seed=3)
    asked = asked_for(4, 1, 50.0)
    [groups] = hypotheses_by_group(search(model, [[1]], asked), asked)
    assert len({group[0].tokens[0] for group in groups}) == 4


def test_groups_without_a_penalty_are_alike() -> None:
    model = TableModel(VOCABULARY, seed=3)
    asked = asked_for(3, 2, 0.0)
    [groups] = hypotheses_by_group(search(model, [[1]], asked), asked)
    assert len(groups) == 3
    assert groups[0] == groups[1] == groups[2]


def test_hypotheses_of_all_groups_come_best_first() -> None:
    model = TableModel(VOCABULARY, seed=3)
    asked = asked_for(3, 2, 1.0)
    beams = search(model, [[1], [2, 4]], asked)
    for merged, groups in zip(hypotheses(beams, asked), hypotheses_by_group(beams, asked), strict=True):
        scores = [item.score for item in merged]
        assert scores == sorted(scores, reverse=True)
        assert sorted(plain(merged)) == sorted(item for group in groups for item in plain(group))


@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_words_that_all_groups_share_may_be_told_once(seed: int, requests: int, groups: int, beams: int) -> None:
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(requests, groups, beams, VOCABULARY, generator=random)
    used = torch.rand(scores.shape, generator=random) < 0.3
    subjects, avoided = torch.rand(2, requests, 1, VOCABULARY, generator=random) < 0.3
    words = torch.rand(VOCABULARY, generator=random) < 0.7
    by_group = (requests, groups, VOCABULARY)
    once, each = (
        separate_words(scores, used, *marks, words, diversity_penalty=3.0, word_repetition_penalty=4.0)
        for marks in ((subjects, avoided), (subjects.expand(by_group), avoided.expand(by_group)))
    )
    assert torch.equal(once, each)
