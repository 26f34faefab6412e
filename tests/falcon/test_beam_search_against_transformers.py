"""The search gives what transformers' `generate` gives for each request alone, tokens and scores."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import FalconForCausalLM, GenerationConfig

from falcon.beam_search import EarlyStopping, SearchSettings, hypotheses
from tests.falcon.engine_world import generated
from tests.falcon.plain_search import EOS, falcon_model, falcon_with_eos, search
from tests.falcon.tiny_falcon import WORDS

ENDS_EARLY, ENDS_LATE, NEVER_ENDS = 4.0, 0.5, -50.0


@cache
def model_that(bias: float) -> FalconForCausalLM:
    return falcon_with_eos(bias)


def assert_same_as_transformers(bias: float, prompts: list[list[int]], asked: SearchSettings) -> None:
    model = model_that(bias)
    found = hypotheses(search(falcon_model(model), prompts, asked), asked)
    for prompt, mine in zip(prompts, found, strict=True):
        # With equal shapes in every forward, close scores cannot change places.
        texts, scores = generated(model, prompt, asked, use_cache=False)
        width = len(texts[0])
        assert [item.tokens + [EOS] * (width - item.length) for item in mine] == texts
        assert [item.score for item in mine] == pytest.approx(scores, abs=1e-4)


words = st.integers(1, len(WORDS) - 1)


@st.composite
def searches(draw: st.DrawFn) -> SearchSettings:
    num_beams = draw(st.integers(2, 8))
    return SearchSettings(
        num_beams=num_beams,
        num_return_sequences=draw(st.integers(1, num_beams)),
        length_penalty=draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])),
        early_stopping=draw(st.sampled_from([False, True, "never"])),
        max_new_tokens=draw(st.integers(1, 9)),
        eos_token_id=EOS,
    )


@given(
    st.sampled_from([ENDS_EARLY, 2.0, ENDS_LATE, -1.0, NEVER_ENDS]),
    st.lists(st.lists(words, min_size=1, max_size=6), min_size=1, max_size=3),
    searches(),
)
@settings(max_examples=80, deadline=None)
def test_every_request_of_a_batch_gets_what_transformers_gives_it_alone(
    bias: float, prompts: list[list[int]], asked: SearchSettings
) -> None:
    assert_same_as_transformers(bias, prompts, asked)


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("bias", [ENDS_EARLY, ENDS_LATE, NEVER_ENDS])
@pytest.mark.parametrize("length_penalty", [-1.0, 1.0, 2.0])
def test_when_a_search_ends_is_transformers_choice(
    early_stopping: EarlyStopping, bias: float, length_penalty: float
) -> None:
    asked = SearchSettings(
        num_beams=4,
        num_return_sequences=4,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        max_new_tokens=12,
        eos_token_id=EOS,
    )
    assert_same_as_transformers(bias, [[2, 3], [9], [4, 5, 6, 7]], asked)


def test_early_stopping_modes_of_these_models_differ() -> None:
    """A grid on which all modes agree would prove nothing about them."""
    modes: list[EarlyStopping] = [False, True, "never"]
    found = []
    for mode in modes:
        asked = SearchSettings(
            num_beams=4,
            num_return_sequences=4,
            length_penalty=2.0,
            early_stopping=mode,
            max_new_tokens=12,
            eos_token_id=EOS,
        )
        found.append(
            hypotheses(search(falcon_model(model_that(ENDS_EARLY)), [[2, 3], [9], [4, 5, 6, 7]], asked), asked)
        )
    assert found[0] != found[1]
    assert found[0] != found[2]
    assert found[1] != found[2]


@given(st.lists(words, min_size=1, max_size=6), st.sampled_from([ENDS_EARLY, ENDS_LATE, NEVER_ENDS]))
@settings(deadline=None)
def test_one_beam_is_greedy_decoding(prompt: list[int], bias: float) -> None:
    model = model_that(bias)
    asked = SearchSettings(num_beams=1, num_return_sequences=1, max_new_tokens=8, eos_token_id=EOS, early_stopping=True)
    [[mine]] = hypotheses(search(falcon_model(model), [prompt], asked), asked)
    output = model.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        generation_config=GenerationConfig(
            do_sample=False, use_cache=False, max_new_tokens=8, eos_token_id=EOS, pad_token_id=EOS
        ),
    )
    assert mine.tokens == output[0, len(prompt) :].tolist()
