"""The port between the worker and whatever decodes.

It knows nothing of queues, rows or chat. An implementation owns one model on one device and is called from one thread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.records import CandidateDraft, ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What to write a set of prompts for.

    `subject` must survive in every candidate; `parameters` are the person's own (canonical text) and win over the
    model's; `images` are put in front. `avoid` holds earlier prompts that the new ones have to differ from.
    `is_cancelled` is polled between decoding steps from the model's thread.
    """

    id: str
    subject: str
    parameters: str
    images: tuple[str, ...]
    midjourney_version: str
    num_candidates: int
    is_cancelled: Callable[[], bool]
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One request's outcome: candidates best first, or none when it was cancelled."""

    request_id: str
    candidates: tuple[CandidateDraft, ...]
    decoding_seconds: float


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
