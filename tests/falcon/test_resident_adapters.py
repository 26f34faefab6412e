"""Adapters side by side: each row as if its own were the only one, and weights that are untouched or given back."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor

from core.errors import ModelError
from falcon.engine import Engine, EngineRequest
from falcon.joined_weights import join_weights
from falcon.resident_adapters import ResidentAdapters
from tests.falcon.engine_world import (
    Arrival,
    assert_nothing_inside,
    assert_same_answer,
    make_engine,
    make_row_model,
    own_logits,
    read_texts,
    run,
    search_for,
)
from tests.falcon.test_adapters import write_adapter
from tests.falcon.tiny_falcon import tiny_falcon

TEXTS = [[3, 4, 5, 6, 7], [2], [8, 9, 2], [11, 3, 2, 5]]
SUBSETS = (
    ["query_key_value"],
    ["dense"],
    ["dense_h_to_4h"],
    ["dense_4h_to_h"],
    ["query_key_value", "dense_4h_to_h"],
    ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
)


def fresh() -> Any:
    """Return the base in double precision; merging changes it, so nobody shares it."""
    return tiny_falcon(hidden_size=32).double().eval()


def write_lora(folder: Path, seed: int = 0, **settings: Any) -> Path:
    given = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "init_lora_weights": False, **settings}
    base = tiny_falcon(hidden_size=32)
    torch.manual_seed(seed + 1)
    get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **given)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two adapters that differ in rank, scale and projections."""
    folder = tmp_path_factory.mktemp("adapters")
    return {
        "wide": write_lora(folder / "wide", seed=1, r=8, lora_alpha=4),
        "narrow": write_lora(folder / "narrow", seed=2, r=2, target_modules=["query_key_value", "dense_4h_to_h"]),
    }


def pefts_logits(folder: Path, text: list[int]) -> Tensor:
    return own_logits(PeftModel.from_pretrained(fresh(), folder).double().eval(), text)


def assert_close(mine: list[Tensor], other: list[Tensor], tolerance: float = 1e-9) -> None:
    assert len(mine) == len(other)
    for one, two in zip(mine, other, strict=True):
        torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)


# ---- the arithmetic


@pytest.mark.parametrize("is_rslora", [False, True])
@pytest.mark.parametrize("projections", SUBSETS)
def test_resident_adapter_computes_what_peft_computes(projections: list[str], is_rslora: bool, tmp_path: Path) -> None:
    folder = write_lora(tmp_path / "style", target_modules=projections, use_rslora=is_rslora)
    model = make_row_model(fresh(), num_homes=4, adapters={"style": folder})
    mine = read_texts(model, TEXTS, slots=[model.adapters.slot_of("style")] * 4)
    assert_close(mine, [pefts_logits(folder, text) for text in TEXTS])
    assert not torch.allclose(mine[0], own_logits(fresh(), TEXTS[0]))


def test_rows_of_one_batch_use_an_adapter_each(styles: dict[str, Path]) -> None:
    model = make_row_model(fresh(), num_homes=4, adapters=styles)
    slots = [model.adapters.slot_of(name) for name in ("wide", None, "narrow", "wide")]
    assert len(set(slots)) == 3
    mine = read_texts(model, TEXTS, slots=slots)
    expected = [
        pefts_logits(styles["wide"], TEXTS[0]),
        own_logits(fresh(), TEXTS[1]),
        pefts_logits(styles["narrow"], TEXTS[2]),
        pefts_logits(styles["wide"], TEXTS[3]),
    ]
    assert_close(mine, expected)


