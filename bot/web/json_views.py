"""How records look as JSON on the web (docs/api.md shows the same)."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from bot.cycle_planner import Outlook
from bot.cycle_status import CycleStatus
from bot.service import ServiceStatus
from bot.watcher import progress_mark
from core.cycles import Tally
from core.records import (
    CandidateView,
    Favorite,
    Feedback,
    ModelInfo,
    ModelStatus,
    PrivacyOverview,
    RequestView,
    WorkerState,
    WorkerStatus,
)

Json = dict[str, object]

GATE_CELLS = ("test", "champion", "challenger", "bound", "verdict")


def request_json(view: RequestView) -> Json:
    return {
        "id": view.id,
        "kind": view.kind.value,
        "is_private": view.is_private,
        "idea": view.idea,
        "subject": view.subject,
        "state": view.state.value,
        "seen": progress_mark(view),
        "position": view.position,
        "eta_seconds": view.eta_seconds,
        "decoding_seconds": view.decoding_seconds,
        "created_at": _time(view.created_at),
        "started_at": _time(view.started_at),
        "finished_at": _time(view.finished_at),
        "error": view.error,
        "model": _model(view.model),
        "candidates": [candidate_json(candidate) for candidate in view.candidates],
    }


def candidate_json(view: CandidateView) -> Json:
    return {
        "id": view.id,
        "rank": view.rank,
        "text": view.text,
        "score": view.score,
        "votes_up": view.votes_up,
        "votes_down": view.votes_down,
        "my_vote": None if view.my_vote is None else view.my_vote.value,
        "is_saved": view.is_saved,
    }


def favorite_json(favorite: Favorite) -> Json:
    return {
        "candidate": candidate_json(favorite.candidate),
        "request_id": favorite.request_id,
        "idea": favorite.idea,
        "saved_at": _time(favorite.saved_at),
    }


def feedback_json(feedback: Feedback | None) -> Json:
    """Show what somebody said of a candidate, null where they said nothing."""
    given = feedback or Feedback()
    return {"reason": None if given.reason is None else given.reason.value, "correction": given.correction}


def privacy_json(overview: PrivacyOverview) -> Json:
    return asdict(overview)


def model_status_json(status: ModelStatus) -> Json:
    return {
        "model": _model(status.model),
        "is_ready": status.is_ready,
        "since": _time(status.since),
        "adapter_id": status.adapter_id,
        "num_votes": status.num_votes,
        "num_own_votes": status.num_own_votes,
    }


def outlook_json(outlook: Outlook) -> Json:
    return asdict(outlook)


def cycle_json(status: CycleStatus | None) -> Json | None:
    """Show a cycle with its training, its gate and its canary; null before the first."""
    if status is None:
        return None
    cycle = status.cycle
    return {
        "id": cycle.id,
        "state": cycle.state.value,
        "is_open": cycle.state.is_open,
        "is_cancel_wanted": cycle.is_cancel_wanted,
        "num_waiting_minutes": status.num_waiting_minutes,
        "is_automatic": cycle.is_automatic,
        "champion": cycle.champion,
        "adapter": cycle.adapter,
        "progress": None if status.progress is None else asdict(status.progress),
        "gate": [dict(zip(GATE_CELLS, row, strict=True)) for row in status.gate_rows],
        "canary": {"champion": _tally(status.champion), "challenger": _tally(status.challenger)},
        "reason": cycle.reason,
        "created_at": _time(cycle.created_at),
        "updated_at": _time(cycle.updated_at),
        "finished_at": _time(cycle.finished_at),
    }


def _tally(tally: Tally | None) -> Json | None:
    return None if tally is None else asdict(tally) | {"liked_share": tally.liked_share}


def _state_without(loading: Sequence[WorkerStatus]) -> str:
    if not loading:
        return "away"
    return "paused" if all(worker.is_paused for worker in loading) else "loading"


def status_json(status: ServiceStatus) -> Json:
    """Say whether somebody can answer: `ready`, `paused` for a training, `loading` or `away`; and with which model."""
    ready = [worker for worker in status.workers if worker.state is WorkerState.READY]
    loading = [worker for worker in status.workers if worker.state is WorkerState.LOADING]
    model = next((worker.model for worker in (*ready, *loading) if worker.model is not None), None)
    return {
        "state": "ready" if ready else _state_without(loading),
        "model": _model(model),
        "queue_length": status.queue_length,
        "workers": [
            {
                "state": worker.state.value,
                "model": _model(worker.model),
                "started_at": _time(worker.started_at),
                "heartbeat_at": _time(worker.heartbeat_at),
            }
            for worker in status.workers
        ],
    }


def _model(model: ModelInfo | None) -> Json | None:
    return None if model is None else asdict(model)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
