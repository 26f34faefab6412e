"""The pool of token positions: homes are lent and come back, and what cannot be allocated is said."""

from random import Random

import pytest
import torch

from core.errors import NotEnoughMemory
from falcon.engine import Engine, EngineRequest
from falcon.row_model import RowModel
from falcon.row_operations import TorchOperations
from falcon.token_memory import MemoryShape, TokenMemory
from tests.falcon.engine_world import EOS, LateSteps, assert_nothing_inside, make_row_model, search_for
from tests.falcon.tiny_falcon import CPU, tiny_falcon

SHAPE = MemoryShape(num_layers=2, head_size=4, num_homes=3, rows_per_home=5, max_prompt_tokens=7, max_new_tokens=11)


def test_pool_has_room_for_every_home_and_for_rows_without_a_request() -> None:
    assert SHAPE.places_per_home == 7 + 5 * 11
    assert SHAPE.num_places == 4 * SHAPE.places_per_home
    assert SHAPE.max_tokens == 18
    memory = TokenMemory(SHAPE, torch.float32, CPU)
    assert [tuple(layer.shape) for layer in memory.layers] == [(SHAPE.num_places, 8)] * 2
    assert sum(layer.numel() * layer.element_size() for layer in memory.layers) == SHAPE.num_bytes(torch.float32)
    assert memory.first_place(memory.spare_home) + SHAPE.places_per_home == SHAPE.num_places


def test_homes_do_not_overlap_and_none_is_lent_twice() -> None:
    memory = TokenMemory(SHAPE, torch.float32, CPU)
    homes = [memory.take_home() for _ in range(3)]
    assert sorted(homes) == [0, 1, 2]
    assert memory.num_free_homes == 0
    places = [range(memory.first_place(home), memory.first_place(home + 1)) for home in [*homes, memory.spare_home]]
    assert len({place for home in places for place in home}) == SHAPE.num_places


@pytest.mark.parametrize("home", [0, 3, -1])
def test_home_that_is_not_taken_cannot_be_given_back(home: int) -> None:
    """3 is the home of rows without a request, which is nobody's to give back."""
    memory = TokenMemory(SHAPE, torch.float32, CPU)
    with pytest.raises(ValueError, match=f"home {home} is not taken"):
        memory.give_home_back(home)
    assert memory.num_free_homes == 3


def test_pool_that_cannot_be_allocated_names_the_setting() -> None:
    shape = MemoryShape(
        num_layers=1,
        head_size=64,
        num_homes=10**6,
        rows_per_home=10**3,
        max_prompt_tokens=256,
        max_new_tokens=10**3,
    )
    assert shape.num_bytes(torch.float64) > 10**15
    with pytest.raises(NotEnoughMemory) as caught:
        TokenMemory(shape, torch.float64, CPU)
    message = str(caught.value)
    assert "1000000 requests" in message
    assert f"{shape.num_bytes(torch.float64) / 2**30:.2f} GiB" in message
    assert message.endswith("set MAX_BATCH_REQUESTS lower.")


def very_tiny_model() -> RowModel:
    falcon = tiny_falcon(hidden_size=8, num_hidden_layers=1).eval()
    return make_row_model(falcon, num_homes=64, rows_per_home=2, max_prompt_tokens=4, max_new_tokens=2)


def all_tensors(engine: Engine) -> list[tuple[int, tuple[int, ...]]]:
    """Return address and size of every tensor that the engine keeps."""
    kept: list[torch.Tensor] = list(engine.model.memory.layers)
    for owner in (engine._seats, engine._rules, engine._seats.beams):
        values = [getattr(owner, name) for name in getattr(owner, "__slots__", None) or vars(owner)]
        kept += [value for value in values if isinstance(value, torch.Tensor)]
    assert len(kept) > 20
    return [(tensor.data_ptr(), tuple(tensor.shape)) for tensor in kept]


@pytest.mark.parametrize("is_late", [False, True])
def test_ten_thousand_requests_leave_nothing_behind(is_late: bool) -> None:
    random = Random(7)
    model = very_tiny_model()
    runner = LateSteps(model.memory.shape) if is_late else None
    engine = Engine(model, search_for(2, 2, eos_token_id=EOS), runner=runner)
    before = all_tensors(engine)
    ended, num_cancelled, submitted = set(), 0, 0
    while submitted < 10_000 or engine.num_inside:
        for _ in range(min(10_000 - submitted, random.randint(0, 100))):
            prompt = [random.randint(1, 13) for _ in range(random.randint(1, 4))]
            left = random.choice([0, 1, 2, 3, 1000, 1000, 1000, 1000])
            polls = iter(range(left))
            engine.submit(
                EngineRequest(
                    id=str(submitted), prompt=prompt, is_cancelled=lambda polls=polls: next(polls, None) is None
                )
            )
            submitted += 1
        for end in engine.step():
            assert end.error is None
            assert end.id not in ended
            ended.add(end.id)
            num_cancelled += end.groups == []
    assert len(ended) == 10_000
    assert 1000 < num_cancelled < 8000
    assert sorted(engine.model.memory._free) == list(range(64))
    assert all_tensors(engine) == before
    assert_nothing_inside(engine)


def test_torch_operations_need_no_memory_of_their_own() -> None:
    """Whoever counts what serving needs counts weights and pool; operations keep rotations for each head, no more."""
    model = very_tiny_model()
    kept = [value for value in vars(TorchOperations(model.weights)).values() if isinstance(value, torch.Tensor)]
    assert sum(tensor.numel() for tensor in kept) <= 2 * (model.weights.num_heads + 2) * model.weights.cos.numel()
