"""Precision, checkpointing and block size follow from what is free, the best that fits first, with the reason said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import FalconConfig

from core.errors import NotEnoughMemory
from falcon.memory import GIB
from tests.falcon.tiny_falcon import CPU, tiny_falcon
from trainer.memory_plan import MemoryPlan, adapter_parameters, choose_plan, needed_bytes, plan_memory
from trainer.qlora import add_adapter
from trainer.train_config import LoraSettings, MemoryConfig

FALCON_7B = FalconConfig()  # transformers' default is that shape
LORA = LoraSettings(r=16, lora_alpha=32)


def plan(free_gib: float, *, block_tokens: int = 8192, device_type: str = "cuda", **memory: Any) -> MemoryPlan:
    free = int(free_gib * GIB)
    return choose_plan(
        FALCON_7B, LORA, MemoryConfig(**memory), block_tokens=block_tokens, free=free, device_type=device_type
    )


@pytest.mark.parametrize(
    ("free_gib", "precision", "is_checkpointed", "block_tokens"),
    [
        (78, "bf16", False, 8192),
        (38, "bf16", False, 8192),
        (30, "bf16", False, 4096),
        (22, "bf16", True, 8192),
        (18.7, "bf16", True, 8192),
        (15, "nf4", False, 4096),
        (9.8, "nf4", True, 8192),
        (9.1, "nf4", True, 8192),
        (5.9, "nf4", True, 2048),
        (5.6, "nf4", True, 1024),
    ],
)
def test_choice_for_falcon_7b_on_cards_of_every_size(
    free_gib: float, precision: str, is_checkpointed: bool, block_tokens: int
) -> None:
    found = plan(free_gib)
    assert (found.precision, found.is_checkpointed, found.block_tokens) == (precision, is_checkpointed, block_tokens)
    assert found.needed_bytes <= free_gib * GIB


def test_reason_says_what_was_chosen_how_much_it_needs_and_what_did_not_fit() -> None:
    assert plan(78).reason.startswith("bf16 at 8192 tokens a block: needs about ")
    assert plan(78).reason.endswith(" of 78.0 free.")
    assert plan(9.1).reason.startswith("nf4 with checkpointing at 8192 tokens a block: needs about ")
    assert "of 9.1 free; bf16 at 8192 tokens a block would need " in plan(9.1).reason


def test_too_little_memory_is_refused_with_what_is_needed_and_what_to_do() -> None:
    with pytest.raises(NotEnoughMemory, match=r"Training needs 5\.\d GiB in its smallest form, and 3\.0 GiB are free"):
        plan(3)


@given(free_gib=st.floats(6, 100), precision=st.sampled_from(["bf16", "nf4"]), switch=st.sampled_from(["on", "off"]))
def test_what_was_asked_for_is_never_replaced(free_gib: float, precision: str, switch: str) -> None:
    try:
        found = plan(free_gib, precision=precision, checkpointing=switch)
    except NotEnoughMemory:
        return
    assert (found.precision, found.is_checkpointed) == (precision, switch == "on")


def test_cpu_trains_in_full_precision() -> None:
    found = choose_plan(FALCON_7B, LORA, MemoryConfig(), block_tokens=512, free=99 * GIB, device_type="cpu")
    assert found.precision == "fp32"


@given(tokens=st.integers(256, 20_000), r=st.integers(1, 256), is_checkpointed=st.booleans())
def test_need_grows_with_tokens_and_rank_and_shrinks_with_checkpointing_and_nf4(
    tokens: int, r: int, is_checkpointed: bool
) -> None:
    def need(*, precision: str = "bf16", extra: int = 0, rank: int = r, checkpointed: bool = is_checkpointed) -> int:
        lora = LoraSettings(r=rank, lora_alpha=8)
        return needed_bytes(
            FALCON_7B, lora, precision=precision, is_checkpointed=checkpointed, block_tokens=tokens + extra
        )

    assert need(extra=64) > need()
    assert need(rank=r + 1) > need()
    assert need(checkpointed=True) < need(checkpointed=False)
    assert need(precision="nf4") < need() < need(precision="fp32")


def test_weights_are_counted_as_they_were_measured() -> None:
    """Falcon-7B took 12.97 GiB in bf16 and 3.80 GiB in NF4 on an H100; little is left when nothing is trained on it."""
    least = LoraSettings(r=1, lora_alpha=1, target_modules=("dense",))
    for precision, measured in (("bf16", 12.97), ("nf4", 3.80)):
        found = needed_bytes(FALCON_7B, least, precision=precision, is_checkpointed=True, block_tokens=1) / GIB
        assert measured < found < 1.15 * measured


@pytest.mark.parametrize("target_modules", [(), ("query_key_value",), ("dense", "dense_4h_to_h")])
def test_adapter_has_as_many_parameters_as_peft_makes(target_modules: tuple[str, ...]) -> None:
    lora = LoraSettings(r=3, lora_alpha=6, target_modules=target_modules)
    model = add_adapter(tiny_falcon(), lora)
    made = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert adapter_parameters(model.config, lora) == made


def test_falcon_7b_trains_33_million_parameters_at_rank_16() -> None:
    assert adapter_parameters(FALCON_7B, LORA) == 32_636_928


def test_plan_reads_the_free_memory_of_the_machine() -> None:
    config = tiny_falcon().config
    found = plan_memory(config, lora=LORA, memory=MemoryConfig(), block_tokens=256, device=CPU)
    assert (found.precision, found.block_tokens) == ("fp32", 256)
