"""What people would see of a model, and the comparison of three models on the same subjects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.errors import InvalidData, ModelError, OutOfMemory
from core.records import CandidateDraft, ModelInfo
from core.settings import Settings, load_settings
from falcon.generator import Generated, GenerationRequest
from tests.trainer.tiny_adapter import write_speaking_falcon, write_tiny_adapter
from trainer.evaluate import Answer, EvaluationPlan, answers, compare, measure_answers
from trainer.pairs import Pair
from trainer.run.stop_flag import Stopped
from trainer.text_measures import CopyFinder, self_bleu, words_of

PAIRS = tuple(
    Pair(subject, f"{subject} {rest}")
    for subject, rest in (
        ("a boy", "running in the snow"),
        ("the red fox", "in the snow"),
        ("a boy", "with a red fox"),
        ("the snow", "and its shadow"),
    )
)
TRAINED = "a red fox in the deep snow at dusk, soft light"


class ScriptedGenerator:
    """Writes the same words for everybody, and takes no more than `capacity` requests at once."""

    def __init__(self, capacity: int = 100) -> None:
        self.capacity, self.sizes = capacity, list[int]()
        self.is_cancelled: Callable[[], bool] = lambda: False

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(base="scripted", adapter=None, precision="fp32", device="cpu")

    @property
    def settings(self) -> Mapping[str, object]:
        return {}

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generated]:
        self.sizes.append(len(requests))
        self.is_cancelled = requests[0].is_cancelled
        if len(requests) > self.capacity:
            raise OutOfMemory(f"Decoding {len(requests)} requests at once does not fit into memory.")
        return [
            Generated(
                request_id=request.id,
                candidates=tuple(
                    CandidateDraft(rank=rank, text=f"{request.subject}, idea {rank}", score=-1.0)
                    for rank in range(1, request.num_candidates + 1)
                ),
                decoding_seconds=float(len(requests)),
            )
            for request in requests
        ]


def plan_for(pairs: tuple[Pair, ...] = PAIRS, **changes: int) -> EvaluationPlan:
    return EvaluationPlan(pairs=pairs, copies=CopyFinder([TRAINED]), midjourney_version="8.2", **changes)


def answer(subject: str, *texts: str, is_ended: bool = True, seconds: float = 1.0) -> Answer:
    drafts = [CandidateDraft(rank=rank, text=text, score=-1.0, is_ended=is_ended) for rank, text in enumerate(texts, 1)]
    return Answer(subject=subject, candidates=tuple(drafts), seconds=seconds)


def test_each_subject_is_asked_once_in_order_and_no_more_than_wanted() -> None:
    assert plan_for().subjects == ["a boy", "the red fox", "the snow"]
    assert plan_for(num_subjects=2).subjects == ["a boy", "the red fox"]
    found = list(answers(ScriptedGenerator(), plan_for(num_subjects=2)))
    assert [item.subject for item in found] == ["a boy", "the red fox"]
    assert [item.candidates[0].text for item in found] == ["a boy, idea 1", "the red fox, idea 1"]


def test_batch_that_does_not_fit_is_halved_and_nobody_is_lost() -> None:
    pairs = tuple(Pair(f"fox {number}", "") for number in range(7))
    generator = ScriptedGenerator(capacity=1)
    found = list(answers(generator, plan_for(pairs, requests_at_once=4)))
    assert [item.subject for item in found] == [pair.subject for pair in pairs]
    assert generator.sizes == [4, 2, 1, 1, 2, 1, 1, 3, 1, 2, 1, 1]
    assert {item.seconds for item in found} == {1.0}, "the failed attempts are not the answer's time"


def test_request_that_does_not_fit_alone_is_an_error() -> None:
    with pytest.raises(OutOfMemory, match="Decoding 1 requests at once"):
        list(answers(ScriptedGenerator(capacity=0), plan_for()))


def test_wish_to_end_is_obeyed_after_the_batch_and_heard_within_it() -> None:
    """Measuring went on for minutes after somebody had cancelled the cycle."""
    wished: list[bool] = []
    generator = ScriptedGenerator()
    plan = replace(plan_for(requests_at_once=1), is_stop_wanted=lambda: bool(wished))
    found = answers(generator, plan)
    next(found)
    assert not generator.is_cancelled()
    wished.append(True)
    assert generator.is_cancelled()
    with pytest.raises(Stopped):
        next(found)
    assert generator.sizes == [1, 1]


def test_shares_are_over_candidates() -> None:
    found = [
        answer("a fox", "a fox, in snow --ar 16:9", "a fox, at dusk --ar 99:0", seconds=1.0),
        answer("an owl", "owls by night", "an owl and its shadow", is_ended=False, seconds=3.0),
    ]
    measured = measure_answers(found, plan_for(num_candidates=2, requests_at_once=3))
    assert (measured.num_requests, measured.num_candidates, measured.requests_at_once) == (2, 4, 3)
    assert measured.full_answers == 1.0
    assert measured.subject_kept == 0.75
    assert measured.with_parameters == 0.5
    assert measured.valid_parameters == 0.75
    assert measured.ended_by_eos == 0.5
    assert measured.repeated_4grams == 0.0
    assert measured.words_median == pytest.approx(4.0)
    assert measured.seconds_p50 == pytest.approx(2.0)
    assert measured.seconds_p95 == pytest.approx(2.9)


def test_variety_is_counted_without_subject_and_parameters() -> None:
    found = [answer("a fox", "a fox in deep snow --ar 1:1", "a fox in deep fog --ar 1:1")]
    measured = measure_answers(found, plan_for(num_candidates=2))
    assert measured.distinct_1 == pytest.approx(4 / 6)
    assert measured.distinct_2 == pytest.approx(3 / 4)
    assert measured.self_bleu == self_bleu([words_of("in deep snow"), words_of("in deep fog")])
    assert measured.jaccard_distance == pytest.approx(1 - 4 / 6)


def test_copied_runs_and_repeats_are_found_in_whole_prompts() -> None:
    found = [answer("a red fox", TRAINED, "a red fox, snow and fog and dust and snow and fog and dust")]
    measured = measure_answers(found, plan_for())
    assert measured.copied == pytest.approx(4 / 11)
    assert measured.repeated_4grams == 0.5
    assert measured.full_answers == 0.0


def test_one_candidate_alone_has_no_variety_among_candidates() -> None:
    measured = measure_answers([answer("a fox", "a fox")], plan_for(num_candidates=1))
    assert (measured.self_bleu, measured.jaccard_distance, measured.distinct_1) == (None, None, None)


def test_no_answer_at_all_is_refused() -> None:
    for found in ([], [answer("a fox")]):
        with pytest.raises(InvalidData, match="gave no answer to any validation subject"):
            measure_answers(found, plan_for())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speaking_falcon(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_adapter(tmp_path_factory.mktemp("adapters") / "style-1", base)


def settings_for(base: Path, adapter: Path | None) -> Settings:
    return load_settings(_env_file=None, model_id=str(base), precision="fp32", adapter=adapter)


def test_base_serving_and_candidate_are_measured_on_the_same_subjects(base: Path, adapter: Path) -> None:
    told: list[str] = []
    plan = plan_for(num_subjects=1)
    found = compare(settings_for(base, adapter), adapter, plan, report=told.append)
    assert told == list(found) == ["base", "serving", "candidate"]
    assert [item.adapter for item in found.values()] == [None, "style-1", "style-1"]
    assert found["serving"].likelihood == found["candidate"].likelihood
    assert found["base"].likelihood.nats_per_token != found["candidate"].likelihood.nats_per_token
    for item in found.values():
        assert item.likelihood.num_pairs == len(PAIRS)
        assert item.answers is not None
        assert (item.answers.num_requests, item.answers.subject_kept) == (1, 1.0)
    figures = found["candidate"].as_dict()
    assert figures["perplexity"] == found["candidate"].likelihood.perplexity


def test_without_a_serving_adapter_and_without_subjects_two_losses_are_left(base: Path, adapter: Path) -> None:
    found = compare(settings_for(base, None), adapter, plan_for(num_subjects=0))
    assert list(found) == ["base", "candidate"]
    assert [item.answers for item in found.values()] == [None, None]


def test_broken_serving_adapter_is_left_out_and_a_broken_candidate_is_not(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    with capture_logs() as logs:
        found = compare(settings_for(base, tmp_path / "broken"), adapter, plan_for(num_subjects=0))
    assert list(found) == ["base", "candidate"]
    assert "has no adapter_config.json" in next(
        entry["reason"] for entry in logs if entry["event"] == "evaluate.serving_left_out"
    )
    with pytest.raises(ModelError, match=r"has no adapter_config\.json"):
        compare(settings_for(base, None), tmp_path / "broken", plan_for(num_subjects=0))
