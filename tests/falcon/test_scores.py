"""A candidate's score: the mean log-probability of its tokens, as the model alone sees them."""

import pytest
import torch

from falcon.decoding import TransformersGenerator
from falcon.generator import GenerationRequest
from falcon.loading import LoadedModel
from falcon.template import render_opening, render_question

SUBJECTS = ("a boy running in the snow", "a fox")
CONTINUATIONS = (", soft light, highly detailed, 8k<|endoftext|>", " in the rain, at night --ar 16:9")


def request(subject: str) -> GenerationRequest:
    return GenerationRequest(
        id=subject,
        subject=subject,
        parameters="",
        images=(),
        midjourney_version="8.2",
        num_candidates=1,
        is_cancelled=lambda: False,
    )


def reference(pocket: LoadedModel, subject: str, continuation: list[int]) -> float:
    """Feed the unpadded text token by token and average what the model gives each next token."""
    known = pocket.tokenizer(render_question(subject) + render_opening(subject))["input_ids"]
    total = 0.0
    for token in continuation:
        logits = pocket.model(input_ids=torch.tensor([known])).logits[0, -1].double()
        total += float(logits.log_softmax(-1)[token])
        known = [*known, token]
    return total / len(continuation)


@pytest.mark.parametrize("is_swapped", [False, True])
def test_score_is_the_mean_log_probability_of_the_unpadded_text(
    pocket: LoadedModel, shipped_generator: TransformersGenerator, is_swapped: bool
) -> None:
    """Rows are padded on the left (prompts) and on the right (after the end); neither may move a score."""
    subjects = SUBJECTS[::-1] if is_swapped else SUBJECTS
    answers = [pocket.tokenizer(text)["input_ids"] for text in CONTINUATIONS]
    prompts = shipped_generator._prompts([request(subject) for subject in subjects], 1)
    longest = max(map(len, answers))
    padded = [[*answer, *[pocket.tokenizer.pad_token_id] * (longest - len(answer))] for answer in answers]
    assert len(answers[0]) != len(answers[1]), "one row must be padded"
    assert int(prompts.attention_mask.min()) == 0
    with torch.no_grad():
        sequences = torch.cat([prompts.input_ids, torch.tensor(padded)], 1)
        scores = shipped_generator._mean_log_probabilities(prompts, sequences).tolist()
        expected = [reference(pocket, subject, answer) for subject, answer in zip(subjects, answers, strict=True)]
    assert scores == pytest.approx(expected, abs=1e-4)