@pytest.mark.parametrize("is_late", [False, True])
def test_requests_of_one_batch_answer_as_with_their_adapter_alone(styles: dict[str, Path], is_late: bool) -> None:
    search = search_for(3, 4)
    names = ("wide", None, "narrow", "wide", "narrow", None)
    requests = [
        EngineRequest(id=str(number), prompt=TEXTS[number % 4], adapter=name) for number, name in enumerate(names)
    ]
    engine = make_engine(fresh(), search, num_seats=4, adapters=styles, is_late=is_late)
    arrivals = [Arrival(request, step=number // 2) for number, request in enumerate(requests)]
    ended = run(engine, arrivals)
    for request in requests:
        loaded = {name: folder for name, folder in styles.items() if name == request.adapter}
        [alone] = run(make_engine(fresh(), search, num_seats=1, adapters=loaded), [request]).values()
        assert_same_answer(ended[request.id], alone)
    assert ended["0"].groups != ended["4"].groups
    assert_nothing_inside(engine)


# ---- merging


def joined_matrices(model: Any) -> list[Tensor]:
    return [matrix.clone() for layer in model.weights.layers for matrix in (layer.into, layer.out_of)]


@pytest.mark.parametrize("name", ["wide", "narrow"])
def test_merged_adapter_computes_what_the_resident_one_does(name: str, styles: dict[str, Path]) -> None:
    model = make_row_model(tiny_falcon(hidden_size=32).eval(), num_homes=4, adapters=styles)
    beside = read_texts(model, TEXTS, slots=[model.adapters.slot_of(name)] * 4)
    model.merge_adapter(name)
    assert model.adapters.merged == name
    assert model.adapters.slot_of(name) == -1
    assert_close(read_texts(model, TEXTS), beside, tolerance=2e-3)


def test_restoring_gives_the_weights_back_to_the_bit(styles: dict[str, Path]) -> None:
    model = make_row_model(tiny_falcon(hidden_size=32).bfloat16(), adapters=styles)
    before = joined_matrices(model)
    model.merge_adapter("wide")
    assert not any(torch.equal(one, other) for one, other in zip(before, joined_matrices(model), strict=True))
    model.restore_weights()
    assert all(torch.equal(one, other) for one, other in zip(before, joined_matrices(model), strict=True))
    assert model.adapters.merged is None
    assert model.adapters.slot_of("wide") >= 0
    model.merge_adapter("narrow")
    model.restore_weights()
    assert all(torch.equal(one, other) for one, other in zip(before, joined_matrices(model), strict=True))


def test_restoring_what_nobody_merged_changes_nothing(styles: dict[str, Path]) -> None:
    model = make_row_model(fresh(), adapters=styles)
    before = joined_matrices(model)
    model.restore_weights()
    assert all(torch.equal(one, other) for one, other in zip(before, joined_matrices(model), strict=True))


def test_beside_a_merged_adapter_nobody_else_can_serve(styles: dict[str, Path]) -> None:
    engine = make_engine(tiny_falcon(hidden_size=32).eval(), search_for(2, 3), adapters=styles)
    resident = run(engine, [EngineRequest(id="before", prompt=[3, 4], adapter="wide")])
    engine.model.merge_adapter("wide")
    for name, said in (("narrow", "narrow"), (None, "the base")):
        with pytest.raises(ModelError, match=rf"wide is merged, so {said} cannot serve"):
            engine.submit(EngineRequest(id="other", prompt=[3], adapter=name))
    merged = run(engine, [EngineRequest(id="after", prompt=[3, 4], adapter="wide")])
    for one, other in zip(resident["before"].groups[0], merged["after"].groups[0], strict=True):
        assert one.log_prob == pytest.approx(other.log_prob, abs=2e-3)


# ---- in place, while others decode


def table_places(engine: Engine) -> list[int]:
    return [table.data_ptr() for tables in engine.model.adapters._tables for table in tables]


@pytest.mark.parametrize("is_late", [False, True])
def test_loading_and_unloading_between_steps_leaves_the_others_as_they_are(
    styles: dict[str, Path], is_late: bool, tmp_path: Path
) -> None:
    search = search_for(3, 5)
    engine = make_engine(fresh(), search, adapters={"wide": styles["wide"]}, is_late=is_late)
    adapters, places = engine.model.adapters, table_places(engine)
    plain = EngineRequest(id="plain", prompt=[3, 4, 5])
    wide = EngineRequest(id="wide", prompt=[3, 4, 5], adapter="wide")
    engine.submit(plain)
    engine.submit(wide)
    assert engine.step() == []
    adapters.load("narrow", styles["narrow"])
    engine.submit(EngineRequest(id="narrow", prompt=[3, 4, 5], adapter="narrow", max_new_tokens=1))
    ended = {end.id: end for _ in range(3) for end in engine.step()}
    assert list(ended) == ["narrow"]
    adapters.unload("narrow")
    other = write_lora(tmp_path / "other", seed=3)
    adapters.load("other", other)
    ended |= run(engine, [EngineRequest(id="other", prompt=[3, 4, 5], adapter="other")])
    assert table_places(engine) == places
    loaded = {**styles, "other": other}
    for request in (plain, wide, EngineRequest(id="other", prompt=[3, 4, 5], adapter="other")):
        own = {name: folder for name, folder in loaded.items() if name == request.adapter}
        [alone] = run(make_engine(fresh(), search, num_seats=1, adapters=own), [request]).values()
        assert_same_answer(ended[request.id], alone)


def test_slot_keeps_nothing_of_the_adapter_that_left(styles: dict[str, Path]) -> None:
    """The next one may be of lower rank and adapt fewer projections."""
    model = make_row_model(fresh(), num_homes=4, num_slots=1, adapters={"wide": styles["wide"]})
    model.adapters.unload("wide")
    model.adapters.load("narrow", styles["narrow"])
    mine = read_texts(model, TEXTS, slots=[model.adapters.slot_of("narrow")] * 4)
    assert_close(mine, [pefts_logits(styles["narrow"], text) for text in TEXTS])


# ---- what is refused


def refusal(adapters: ResidentAdapters, name: str, folder: Path) -> str:
    before = adapters.names
    with pytest.raises(ModelError) as caught:
        adapters.load(name, folder)
    assert adapters.names == before
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_name_that_is_taken_is_refused(styles: dict[str, Path]) -> None:
    adapters = make_row_model(fresh(), adapters={"wide": styles["wide"]}).adapters
    assert "wide is loaded already" in refusal(adapters, "wide", styles["narrow"])


def test_adapter_without_a_free_slot_is_refused(styles: dict[str, Path]) -> None:
    adapters = make_row_model(fresh(), adapters=styles).adapters
    message = refusal(adapters, "third", styles["wide"])
    assert "All 2 slots are taken (wide, narrow)" in message


def test_rank_beyond_the_slots_is_refused(tmp_path: Path) -> None:
    adapters = make_row_model(fresh()).adapters
    assert "has rank 9, and slots take 8" in refusal(adapters, "style", write_lora(tmp_path / "style", r=9))


@pytest.mark.parametrize("shape", [{"hidden_size": 64}, {"hidden_size": 32, "num_hidden_layers": 3}])
def test_adapter_of_another_base_is_refused(shape: dict[str, int], tmp_path: Path) -> None:
    adapters = make_row_model(fresh()).adapters
    assert "does not fit the base model" in refusal(adapters, "style", write_adapter(tmp_path / "style", **shape))


def test_refused_adapter_leaves_the_slot_empty(styles: dict[str, Path], tmp_path: Path) -> None:
    model = make_row_model(fresh(), num_homes=4)
    broken = Path(shutil.copytree(styles["wide"], tmp_path / "broken"))
    (broken / "adapter_model.safetensors").unlink()
    refusal(model.adapters, "broken", broken)
    model.adapters.load("narrow", styles["narrow"])
    mine = read_texts(model, TEXTS, slots=[model.adapters.slot_of("narrow")] * 4)
    assert_close(mine, [pefts_logits(styles["narrow"], text) for text in TEXTS])


def test_what_is_not_loaded_is_neither_found_nor_unloaded_nor_merged(styles: dict[str, Path]) -> None:
    adapters = make_row_model(fresh(), adapters={"wide": styles["wide"]}).adapters
    for call in (adapters.slot_of, adapters.unload, adapters.merge):
        with pytest.raises(ModelError, match=r"nothing is not loaded; loaded are wide\."):
            call("nothing")


def test_merged_adapter_is_neither_unloaded_nor_merged_again(styles: dict[str, Path]) -> None:
    adapters = make_row_model(fresh(), adapters=styles).adapters
    adapters.merge("wide")
    with pytest.raises(ModelError, match="restore the weights first"):
        adapters.unload("wide")
    with pytest.raises(ModelError, match="wide is merged already"):
        adapters.merge("narrow")


@pytest.mark.parametrize("given", [{"num_slots": -1, "max_rank": 8}, {"num_slots": 2, "max_rank": 0}])
def test_impossible_room_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(ModelError, match="num_slots"):
        ResidentAdapters(join_weights(fresh(), 8), **given)
