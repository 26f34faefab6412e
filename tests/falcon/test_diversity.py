"""How the beam groups of one request are kept apart."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from falcon.diversity import GroupDiversity, WordBoundary, boundary_tokens, word_starts
from falcon.loading import LoadedModel

VOCABULARY = 12


def token(pocket: LoadedModel, text: str) -> int:
    """Return the one token that spells `text`; the test is wrong when there is none."""
    tokens = pocket.tokenizer(text)["input_ids"]
    assert len(tokens) == 1, text
    return int(tokens[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" snow", True),
        (" light", True),
        (" dark", True),
        (" the", False),
        (" with", False),
        (" a", False),
        ("ing", False),
        (",", False),
        (" --", False),
        (" 8", False),
        ("<|endoftext|>", False),
        ("<|pad|>", False),
    ],
)
def test_only_tokens_that_begin_a_content_word_count_as_words(pocket: LoadedModel, text: str, expected: bool) -> None:
    assert bool(word_starts(pocket.tokenizer, pocket.model.config.vocab_size)[token(pocket, text)]) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (",", True),
        (" snow", True),
        (" with", True),
        (" --", True),
        ("ing", False),
        ("s", False),
        (".", False),
        ("<|endoftext|>", False),
        ("<|pad|>", False),
    ],
)
def test_only_a_space_or_a_comma_may_follow_a_finished_word(pocket: LoadedModel, text: str, expected: bool) -> None:
    assert bool(boundary_tokens(pocket.tokenizer, pocket.model.config.vocab_size)[token(pocket, text)]) is expected


def test_rows_of_the_vocabulary_beyond_the_tokenizer_are_neither(pocket: LoadedModel) -> None:
    size = len(pocket.tokenizer) + 3
    for marks in (word_starts(pocket.tokenizer, size), boundary_tokens(pocket.tokenizer, size)):
        assert marks.shape == (size,)
        assert not marks[-3:].any()
        assert marks.any()


def test_special_token_never_follows_a_finished_word_however_it_is_spelled() -> None:
    words = Tokenizer(WordLevel({"<eos>": 0, ",": 1, ",pad": 2}, unk_token="<eos>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", pad_token=",pad")
    assert boundary_tokens(tokenizer, 3).tolist() == [False, True, False]


def test_word_boundary_holds_at_the_first_step_only() -> None:
    allowed = torch.tensor([True, False, True])
    boundary = WordBoundary(allowed, prompt_length=2)
    scores = torch.tensor([[-1.0, -2.0, -3.0]])
    assert boundary(torch.zeros(1, 2, dtype=torch.long), scores).tolist() == [[-1.0, float("-inf"), -3.0]]
    assert torch.equal(boundary(torch.zeros(1, 3, dtype=torch.long), scores), scores)


class Case:
    """One step of a search, drawn at random: Q requests of G groups of K beams that have written N tokens."""

    def __init__(self, seed: int, requests: int, groups: int, beams: int, written: int) -> None:
        random = torch.Generator().manual_seed(seed)
        self.requests, self.groups, self.beams, self.prompt_length = requests, groups, beams, 3
        rows = requests * groups * beams
        self.input_ids = torch.randint(VOCABULARY, (rows, self.prompt_length + written), generator=random)
        self.scores = torch.randn(rows, VOCABULARY, generator=random, dtype=torch.float64)
        self.words = torch.rand(VOCABULARY, generator=random) < 0.7
        subjects = torch.randint(VOCABULARY, (requests, 2), generator=random).tolist()
        self.subjects = [subject for subject in subjects for _ in range(groups)]
        avoided = torch.randint(VOCABULARY, (requests, 3), generator=random).tolist()
        self.avoided = [tokens for tokens in avoided for _ in range(groups)]

    def processed(self, diversity: float, repetition: float) -> Tensor:
        processor = GroupDiversity(
            num_groups=self.groups,
            num_beams=self.beams,
            prompt_length=self.prompt_length,
            words=self.words,
            subject_tokens=self.subjects,
            avoided_tokens=self.avoided,
            diversity_penalty=diversity,
            word_repetition_penalty=repetition,
        )
        return processor(self.input_ids, self.scores)

    def row(self, request: int, group: int, beam: int) -> int:
        return (request * self.groups + group) * self.beams + beam

    def written(self, row: int) -> set[int]:
        return set(self.input_ids[row, self.prompt_length :].tolist())


def reference(case: Case, diversity: float, repetition: float) -> list[list[float]]:
    """Return the penalised scores token by token, as the module's docstring tells it."""
    scores = case.scores.tolist()
    for request in range(case.requests):
        about_to_be_chosen: set[int] = set()
        for group in range(case.groups):
            others = [case.row(request, other, 0) for other in range(case.groups) if other != group]
            avoided = set(case.avoided[request * case.groups + group])
            taken = avoided.union(*map(case.written, others))
            choices = set()
            for beam in range(case.beams):
                row = case.row(request, group, beam)
                own = case.written(row) | set(case.subjects[request * case.groups + group])
                for word in range(VOCABULARY):
                    if case.words[word]:
                        scores[row][word] -= repetition * (word in own)
                        scores[row][word] -= diversity * (word in taken)
                        scores[row][word] -= diversity * (word in about_to_be_chosen)
                choices.add(max(range(VOCABULARY), key=scores[row].__getitem__))
            about_to_be_chosen |= choices
    return scores


@given(
    st.builds(Case, st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 4)),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.sampled_from([0.0, 1.25, 4.0]),
)
def test_penalties_are_those_of_a_token_by_token_reference(case: Case, diversity: float, repetition: float) -> None:
    before = case.scores.clone()
    torch.testing.assert_close(
        case.processed(diversity, repetition),
        torch.tensor(reference(case, diversity, repetition), dtype=torch.float64),
        rtol=0,
        atol=1e-9,
    )
    assert torch.equal(case.scores, before), "the caller's scores were changed"


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 3))
def test_requests_of_one_batch_do_not_touch_each_other(seed: int, groups: int, beams: int) -> None:
    both = Case(seed, 2, groups, beams, 3)
    half = groups * beams
    together = both.processed(3.0, 4.0)
    for number in (0, 1):
        alone = Case(seed, 1, groups, beams, 3)
        alone.input_ids = both.input_ids[number * half : (number + 1) * half]
        alone.scores = both.scores[number * half : (number + 1) * half]
        mine = slice(number * groups, (number + 1) * groups)
        alone.words, alone.subjects, alone.avoided = both.words, both.subjects[mine], both.avoided[mine]
        assert torch.equal(together[number * half : (number + 1) * half], alone.processed(3.0, 4.0))


def test_groups_that_would_all_begin_alike_begin_differently() -> None:
    case = Case(seed=0, requests=1, groups=3, beams=1, written=0)
    case.scores = torch.log_softmax(torch.arange(VOCABULARY, dtype=torch.float64).repeat(3, 1), -1)
    case.words, case.subjects, case.avoided = torch.ones(VOCABULARY, dtype=torch.bool), [[], [], []], [[], [], []]
    assert case.processed(20.0, 0.0).argmax(-1).tolist() == [VOCABULARY - 1, VOCABULARY - 2, VOCABULARY - 3]


def test_one_group_alone_pays_for_repetition_only() -> None:
    case = Case(seed=1, requests=2, groups=1, beams=2, written=3)
    case.avoided = [[], []]
    assert torch.equal(case.processed(9.0, 0.0), case.scores)
