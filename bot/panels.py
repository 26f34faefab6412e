"""What the private lists and panels show, before any platform's markup: pure functions from records to lines.

Every platform shows the same lines, each with its own components, buttons and escaping.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.cards import model_name, waiting_note
from bot.catalog import Catalogs
from bot.service import QueueView
from core.records import (
    Favorite,
    ModelStatus,
    PrivacyOverview,
    RequestView,
    WorkerState,
    WorkspaceSettings,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelLine:
    """One line; `prompt` is what belongs into a code block, `target_id` the request or candidate it is about."""

    text: str
    prompt: str | None = None
    target_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One private message; every string is plain text that nothing has escaped yet."""

    title: str
    lines: tuple[PanelLine, ...]
    note: str | None = None


def history_panel(views: Sequence[RequestView], catalogs: Catalogs, language: str) -> Panel:
    """Return one page of requests, each with its idea and its best prompt."""
    lines = tuple(
        PanelLine(
            text=f"{view.idea} · {catalogs.text(language, f'lists.states.{view.state}')}",
            prompt=view.candidates[0].text if view.candidates else None,
            target_id=view.id,
        )
        for view in views
    )
    note = None if lines else catalogs.text(language, "lists.history_empty")
    return Panel(title=catalogs.text(language, "lists.history"), lines=lines, note=note)


def favorites_panel(favorites: Sequence[Favorite], catalogs: Catalogs, language: str) -> Panel:
    """Return one page of favourites, each with its idea and its prompt."""
    lines = tuple(
        PanelLine(text=favorite.idea, prompt=favorite.candidate.text, target_id=favorite.candidate.id)
        for favorite in favorites
    )
    note = None if lines else catalogs.text(language, "lists.favorites_empty")
    return Panel(title=catalogs.text(language, "lists.favorites"), lines=lines, note=note)


def queue_panel(queue: QueueView, catalogs: Catalogs, language: str) -> Panel:
    """Return the person's open requests, the length of the line, and who is there to answer."""
    own = tuple(
        PanelLine(
            text=catalogs.text(language, "queue.own", idea=view.idea, note=waiting_note(view, catalogs, language)),
            target_id=view.id,
        )
        for view in queue.own
    )
    ready = sum(worker.state is WorkerState.READY for worker in queue.workers)
    is_paused = any(worker.is_paused for worker in queue.workers)
    key = "workers_ready" if ready else "workers_paused" if is_paused else "workers_none"
    workers = catalogs.text(language, f"queue.{key}", count=ready)
    length = catalogs.text(language, "queue.length", count=queue.queue_length)
    lines = (*(own or _lines(catalogs.text(language, "queue.empty"))), *_lines(length, workers))
    return Panel(title=catalogs.text(language, "queue.title"), lines=lines)


def privacy_panel(overview: PrivacyOverview, catalogs: Catalogs, language: str) -> Panel:
    """Return what is kept about the person, and whether it may be learned from."""
    counts = {
        "requests": overview.num_requests,
        "candidates": overview.num_candidates,
        "votes": overview.num_votes,
        "feedback": overview.num_feedback,
        "favorites": overview.num_favorites,
    }
    texts = [catalogs.text(language, f"privacy.{name}", count=count) for name, count in counts.items()]
    texts.append(catalogs.text(language, "privacy.consent_on" if overview.has_consented else "privacy.consent_off"))
    if overview.adapters:
        texts.append(catalogs.text(language, "privacy.adapters", adapters=", ".join(overview.adapters)))
    note = catalogs.text(language, "privacy.note")
    return Panel(title=catalogs.text(language, "privacy.title"), lines=_lines(*texts), note=note)


def forgotten_text(gone: PrivacyOverview, catalogs: Catalogs, language: str) -> str:
    """Return what was deleted, and the adapters that had learned from it."""
    key = "privacy.deleted_adapters" if gone.adapters else "privacy.deleted"
    adapters = ", ".join(gone.adapters)
    return catalogs.text(language, key, requests=gone.num_requests, votes=gone.num_votes, adapters=adapters)


def model_panel(status: ModelStatus, catalogs: Catalogs, language: str) -> Panel:
    """Return what answers now, since when, and what it learned from."""
    texts = [_serving(status, catalogs, language)]
    if status.since is not None:
        texts.append(catalogs.text(language, "model.since", time=f"{status.since:%Y-%m-%d %H:%M}"))
    key = "learned_own" if status.num_own_votes else "learned" if status.num_votes else "learned_nothing"
    texts.append(catalogs.text(language, f"model.{key}", votes=status.num_votes, own=status.num_own_votes))
    return Panel(title=catalogs.text(language, "model.title"), lines=_lines(*texts))


def settings_panel(settings: WorkspaceSettings, catalogs: Catalogs, language: str) -> Panel:
    """Return what the workspace's admins decided."""
    unset = catalogs.text(language, "settings.unset")
    chosen = settings.language
    values: dict[str, object] = {
        "version": settings.midjourney_version or unset,
        "aspect_ratio": settings.aspect_ratio or unset,
        "private": catalogs.text(language, "settings.yes" if settings.is_private else "settings.no"),
        "quota": settings.max_requests_per_day or catalogs.text(language, "settings.unlimited"),
        "language": catalogs.text(chosen, "language.name") if chosen else catalogs.text(language, "settings.default"),
    }
    texts = [catalogs.text(language, f"settings.{name}", value=value) for name, value in values.items()]
    return Panel(title=catalogs.text(language, "settings.title"), lines=_lines(*texts))


def _serving(status: ModelStatus, catalogs: Catalogs, language: str) -> str:
    if status.model is None:
        return catalogs.text(language, "model.away")
    key = "model.serving" if status.model.adapter is None else "model.serving_adapter"
    return catalogs.text(language, key, model=model_name(status.model), adapter=status.model.adapter)


def _lines(*texts: str) -> tuple[PanelLine, ...]:
    return tuple(PanelLine(text=text) for text in texts)
