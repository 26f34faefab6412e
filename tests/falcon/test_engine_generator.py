"""The engine behind the worker's port, with the shipped model."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import ModelError, NotEnoughMemory, OutOfMemory
from core.parameters import parse, validate
from core.settings import POCKET_FOLDER, load_settings
from falcon.decode_config import DecodeConfig
from falcon.decoding import TransformersGenerator
from falcon.engine_generator import EngineGenerator
from falcon.generator import Failure, Generated, Outcome, RunningGenerator
from falcon.joined_weights import join_weights
from falcon.loading import LoadedModel
from falcon.prompt_texts import MAX_SUBJECT_TOKENS, PromptTexts
from falcon.resident_adapters import ResidentAdapters
from falcon.selection import content_words, jaccard_distance
from falcon.serving import CPU_CAPACITY, build_engine_generator, load_generator, plan_capacity, why_not_engine
from tests.falcon.test_adapters import write_adapter
from tests.falcon.test_decoding import IDEA, SUBJECTS, CancelledAfter, request, texts
from tests.falcon.tiny_falcon import change_json
from tests.trainer.tiny_adapter import write_speaking_falcon

SETTINGS = load_settings(_env_file=None, model_id=str(POCKET_FOLDER))


def own_copy(loaded: LoadedModel) -> LoadedModel:
    """Return the model anew: joining changes its modules, which other tests share."""
    return replace(loaded, model=copy.deepcopy(loaded.model))


def shortened(config: DecodeConfig, **changes: Any) -> DecodeConfig:
    fields = {"num_beam_groups": 4, "min_new_tokens": 4, "max_new_tokens": 16, **changes}
    return replace(config, beam_search=replace(config.beam_search, **fields))


def to_the_end(generator: EngineGenerator) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    while generator.num_inside:
        outcomes |= {outcome.request_id: outcome for outcome in generator.step()}
    return outcomes


@pytest.fixture(scope="module")
def generator(pocket: LoadedModel, shipped_config: DecodeConfig) -> EngineGenerator:
    return build_engine_generator(own_copy(pocket), shortened(shipped_config), SETTINGS)


@pytest.fixture
def answered(generator: EngineGenerator) -> Iterator[EngineGenerator]:
    """The generator, which must be empty afterwards."""
    yield generator
    assert generator.num_inside == 0


def candidates(outcome: Outcome) -> Sequence[str]:
    assert isinstance(outcome, Generated)
    return texts(outcome)


def test_without_word_penalties_the_engine_offers_what_the_reference_offers(
    pocket: LoadedModel, shipped_config: DecodeConfig
) -> None:
    """With them the two part once a group has closed: the reference lets it go on using up words."""
    config = shortened(shipped_config, diversity_penalty=0.0, word_repetition_penalty=0.0)
    engine = build_engine_generator(own_copy(pocket), config, SETTINGS)
    reference = TransformersGenerator(pocket, config)
    for subject in SUBJECTS:
        ours, theirs = engine.generate([request(subject)])[0], reference.generate([request(subject)])[0]
        assert texts(ours) == texts(theirs)
        for one, other in zip(ours.candidates, theirs.candidates, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-3)
            assert one.is_ended == other.is_ended


def test_it_is_what_the_worker_calls_a_running_generator(
    generator: EngineGenerator, shipped_config: DecodeConfig
) -> None:
    assert isinstance(generator, RunningGenerator)
    assert generator.capacity == CPU_CAPACITY
    assert generator.settings == shortened(shipped_config).as_dict()
    assert generator.info.base == "pocket"


def test_four_different_valid_prompts_keep_the_subject(answered: EngineGenerator) -> None:
    found = answered.generate([request()])[0].candidates
    assert [candidate.rank for candidate in found] == [1, 2, 3, 4]
    assert all(candidate.text.startswith(IDEA) for candidate in found)
    assert all(validate(parse(candidate.text), "8.2") == () for candidate in found)
    assert all(-10 < candidate.score < 0 for candidate in found)
    words = [content_words(candidate.text) for candidate in found]
    assert min(jaccard_distance(words[0], other) for other in words[1:]) > 0.2


def test_company_that_comes_and_goes_changes_no_answer(answered: EngineGenerator) -> None:
    alone = {subject: texts(answered.generate([request(subject)])[0]) for subject in SUBJECTS}
    answered.submit(request(SUBJECTS[0]))
    for _ in range(3):
        answered.step()
    answered.submit(request(SUBJECTS[1]))
    answered.submit(request("a bowl of ramen", is_cancelled=CancelledAfter(5)))
    answered.step()
    answered.submit(request(SUBJECTS[2]))
    outcomes = to_the_end(answered)
    assert candidates(outcomes["a bowl of ramen"]) == []
    assert {subject: candidates(outcomes[subject]) for subject in SUBJECTS} == alone


def test_request_for_more_candidates_than_there_are_groups_gets_them_beside_others(answered: EngineGenerator) -> None:
    alone = texts(answered.generate([request(SUBJECTS[1])])[0])
    answered.submit(request(SUBJECTS[1]))
    answered.submit(request("a bowl of ramen", num_candidates=7))
    outcomes = to_the_end(answered)
    assert len(candidates(outcomes["a bowl of ramen"])) == 7
    assert candidates(outcomes[SUBJECTS[1]]) == alone


def test_reroll_keeps_away_from_the_prompts_it_has_to_avoid(answered: EngineGenerator) -> None:
    before = tuple(texts(answered.generate([request()])[0]))
    again = texts(answered.generate([request(avoid=before)])[0])
    assert len(again) == 4
    assert not set(again) & set(before)


def test_best_text_so_far_grows_while_a_request_is_decoded(answered: EngineGenerator) -> None:
    answered.submit(request())
    assert answered.best_so_far(IDEA) is None
    seen = []
    while answered.num_inside:
        answered.step()
        seen.append(answered.best_so_far(IDEA))
    assert seen[-1] is None
    assert len(seen[4] or "") > len(seen[0] or "") > 0


def test_subject_of_countless_tokens_is_kept_and_answered(answered: EngineGenerator) -> None:
    subject = "雪中奔跑的少年" * (MAX_SUBJECT_TOKENS // 3)
    answer = answered.generate([request(subject)])[0]
    assert answer.candidates
    assert all(text.startswith(subject) for text in texts(answer))


def test_request_for_an_adapter_that_is_not_loaded_fails_alone(answered: EngineGenerator) -> None:
    answered.submit(request("a red fox", adapter="nobody"))
    answered.submit(request())
    outcomes = to_the_end(answered)
    failure = outcomes["a red fox"]
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, ModelError)
    assert "nobody is not loaded" in str(failure.error)
    assert len(candidates(outcomes[IDEA])) == 4
    with pytest.raises(ModelError, match="nobody is not loaded"):
        answered.generate([request("a red fox", adapter="nobody")])


def test_step_that_crashes_drops_everybody_and_the_next_request_is_answered(
    generator: EngineGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = texts(generator.generate([request()])[0])
    generator.submit(request("a red fox"))
    generator.step()
    engine = generator._engines[4]
    with monkeypatch.context() as patch:
        patch.setattr(engine.model, "hidden", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            generator.step()
    assert generator.num_inside == 0
    assert texts(generator.generate([request()])[0]) == alone


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Falcon with the pocket's tokenizer, and an adapter beside it."""
    folder = tmp_path_factory.mktemp("speaking")
    write_adapter(folder / "champion")
    write_adapter(folder / "challenger")
    return write_speaking_falcon(folder / "base")


