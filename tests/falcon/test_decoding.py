"""Beam search with the shipped model: what is offered for an idea."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch

from core.errors import ConfigError, ModelError, OutOfMemory
from core.parameters import parse, validate
from core.records import CandidateDraft
from core.settings import POCKET_FOLDER, load_settings
from falcon.decode_config import DecodeConfig
from falcon.decoding import TransformersGenerator, real_tokens
from falcon.generator import Generated, GenerationRequest
from falcon.loading import LoadedModel
from falcon.selection import content_words, has_repeated_ngram, jaccard_distance
from falcon.serving import load_generator

IDEA = "a boy running in the snow"
SUBJECTS = (IDEA, "a red fox", "an old lighthouse in a storm, seen from the sea at night")


def request(subject: str = IDEA, **changes: Any) -> GenerationRequest:
    fields: dict[str, Any] = {
        "id": subject,
        "subject": subject,
        "parameters": "",
        "images": (),
        "midjourney_version": "8.2",
        "num_candidates": 4,
        "is_cancelled": lambda: False,
    }
    return GenerationRequest(**{**fields, **changes})


def texts(answer: Generated) -> list[str]:
    return [candidate.text for candidate in answer.candidates]


@pytest.fixture(scope="module")
def generator(pocket: LoadedModel, shipped_config: DecodeConfig) -> TransformersGenerator:
    """The shipped settings with a shorter, narrower search, where only the mechanics are asked about."""
    short = replace(shipped_config.beam_search, num_beam_groups=4, min_new_tokens=4, max_new_tokens=20)
    return TransformersGenerator(pocket, replace(shipped_config, beam_search=short))


@pytest.fixture(scope="module")
def offered(shipped_generator: TransformersGenerator) -> tuple[CandidateDraft, ...]:
    """What the shipped settings offer for the idea."""
    return shipped_generator.generate([request()])[0].candidates


@pytest.fixture(scope="module")
def alone(generator: TransformersGenerator) -> list[list[str]]:
    """The answers to each subject as a batch of one."""
    return [texts(generator.generate([request(subject)])[0]) for subject in SUBJECTS]


def test_four_candidates_are_offered_in_order(offered: tuple[CandidateDraft, ...]) -> None:
    assert [candidate.rank for candidate in offered] == [1, 2, 3, 4]
    assert len({candidate.text for candidate in offered}) == 4
    assert all(-10 < candidate.score < 0 for candidate in offered)


def test_reroll_offers_other_words_than_the_prompts_it_has_to_avoid(
    shipped_generator: TransformersGenerator, offered: tuple[CandidateDraft, ...]
) -> None:
    """Decoding is deterministic: asking again in the same way gave the same four prompts again."""
    before = tuple(candidate.text for candidate in offered)
    again = shipped_generator.generate([request(avoid=before)])[0].candidates
    assert len(again) == 4
    for new in again:
        assert new.text.startswith(IDEA)
        assert min(jaccard_distance(content_words(new.text), content_words(old)) for old in before) >= 0.4


def test_subject_survives_in_every_candidate(offered: tuple[CandidateDraft, ...]) -> None:
    for candidate in offered:
        assert candidate.text.startswith(IDEA)
        assert len(candidate.text.split()) >= len(IDEA.split()) + 3


def test_candidates_are_valid_prompts_without_repeated_phrases_or_loose_ends(
    offered: tuple[CandidateDraft, ...],
) -> None:
    for candidate in offered:
        assert validate(parse(candidate.text), "8.2") == ()
        assert not has_repeated_ngram(candidate.text)
        assert parse(candidate.text).text[-1].isalnum() or parse(candidate.text).text[-1] in "'\")+°"


def test_four_candidates_are_four_ideas(offered: tuple[CandidateDraft, ...]) -> None:
    words = [content_words(candidate.text) for candidate in offered]
    assert mean(jaccard_distance(left, right) for left, right in combinations(words, 2)) >= 0.4


def test_candidates_end_by_themselves(offered: tuple[CandidateDraft, ...]) -> None:
    assert all(candidate.is_ended for candidate in offered)


def test_same_idea_gets_the_same_answer(generator: TransformersGenerator, alone: list[list[str]]) -> None:
    assert texts(generator.generate([request(SUBJECTS[1])])[0]) == alone[1]


def test_batch_of_three_equals_three_batches_of_one(generator: TransformersGenerator, alone: list[list[str]]) -> None:
    answers = generator.generate([request(subject) for subject in SUBJECTS])
    assert [answer.request_id for answer in answers] == list(SUBJECTS)
    assert [texts(answer) for answer in answers] == alone


class CancelledAfter:
    """Says no that many times, then yes."""

    def __init__(self, num_polls: int) -> None:
        self.num_polls = num_polls
        self.polls = 0

    def __call__(self) -> bool:
        self.polls += 1
        return self.polls > self.num_polls


def test_cancelled_request_ends_early_without_candidates(generator: TransformersGenerator) -> None:
    is_cancelled = CancelledAfter(3)
    answer = generator.generate([request(is_cancelled=is_cancelled)])[0]
    assert answer.candidates == ()
    assert answer.request_id == IDEA
    assert is_cancelled.polls <= 3 + 3, "decoding went on after the request was cancelled"


def test_cancelling_one_request_leaves_the_other_as_it_is(
    generator: TransformersGenerator, alone: list[list[str]]
) -> None:
    cancelled, kept = generator.generate([request(SUBJECTS[0], is_cancelled=CancelledAfter(3)), request(SUBJECTS[1])])
    assert cancelled.candidates == ()
    assert texts(kept) == alone[1]


def test_tokens_are_real_up_to_the_first_end_and_there_may_be_none() -> None:
    """Where decoding gave no new token there was no first column, and an IndexError."""
    assert real_tokens(torch.tensor([[5, 9, 5, 9], [5, 5, 5, 5]]), 9).tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert real_tokens(torch.empty(3, 0, dtype=torch.long), 9).shape == (3, 0)


@pytest.mark.parametrize("num_candidates", [1, 10])
def test_as_many_candidates_as_asked_for(generator: TransformersGenerator, num_candidates: int) -> None:
    assert len(generator.generate([request(num_candidates=num_candidates)])[0].candidates) == num_candidates


LONG = ("an endless library of tall oak shelves and brass lamps where a small grey cat walks " * 4)[:300].strip()


@pytest.mark.parametrize(
    "subject",
    [
        "🐱 “quoted” ünïcode 東京 <b> & 50 %",
        "A Red FOX, standing.",
        "<|endoftext|> a cat <|pad|>",
        "x",
        LONG,
    ],
    ids=["odd characters", "capitals", "special tokens", "one letter", "very long"],
)
def test_any_subject_is_kept_and_answered(generator: TransformersGenerator, subject: str) -> None:
    answer = generator.generate([request(subject, num_candidates=2)])[0]
    assert len(answer.candidates) == 2
    for text in texts(answer):
        assert text.startswith(subject)
        assert validate(parse(text), "8.2") == ()


def test_last_word_of_a_subject_does_not_grow(generator: TransformersGenerator, pocket: LoadedModel) -> None:
    """The model is made to want nothing but `ing`, and may still not begin with it."""
    favourite = torch.zeros(pocket.model.config.vocab_size)
    favourite[pocket.tokenizer("ing")["input_ids"]] = 50.0
    hook = pocket.model.lm_head.register_forward_hook(lambda _module, _inputs, logits: logits + favourite)
    try:
        answer = generator.generate([request("a man walk", num_candidates=1)])[0]
    finally:
        hook.remove()
    continuation = texts(answer)[0].removeprefix("a man walk")
    assert "ing" in continuation
    assert not continuation.lstrip().startswith("ing")


def test_images_and_parameters_of_the_person_are_in_every_candidate(generator: TransformersGenerator) -> None:
    link = "https://a.example/b.png"
    answer = generator.generate([request(images=(link,), parameters="--ar 2:3 --seed 7")])[0]
    assert len(answer.candidates) == 4
    for text in texts(answer):
        assert text.startswith(f"{link} {IDEA}")
        assert text.count("--ar ") == 1
        assert "--ar 2:3" in text
        assert "--seed 7" in text


def test_settings_are_those_of_the_file_and_seconds_are_measured(
    shipped_generator: TransformersGenerator, shipped_config: DecodeConfig, generator: TransformersGenerator
) -> None:
    assert shipped_generator.settings == shipped_config.as_dict()
    assert shipped_generator.info.base == "pocket"
    assert generator.generate([request(num_candidates=1)])[0].decoding_seconds > 0


class FullModel:
    """A model whose device has no memory left."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.config = loaded.model.config
        self.parameters: Callable[[], Any] = loaded.model.parameters

    def generate(self, **_: Any) -> Sequence[int]:
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_device_without_memory_is_told_as_such(pocket: LoadedModel, shipped_config: DecodeConfig) -> None:
    full = TransformersGenerator(replace(pocket, model=FullModel(pocket)), shipped_config)
    with pytest.raises(OutOfMemory, match="2 requests at once"):
        full.generate([request(), request("a red fox")])


