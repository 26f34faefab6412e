"""With room for every text of a small vocabulary, the search finds the best of all texts."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon.beam_search import SearchSettings, hypotheses
from tests.falcon.plain_search import EOS, TableModel, search

VOCABULARY = 5
LONGEST = 3
WIDE_ENOUGH = 20  # texts of two tokens: all of them go on, and any of them that ends is among the best


def all_texts(model: TableModel, text: list[int], log_prob: float, left: int) -> Iterator[tuple[list[int], float]]:
    """Yield every ended text below `text` and its log-probability."""
    for token, step in enumerate(model.row(text).tolist()):
        longer, sum_so_far = [*text, token], log_prob + step
        if token == EOS or left == 1:
            yield longer, sum_so_far
        else:
            yield from all_texts(model, longer, sum_so_far, left - 1)


@given(st.integers(0, 2**31), st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), st.sampled_from([0.5, 1.0, 4.0]))
@settings(max_examples=60, deadline=None)
def test_wide_search_finds_the_best_of_all_texts(seed: int, length_penalty: float, sharpness: float) -> None:
    model = TableModel(VOCABULARY, seed=seed, sharpness=sharpness)
    prompt = [1, 2]
    asked = SearchSettings(
        num_beams=WIDE_ENOUGH,
        num_return_sequences=5,
        length_penalty=length_penalty,
        early_stopping="never",
        max_new_tokens=LONGEST,
        eos_token_id=EOS,
    )
    [found] = hypotheses(search(model, [prompt], asked), asked)

    texts = [(text[len(prompt) :], log_prob) for text, log_prob in all_texts(model, prompt, 0.0, LONGEST)]
    assert len(texts) == 1 + 4 + 16 * VOCABULARY
    by_score = sorted(((log_prob / len(text) ** length_penalty, text, log_prob) for text, log_prob in texts))[::-1]
    assert [item.score for item in found] == pytest.approx([score for score, _, _ in by_score[:5]], abs=1e-5)
    assert [item.log_prob for item in found] == pytest.approx([log_prob for _, _, log_prob in by_score[:5]], abs=1e-5)
    assert found[0].tokens == by_score[0][1]
    assert [item.is_ended for item in found] == [item.tokens[-1] == EOS for item in found]


def test_narrow_search_may_miss_it() -> None:
    """Greedy decoding finds the best of all in none of the cases that matter, or the test above proved nothing."""
    misses = 0
    for seed in range(20):
        model = TableModel(VOCABULARY, seed=seed)
        asked = SearchSettings(
            num_beams=1, num_return_sequences=1, length_penalty=0.0, max_new_tokens=LONGEST, eos_token_id=EOS
        )
        [[found]] = hypotheses(search(model, [[1, 2]], asked), asked)
        best = max(log_prob for _, log_prob in all_texts(model, [1, 2], 0.0, LONGEST))
        misses += found.log_prob < best - 1e-5
    assert misses > 5
