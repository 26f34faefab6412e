"""The port between the worker and whatever decodes.

It knows nothing of queues, rows or chat. An implementation owns one model on one device and is called from one thread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from core.records import CandidateDraft, ModelInfo
from falcon.serving_metrics import ServingMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What to write a set of prompts for.

    `subject` must survive in every candidate; `parameters` are the person's own (canonical text) and win over the
    model's; `images` are put in front. `avoid` holds earlier prompts that the new ones have to differ from.
    `is_cancelled` is polled between decoding steps from the model's thread. `adapter` names the one to write with,
    None what serves by default; `seed` makes what is drawn at random repeatable, None takes one from `id`.
    """

    id: str
    subject: str
    parameters: str
    images: tuple[str, ...]
    midjourney_version: str
    num_candidates: int
    is_cancelled: Callable[[], bool]
    avoid: tuple[str, ...] = ()
    adapter: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One request's outcome: candidates best first, or none when it was cancelled."""

    request_id: str
    candidates: tuple[CandidateDraft, ...]
    decoding_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One request that ended without an answer of the model; the others go on."""

    request_id: str
    error: Exception


Outcome: TypeAlias = Generated | Failure


class Generator(Protocol):
    """Writes candidate prompts for a batch of requests."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def settings(self) -> Mapping[str, object]:
        """The decoding settings as they are stored with every answer; plain JSON values."""
        ...

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generated]:
        """Answer all `requests` together, in their order.

        Raises:
            core.errors.OutOfMemory: the batch does not fit; the caller may try again with fewer requests.
        """
        ...


@runtime_checkable
class RunningGenerator(Generator, Protocol):
    """A `Generator` whose requests join a running batch and leave it when done.

    `submit`, `step`, `best_so_far` and `generate` belong to one thread; `generate` is called while nothing is inside.
    """

    @property
    def capacity(self) -> int:
        """How many requests may be inside at once."""
        ...

    @property
    def num_inside(self) -> int:
        """How many requests were submitted and have not ended."""
        ...

    @property
    def metrics(self) -> ServingMetrics:
        """How it goes; may be read from any thread."""
        ...

    def submit(self, request: GenerationRequest) -> None:
        """Take `request` in, to join between two steps; never blocks, and what cannot join fails in a later step."""
        ...

    def step(self) -> list[Outcome]:
        """Advance everything inside by one step and return what ended since the last call; nothing when idle.

        A request that alone went wrong is a `Failure`. An exception means that the whole batch is lost: the generator
        has dropped everything inside, and takes new requests.
        """
        ...

    def best_so_far(self, request_id: str) -> str | None:
        """Return the text of a request's best beam; None before its first token and once it has ended."""
        ...


@runtime_checkable
class AdapterHost(RunningGenerator, Protocol):
    """A running generator that takes adapters in and lets go of them between two steps, on the same one thread."""

    @property
    def num_adapter_slots(self) -> int:
        """How many adapters may be loaded at once."""
        ...

    def load_adapter(self, name: str, folder: Path) -> None:
        """Take in the adapter of `folder`; requests may name it from now on.

        Raises:
            core.errors.ModelError: no slot is free, or it does not fit; nothing has changed.
            core.errors.NotEnoughMemory: memory ran out; nothing has changed.
        """
        ...

    def unload_adapter(self, name: str) -> None:
        """Let go of an adapter. Raises: core.errors.ModelError, when a request inside uses it, or it is not loaded."""
        ...
