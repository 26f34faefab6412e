"""How much memory a model needs, how much there is, and which precision follows from both.

Pure but for the two readings of free memory. Sizes are in bytes.
"""

import importlib.util
from dataclasses import dataclass

import psutil
import torch

from core.errors import NotEnoughMemory
from core.settings import Precision

GIB = 2**30
BYTES_PER_PARAMETER = {
    "fp32": 4.0,
    "bf16": 2.0,
    "nf4": 0.55,
}  # NF4 with double quantisation, embeddings in bf16 apart
WORKING_SHARE = 1.15  # activations, key/value memory and the allocator's slack on top of the weights
SMALL_MODEL_PARAMETERS = 500_000_000  # below this, fp32 on a CPU costs little and is exact


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Parameters in all, and those that 4-bit loading leaves in bf16 (embeddings)."""

    parameters: int
    unquantised: int

    def bytes_in(self, precision: str) -> int:
        """Return the bytes that loading and decoding need in `precision`."""
        if precision == "nf4":
            weights = (self.parameters - self.unquantised) * BYTES_PER_PARAMETER["nf4"] + self.unquantised * 2
        else:
            weights = self.parameters * BYTES_PER_PARAMETER[precision]
        return int(weights * WORKING_SHARE)


def has_gpu() -> bool:
    """Say whether models are loaded onto a GPU here."""
    return torch.cuda.is_available()


def has_four_bit() -> bool:
    """Say whether what 4-bit loading takes is installed."""
    return importlib.util.find_spec("bitsandbytes") is not None


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free on `device`."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out; on a CPU torch says so only in the words of a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def has_native_bf16() -> bool:
    """Say whether this processor multiplies bf16 matrices itself; elsewhere bf16 is slower than fp32."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def plan_precision(asked: Precision, size: ModelSize, device: torch.device) -> str:
    """Choose the precision from what is free on `device` now; see `choose_precision`."""
    is_bf16_fast = device.type == "cpu" and has_native_bf16()
    return choose_precision(asked, size, device_type=device.type, free=free_bytes(device), is_bf16_fast=is_bf16_fast)


def choose_precision(asked: Precision, size: ModelSize, *, device_type: str, free: int, is_bf16_fast: bool) -> str:
    """Return the precision to load in: what was asked, or for `auto` the best that fits.

    On CUDA that is bf16, then NF4; on a CPU bf16 where it is fast or the model is large, and fp32 elsewhere.

    Raises:
        NotEnoughMemory: nothing (or not the asked one) fits; the message says how much is needed and what to set.
    """
    if asked != "auto":
        choices = [str(asked)]
    elif device_type == "cuda":
        choices = ["bf16", "nf4"]
    else:
        choices = ["bf16"] if is_bf16_fast or size.parameters >= SMALL_MODEL_PARAMETERS else ["fp32", "bf16"]
    for precision in choices:
        if size.bytes_in(precision) <= free:
            return precision
    raise NotEnoughMemory(_advice(choices[-1], size, device_type=device_type, free=free))


def _advice(precision: str, size: ModelSize, *, device_type: str, free: int) -> str:
    place = "on the GPU" if device_type == "cuda" else "in main memory"
    cure = "set MODEL_ID=models/pocket"
    if device_type == "cuda" and precision != "nf4" and size.bytes_in("nf4") <= free:
        cure = "set PRECISION=nf4"
    elif device_type == "cpu" and precision == "fp32" and size.bytes_in("bf16") <= free:
        cure = "set PRECISION=bf16"
    return (
        f"The model needs {size.bytes_in(precision) / GIB:.1f} GiB {place} in {precision}, and "
        f"{free / GIB:.1f} GiB are free; free some memory or {cure}."
    )