def test_generator_is_loaded_as_the_settings_say(tmp_path: Path) -> None:
    loaded = load_generator(load_settings(_env_file=None, model_id=str(POCKET_FOLDER), precision="bf16"))
    assert (loaded.info.base, loaded.info.precision) == ("pocket", "bf16")
    with pytest.raises(ModelError, match="missing"):
        load_generator(load_settings(_env_file=None, model_id=str(tmp_path / "gone")))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_generator(load_settings(_env_file=None, decode_config=tmp_path / "gone.toml"))


def test_neighbour_that_wants_more_candidates_changes_nothing(
    generator: TransformersGenerator, alone: list[list[str]]
) -> None:
    """Its wider search once made everybody's groups more."""
    answers = generator.generate([request("a bowl of ramen", num_candidates=8), request(SUBJECTS[0])])
    assert texts(answers[1]) == alone[0]
    assert len(answers[0].candidates) == 8


def test_subject_in_a_script_of_many_tokens_is_kept_and_soon_answered(generator: TransformersGenerator) -> None:
    """Three hundred such characters were nine hundred tokens, read twice, and took a minute and a half."""
    subject = "雪中奔跑的少年" * 40
    candidates = generator.generate([request(subject)])[0].candidates
    assert candidates
    assert all(candidate.text.startswith(subject) for candidate in candidates)
