"""Which precision fits into which memory, and what the refusal says."""

import pytest
import torch

from core.errors import NotEnoughMemory
from core.settings import Precision
from falcon.memory import GIB, ModelSize, choose_precision, free_bytes, has_native_bf16, plan_precision

POCKET = ModelSize(parameters=15_000_000, unquantised=3_000_000)
FALCON_7B = ModelSize(parameters=6_900_000_000, unquantised=300_000_000)


def choose(asked: Precision, size: ModelSize, device_type: str, free_gib: float, *, is_bf16_fast: bool = False) -> str:
    return choose_precision(asked, size, device_type=device_type, free=int(free_gib * GIB), is_bf16_fast=is_bf16_fast)


@pytest.mark.parametrize(
    ("asked", "size", "device_type", "free_gib", "is_bf16_fast", "chosen"),
    [
        ("auto", FALCON_7B, "cuda", 80, False, "bf16"),
        ("auto", FALCON_7B, "cuda", 16, False, "bf16"),
        ("auto", FALCON_7B, "cuda", 12, False, "nf4"),
        ("auto", POCKET, "cuda", 1, False, "bf16"),
        ("auto", POCKET, "cpu", 1, False, "fp32"),
        ("auto", POCKET, "cpu", 1, True, "bf16"),
        ("auto", POCKET, "cpu", 0.05, False, "bf16"),
        ("auto", FALCON_7B, "cpu", 64, False, "bf16"),
        ("bf16", POCKET, "cpu", 1, False, "bf16"),
        ("fp32", POCKET, "cpu", 1, True, "fp32"),
        ("nf4", POCKET, "cpu", 1, False, "nf4"),
        ("fp32", FALCON_7B, "cuda", 80, False, "fp32"),
        ("nf4", FALCON_7B, "cuda", 80, False, "nf4"),
    ],
)
def test_precision_is_what_was_asked_or_the_best_that_fits(
    asked: Precision, size: ModelSize, device_type: str, free_gib: float, *, is_bf16_fast: bool, chosen: str
) -> None:
    assert choose(asked, size, device_type, free_gib, is_bf16_fast=is_bf16_fast) == chosen


@pytest.mark.parametrize(
    ("asked", "size", "device_type", "free_gib", "needed", "cure"),
    [
        ("bf16", FALCON_7B, "cuda", 8, "14.8 GiB on the GPU in bf16", "PRECISION=nf4"),
        ("fp32", FALCON_7B, "cuda", 16, "29.6 GiB on the GPU in fp32", "PRECISION=nf4"),
        ("auto", FALCON_7B, "cuda", 2, "4.5 GiB on the GPU in nf4", "MODEL_ID=models/pocket"),
        ("nf4", FALCON_7B, "cuda", 2, "4.5 GiB on the GPU in nf4", "MODEL_ID=models/pocket"),
        ("bf16", FALCON_7B, "cuda", 2, "14.8 GiB on the GPU in bf16", "MODEL_ID=models/pocket"),
        ("auto", FALCON_7B, "cpu", 8, "14.8 GiB in main memory in bf16", "MODEL_ID=models/pocket"),
        ("fp32", FALCON_7B, "cpu", 16, "29.6 GiB in main memory in fp32", "PRECISION=bf16"),
        ("fp32", FALCON_7B, "cpu", 8, "29.6 GiB in main memory in fp32", "MODEL_ID=models/pocket"),
    ],
)
def test_refusal_says_how_much_is_needed_how_much_is_free_and_what_to_set(
    asked: Precision, size: ModelSize, device_type: str, free_gib: float, *, needed: str, cure: str
) -> None:
    with pytest.raises(NotEnoughMemory) as refusal:
        choose(asked, size, device_type, free_gib)
    assert needed in str(refusal.value)
    assert f"{free_gib:.1f} GiB are free" in str(refusal.value)
    assert str(refusal.value).endswith(f"set {cure}.")


def test_advised_precision_then_fits() -> None:
    for device_type, asked, advised, free_gib in (("cuda", "bf16", "nf4", 8), ("cpu", "fp32", "bf16", 16)):
        with pytest.raises(NotEnoughMemory, match=f"PRECISION={advised}"):
            choose(asked, FALCON_7B, device_type, free_gib)  # type: ignore[arg-type]
        assert choose(advised, FALCON_7B, device_type, free_gib) == advised  # type: ignore[arg-type]


def test_need_grows_with_precision_and_nf4_leaves_embeddings_in_bf16() -> None:
    sizes = [FALCON_7B.bytes_in(precision) for precision in ("nf4", "bf16", "fp32")]
    assert sizes == sorted(sizes)
    assert FALCON_7B.bytes_in("fp32") == pytest.approx(2 * FALCON_7B.bytes_in("bf16"), rel=1e-6)
    only_embeddings = ModelSize(parameters=1000, unquantised=1000)
    assert only_embeddings.bytes_in("nf4") == only_embeddings.bytes_in("bf16")


def test_this_machine_is_asked_for_its_own_memory() -> None:
    assert free_bytes(torch.device("cpu")) > 0
    assert isinstance(has_native_bf16(), bool)
    assert plan_precision("fp32", POCKET, torch.device("cpu")) == "fp32"
