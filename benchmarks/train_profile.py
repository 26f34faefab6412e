"""Where the time of an optimizer step goes, by kind of kernel."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.train_ours import OPTIMIZER, WARMUP_STEPS, Row, make_stepper, packed_steps
from benchmarks.train_setting import Setting
from trainer.qlora import Trainable
from trainer.tokens import Document

# The first kind whose words occur in a kernel's name is the kernel's.
KINDS = {
    "attention": ("flash", "fmha", "attention"),
    "dequantise": ("dequant",),
    "matrix products": ("gemm", "cutlass", "nvjet", "cublas", "xmma", "splitk", "aten::mm", "aten::addmm", "gemv"),
    "optimizer and clipping": ("multi_tensor", "adam", "foreach"),
    "norm": ("layer_norm", "layernorm", "gammabeta"),
    "loss": ("softmax", "gather", "scatter"),
    "copies": ("memcpy", "memset", "copy", "cat"),
    "elementwise": ("elementwise", "gelu", "triton", "fill", "mul", "add", "bernoulli"),
}
NUM_SHOWN = 15


def profile_step(trainable: Trainable, documents: Sequence[Document], setting: Setting) -> Row:
    """Return milliseconds by kind and the costliest kernels of one step after the warm-up."""
    stepper = make_stepper(trainable, documents, setting)
    steps = packed_steps(documents, setting, num_steps=WARMUP_STEPS + 1)
    for number, blocks in enumerate(steps[:-1]):
        stepper.step(blocks, number=number, lr=OPTIMIZER.lr)
    is_cuda = setting.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_cuda else [])]
    with profile(activities=activities, acc_events=True) as found:
        stepper.step(steps[-1], number=len(steps), lr=OPTIMIZER.lr)
    kernels = [event for event in found.key_averages() if _microseconds(event, is_cuda=is_cuda) > 0]
    kernels.sort(key=lambda event: -_microseconds(event, is_cuda=is_cuda))
    by_kind: dict[str, float] = defaultdict(float)
    for event in kernels:
        by_kind[kind_of(event.key)] += _microseconds(event, is_cuda=is_cuda) / 1000
    return {
        "milliseconds": {kind: round(by_kind[kind], 2) for kind in sorted(by_kind, key=lambda kind: -by_kind[kind])},
        "total_milliseconds": round(sum(by_kind.values()), 1),
        "top": [
            {
                "kernel": event.key[:120],
                "kind": kind_of(event.key),
                "milliseconds": round(_microseconds(event, is_cuda=is_cuda) / 1000, 2),
                "calls": event.count,
            }
            for event in kernels[:NUM_SHOWN]
        ],
    }


def kind_of(kernel: str) -> str:
    """Return the kind of a kernel by its name."""
    name = kernel.lower()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "other")


def _microseconds(event: Any, *, is_cuda: bool) -> float:
    """Return an event's own time on the device: of kernels on a GPU, of operators on a CPU."""
    if not is_cuda:
        return float(event.self_cpu_time_total)
    is_kernel = event.device_type == torch.autograd.DeviceType.CUDA
    return float(event.self_device_time_total) if is_kernel else 0.0
