"""A claimed request while this process holds it: its lease, and the flag that stops its decoding."""

import threading

from core.records import ClaimedRequest
from falcon.generator import GenerationRequest
from storage import clock


class HeldRequest:
    """One claim; the event loop sets its flags, the model's thread reads `is_cancelled`."""

    def __init__(self, claim: ClaimedRequest) -> None:
        self.claim = claim
        self.is_settled = False  # completed, failed or released: nothing more to store
        self.goes_alone = claim.attempt > 1  # it may be what went wrong: should it again, nobody else goes with it
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Ask the model's thread to leave this request out from its next step on."""
        self._is_stopped.set()

    def is_overdue(self) -> bool:
        return clock.utc_now() >= self.claim.deadline

    def is_cancelled(self) -> bool:
        return self._is_stopped.is_set() or self.is_overdue()

    def to_generate(self, adapter: str | None = None) -> GenerationRequest:
        """Return what the generator needs to know of it, to be written by `adapter`."""
        return GenerationRequest(
            id=self.claim.id,
            subject=self.claim.subject,
            parameters=self.claim.parameters,
            images=self.claim.images,
            midjourney_version=self.claim.midjourney_version,
            num_candidates=self.claim.num_candidates,
            is_cancelled=self.is_cancelled,
            avoid=self.claim.avoid,
            adapter=adapter,
        )