def test_adapters_come_and_go_while_others_decode(speaking: Path, shipped_config: DecodeConfig) -> None:
    settings = load_settings(_env_file=None, model_id=str(speaking))
    loaded = load_generator(settings)
    assert isinstance(loaded, EngineGenerator)
    base = texts(loaded.generate([request()])[0])
    loaded.load_adapter("champion", speaking.parent / "champion")
    loaded.submit(request())
    loaded.submit(request("a red fox", adapter="champion"))
    loaded.step()
    with pytest.raises(ModelError, match="in use by 1 requests"):
        loaded.unload_adapter("champion")
    with pytest.raises(ModelError, match="2 requests are inside"):
        loaded.merge_adapter("champion")
    loaded.load_adapter("challenger", speaking.parent / "challenger")
    assert candidates(to_the_end(loaded)[IDEA]) == base
    loaded.unload_adapter("challenger")
    adapted = texts(loaded.generate([request(adapter="champion")])[0])
    assert adapted != base
    loaded.serve_adapter("champion")
    assert loaded.info.adapter == "champion"
    assert texts(loaded.generate([request()])[0]) == adapted
    loaded.merge_adapter("champion")
    assert loaded._adapters.merged == "champion"
    loaded.merge_adapter(None)
    loaded.serve_adapter(None)
    assert texts(loaded.generate([request()])[0]) == base


def test_adapter_of_the_settings_is_merged_and_named(speaking: Path) -> None:
    adapter = speaking.parent / "champion"
    loaded = load_generator(load_settings(_env_file=None, model_id=str(speaking), adapter=adapter, precision="fp32"))
    reference = load_generator(
        load_settings(_env_file=None, model_id=str(speaking), adapter=adapter, precision="fp32", engine="transformers")
    )
    assert isinstance(loaded, EngineGenerator)
    assert isinstance(reference, TransformersGenerator)
    assert loaded.info == reference.info
    assert loaded._adapters.merged == "champion"


def test_models_that_the_engine_does_not_know_are_served_by_transformers(speaking: Path, tmp_path: Path) -> None:
    other = tmp_path / "with_biases"
    other.mkdir()
    for file in speaking.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    change_json(other / "config.json", alibi=True)
    settings = {"_env_file": None, "model_id": str(other)}
    assert isinstance(load_generator(load_settings(**settings)), TransformersGenerator)
    with pytest.raises(ModelError, match="alibi is True"):
        load_generator(load_settings(**settings, engine="beam"))


