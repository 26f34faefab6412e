"""Steps as CUDA graphs: one for each size of the batch, so that a step costs the host one launch.

A batch is rounded up to the next size and its prompt tokens likewise; what is beyond them computes for nobody. A size
that was not seen before is computed at once the first time, which also compiles its kernels, and captured the second
time. What a step did comes back through pinned memory one step late, so the host never waits for the step that it has
just queued.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from falcon.step_runner import ComputeStep, PromptRows

PROMPT_SIZES = (32, 96, 256)  # prompt tokens read in one step; the last is the engine's share beside others


@dataclass(frozen=True, slots=True)
class _Key:
    """What a graph was captured for."""

    num_seats: int
    num_prompt_tokens: int
    adapter_layout: int


@dataclass(frozen=True, slots=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    flags: Tensor


class CapturedSteps:
    """`StepRunner` on one GPU; `max_tokens` is the longest text, as graphs are captured for that.

    Products of another number of rows are rounded in another way, which may tip a tie between beams. With
    `is_invariant` every step has the same number, so an answer is the same to the bit whatever else is in the batch.
    """

    num_ahead = 1

    @property
    def max_prompt_tokens_at_once(self) -> int | None:
        """The most prompt tokens of a step; None where the engine may decide."""
        return PROMPT_SIZES[-1] if len(self._prompt_sizes) == 1 else None

    def __init__(
        self,
        device: torch.device,
        *,
        num_seats: int,
        spare_seat: int,
        max_tokens: int,
        is_invariant: bool = False,
    ) -> None:
        self._device, self._spare_seat, self._max_tokens = device, spare_seat, max_tokens
        self._sizes = (num_seats,) if is_invariant else seat_sizes(num_seats)
        self._prompt_sizes = PROMPT_SIZES[-1:] if is_invariant else (0, *PROMPT_SIZES)
        self._is_idle = False  # whether all of these are rows without a request
        self._graphs: dict[_Key, _Captured] = {}
        self._warm: set[_Key] = set()
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream(device)
        self._prompts = torch.zeros(3, PROMPT_SIZES[-1], dtype=torch.int64, device=device)

    def prepare(self, compute: ComputeStep, *, adapter_layout: int) -> None:
        """Capture every size while nobody is inside, so that no request waits for it."""
        for num_seats in reversed(self._sizes):
            for num_tokens in self._prompt_sizes:
                key = _Key(num_seats, num_tokens, adapter_layout)
                self._fill(None)
                self._compute(compute, key)
                self._capture(compute, key)
        torch.cuda.synchronize(self._device)

    def run(
        self,
        compute: ComputeStep,
        num_seats: int,
        prompts: PromptRows | None,
        longest: int,
        *,
        adapter_layout: int,
    ) -> tuple[Tensor, Callable[[], None]]:
        num_tokens = 0 if prompts is None else len(prompts.tokens)
        if prompts is not None and num_tokens > PROMPT_SIZES[-1]:
            return self._arriving(self._compute_at_once(compute, num_seats, prompts, adapter_layout=adapter_layout))
        key = _Key(round_up(num_seats, self._sizes), round_up(num_tokens, self._prompt_sizes), adapter_layout)
        if num_tokens or (key.num_prompt_tokens and not self._is_idle):
            self._fill(prompts)
        return self._arriving(self._step(compute, key))

    def _arriving(self, flags: Tensor) -> tuple[Tensor, Callable[[], None]]:
        """Send flags (2, B) to main memory; return them there, and what waits for them."""
        arrived = torch.cuda.Event()
        host = torch.empty(flags.shape, dtype=flags.dtype, pin_memory=True)
        host.copy_(flags, non_blocking=True)
        arrived.record()
        return host, arrived.synchronize

    def _step(self, compute: ComputeStep, key: _Key) -> Tensor:
        if key not in self._graphs:
            self._forget_other_layouts(key.adapter_layout)
            if key not in self._warm:
                self._warm.add(key)
                return self._compute(compute, key)
            self._capture(compute, key)
        captured = self._graphs[key]
        captured.graph.replay()
        return captured.flags

    def _forget_other_layouts(self, layout: int) -> None:
        """Drop graphs over adapters' tensors that have been replaced."""
        if layout:
            self._graphs = {key: one for key, one in self._graphs.items() if key.adapter_layout in (0, layout)}

    def _capture(self, compute: ComputeStep, key: _Key) -> None:
        graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            flags = self._compute(compute, key)
        torch.cuda.current_stream(self._device).wait_stream(self._stream)
        self._graphs[key] = _Captured(graph, flags)

    def _compute(self, compute: ComputeStep, key: _Key) -> Tensor:
        tokens, seats, positions = self._prompts[:, : key.num_prompt_tokens]
        prompts = (tokens, seats, positions) if key.num_prompt_tokens else None
        return compute(key.num_seats, prompts, self._max_tokens, adapter_layout=key.adapter_layout)

    def _compute_at_once(
        self, compute: ComputeStep, num_seats: int, prompts: PromptRows, *, adapter_layout: int
    ) -> Tensor:
        """Read more prompt tokens than graphs are captured for: it takes so long that launches do not count."""
        columns = torch.tensor([prompts.tokens, prompts.seats, prompts.positions]).to(self._device)
        return compute(
            round_up(num_seats, self._sizes), tuple(columns), self._max_tokens, adapter_layout=adapter_layout
        )

    def _fill(self, prompts: PromptRows | None) -> None:
        """Write the prompts where graphs read them; the rest are rows without a request."""
        self._is_idle = prompts is None or not prompts.tokens
        if prompts is None or not prompts.tokens:
            self._prompts.copy_(torch.tensor([[0], [self._spare_seat], [0]]).expand(3, PROMPT_SIZES[-1]))
            return
        rest = PROMPT_SIZES[-1] - len(prompts.tokens)
        columns = (
            [*prompts.tokens, *[0] * rest],
            [*prompts.seats, *[self._spare_seat] * rest],
            [*prompts.positions, *[0] * rest],
        )
        self._prompts.copy_(torch.tensor(columns).pin_memory(), non_blocking=True)


def seat_sizes(num_seats: int) -> tuple[int, ...]:
    """Return the batch sizes that are captured: powers of two, and what lies between the larger ones."""
    sizes = [1]
    while sizes[-1] < num_seats:
        last = sizes[-1]
        sizes.append(min(num_seats, last * 2 if last < 16 else last + 16))
    return tuple(sizes)


def round_up(number: int, sizes: Sequence[int]) -> int:
    """Return the least of the rising `sizes` that is not below `number`."""
    return sizes[bisect_left(sizes, number)]
