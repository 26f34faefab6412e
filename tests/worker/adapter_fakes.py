"""A registry in memory, and a generator that hosts adapters and notices every mistake with them."""

from pathlib import Path

from core.cycles import AdapterFiles, ServingPlan
from core.errors import ModelError, StorageBusy
from core.records import CandidateDraft
from falcon.generator import Failure, Generated, GenerationRequest, Outcome
from tests.worker.fakes import FakeRunningGenerator


def files(adapter_id: str, folder: str = "/adapters", sha256: str | None = None) -> AdapterFiles:
    return AdapterFiles(id=adapter_id, folder=f"{folder}/{adapter_id}", sha256=sha256)


def plan_for(active: str | None, canary: str | None = None, *, share: float = 0.5) -> ServingPlan:
    return ServingPlan(
        active=files(active) if active else None,
        canary=files(canary) if canary else None,
        canary_share=share if canary else 0.0,
    )


class FakeRegistry:
    """Names what a test puts into `wanted`, and keeps the troubles that it is told of; busy `busy_times` times."""

    def __init__(self, wanted: ServingPlan | None = None) -> None:
        self.wanted = wanted or ServingPlan()
        self.troubles: list[tuple[str, str]] = []
        self.bases: set[str] = set()
        self.busy_times = 0

    async def plan(self, base_model: str) -> ServingPlan:
        self._be_busy()
        self.bases.add(base_model)
        return self.wanted

    async def report_trouble(self, adapter_id: str, reason: str) -> None:
        self._be_busy()
        self.troubles.append((adapter_id, reason))

    def _be_busy(self) -> None:
        if self.busy_times > 0:
            self.busy_times -= 1
            raise StorageBusy("the database is locked by a test")


class FakeHost(FakeRunningGenerator):
    """Writes `<subject> by <adapter>`; loading what `refused` names fails, and so does a request for what is not there.

    `history` has every load and unload in order.
    """

    num_adapter_slots = 2

    def __init__(self, *, delay_seconds: float = 0.0, capacity: int = 4) -> None:
        super().__init__(delay_seconds=delay_seconds, capacity=capacity)
        self.refused: dict[str, Exception] = {}
        self.loaded: dict[str, Path] = {}
        self.history: list[str] = []

    def load_adapter(self, name: str, folder: Path) -> None:
        if name in self.refused:
            raise self.refused[name]
        if len(self.loaded) >= self.num_adapter_slots or name in self.loaded:
            raise ModelError(f"no slot for {name} beside {', '.join(self.loaded)}")
        self.loaded[name] = folder
        self.history.append(f"+{name}")

    def unload_adapter(self, name: str) -> None:
        if any(request.adapter == name for request, _ in [*self._inside, *self._waiting]):
            raise ModelError(f"{name} is in use")
        del self.loaded[name]
        self.history.append(f"-{name}")

    def _outcome(self, request: GenerationRequest, joined: float) -> Outcome:
        outcome = super()._outcome(request, joined)
        if isinstance(outcome, Failure) or not outcome.candidates:
            return outcome
        if request.adapter is not None and request.adapter not in self.loaded:
            return Failure(request_id=request.id, error=ModelError(f"{request.adapter} is not loaded"))
        drafts = (CandidateDraft(rank=1, text=f"{request.subject} by {request.adapter}", score=-0.5),)
        return Generated(request_id=request.id, candidates=drafts, decoding_seconds=outcome.decoding_seconds)