def test_four_bit_weights_on_a_cpu_are_not_the_engines(pocket: LoadedModel) -> None:
    packed = replace(pocket, info=replace(pocket.info, precision="nf4"))
    assert why_not_engine(packed) == "its 4-bit weights lie on a CPU"
    assert why_not_engine(pocket) is None


def test_engine_request_gets_the_seed_that_was_given_or_one_of_its_own(generator: EngineGenerator) -> None:
    given = generator._engine_request(request(seed=7))
    first, second = (generator._engine_request(request(id=name)) for name in ("one", "two"))
    assert given.seed == 7
    assert first.seed != second.seed
    assert generator._engine_request(request(id="one")).seed == first.seed


def test_text_that_cannot_be_finished_fails_alone(
    answered: EngineGenerator, pocket: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raised out of the step, so everybody inside was taken for lost and one of them stayed for ever."""
    finish = answered._texts.candidates

    def finish_or_fail(asked: Any, found: Any) -> Any:
        if asked.subject == "a red fox":
            raise ValueError("no such prompt")
        return finish(asked, found)

    with monkeypatch.context() as patch:
        patch.setattr(answered._texts, "candidates", finish_or_fail)
        answered.submit(request("a red fox"))
        answered.submit(request())
        outcomes = to_the_end(answered)
    assert isinstance(outcomes["a red fox"], Failure)
    assert len(candidates(outcomes[IDEA])) == 4


def test_request_that_is_inside_already_is_refused(answered: EngineGenerator) -> None:
    answered.submit(request())
    answered.submit(request())
    first = answered.step()
    assert [type(outcome) for outcome in first] == [Failure]
    assert len(candidates(to_the_end(answered)[IDEA])) == 4


def test_more_candidates_than_a_request_has_beams_for_are_refused(answered: EngineGenerator) -> None:
    answered.submit(request(num_candidates=100))
    (outcome,) = answered.step()
    assert isinstance(outcome, Failure)
    assert "100 candidates need 200 beams" in str(outcome.error)


def test_step_without_memory_is_told_as_such_and_the_next_request_is_answered(
    generator: EngineGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    generator.submit(request("a red fox"))
    generator.submit(request())
    with monkeypatch.context() as patch:
        patch.setattr(generator._engines[4].model, "hidden", no_memory)
        with pytest.raises(OutOfMemory, match="2 requests at once"):
            generator.step()
    assert generator.num_inside == 0
    assert generator.metrics.snapshot()["endings"]["out_of_memory"] == 2  # type: ignore[index]
    assert len(texts(generator.generate([request()])[0])) == 4


def test_adapter_that_a_default_request_began_with_stays_until_it_has_ended(speaking: Path) -> None:
    """Who asks for nothing gets the adapter that serves; another one may serve before that request is done."""
    loaded = load_generator(load_settings(_env_file=None, model_id=str(speaking)))
    assert isinstance(loaded, EngineGenerator)
    for name in ("champion", "challenger"):
        loaded.load_adapter(name, speaking.parent / name)
    loaded.serve_adapter("champion")
    loaded.submit(request())
    loaded.step()
    loaded.serve_adapter("challenger")
    with pytest.raises(ModelError, match="in use by 1 requests"):
        loaded.unload_adapter("champion")
    to_the_end(loaded)
    loaded.unload_adapter("champion")


@pytest.mark.parametrize(("wanted", "expected"), [(None, 4), (2, 2), (1000, 128)])
def test_a_cpu_holds_four_requests_or_as_many_as_are_wanted(
    pocket: LoadedModel, shipped_config: DecodeConfig, wanted: int | None, expected: int
) -> None:
    weights = join_weights(own_copy(pocket).model, 64)
    texts_of_pocket = PromptTexts(pocket.tokenizer, shipped_config, 8192)
    assert plan_capacity(weights, texts_of_pocket, wanted) == expected


def test_adapter_that_memory_has_no_room_for_leaves_nothing_behind(
    speaking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_generator(load_settings(_env_file=None, model_id=str(speaking)))
    assert isinstance(loaded, EngineGenerator)
    fill, num_filled = ResidentAdapters._fill, 0

    def fill_one_layer(self: ResidentAdapters, *of_layer: Any) -> None:
        nonlocal num_filled
        num_filled += 1
        if num_filled > 1:
            raise torch.OutOfMemoryError("no room, says a test")
        fill(self, *of_layer)

    monkeypatch.setattr(ResidentAdapters, "_fill", fill_one_layer)
    with pytest.raises(NotEnoughMemory, match=r"set MAX_BATCH_REQUESTS lower\.$"):
        loaded.load_adapter("champion", speaking.parent / "champion")
    assert loaded._adapters.names == ()
    assert not any(table.any() for layer in loaded._adapters._tables for table in layer)
