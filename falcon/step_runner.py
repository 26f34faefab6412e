"""How a step is carried out: at once, or as a CUDA graph that was captured before (`falcon/captured_steps.py`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

# (number of seats, prompts to read as tokens, seats and positions, longest text, *, adapter_layout) to flags (2, B);
# the layout is 0 where nobody uses an adapter
ComputeStep = Callable[..., Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRows:
    """Prompt tokens to be read in a step, with the seat and the position of each."""

    tokens: list[int]
    seats: list[int]
    positions: list[int]


class StepRunner(Protocol):
    """Carries out steps in the order in which they are given."""

    @property
    def num_ahead(self) -> int:
        """How many steps may be queued beyond the one whose flags are read."""
        ...

    @property
    def max_prompt_tokens_at_once(self) -> int | None:
        """The most prompt tokens of a step; None where the engine may decide."""
        ...

    def prepare(self, compute: ComputeStep, *, adapter_layout: int) -> None:
        """Do beforehand, while nobody is inside, what the first steps would wait for."""
        ...

    def run(
        self,
        compute: ComputeStep,
        num_seats: int,
        prompts: PromptRows | None,
        longest: int,
        *,
        adapter_layout: int,
    ) -> tuple[Tensor, Callable[[], None]]:
        """Queue a step; return its flags (2, B) in main memory, and what waits until they have arrived there."""
        ...


class EagerSteps:
    """Computes each step when it is given, on whatever device the model is."""

    num_ahead = 0
    max_prompt_tokens_at_once = None

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")

    def prepare(self, compute: ComputeStep, *, adapter_layout: int) -> None:
        pass

    def run(
        self,
        compute: ComputeStep,
        num_seats: int,
        prompts: PromptRows | None,
        longest: int,
        *,
        adapter_layout: int,
    ) -> tuple[Tensor, Callable[[], None]]:
        given = None
        if prompts is not None and prompts.tokens:
            given = tuple(
                torch.tensor(values, device=self._device)
                for values in (prompts.tokens, prompts.seats, prompts.positions)
            )
        return compute(num_seats, given, longest, adapter_layout=adapter_layout).cpu(), lambda: None
