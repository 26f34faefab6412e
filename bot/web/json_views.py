"""How records look as JSON on the web (docs/api.md shows the same)."""

from dataclasses import asdict
from datetime import datetime

from bot.service import ServiceStatus
from bot.watcher import progress_mark
from core.records import CandidateView, ModelInfo, RequestView, WorkerState

Json = dict[str, object]


def request_json(view: RequestView) -> Json:
    return {
        "id": view.id,
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
    }


def status_json(status: ServiceStatus) -> Json:
    """Say whether somebody can answer: `ready`, `loading` or `away`, and with which model."""
    ready = [worker for worker in status.workers if worker.state is WorkerState.READY]
    loading = [worker for worker in status.workers if worker.state is WorkerState.LOADING]
    model = next((worker.model for worker in (*ready, *loading) if worker.model is not None), None)
    return {
        "state": "ready" if ready else "loading" if loading else "away",
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
