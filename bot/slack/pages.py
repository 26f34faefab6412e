"""Private lists and panels as Block Kit, with the buttons that Slack has for them; pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cycle_planner import Outlook
from bot.cycle_status import CycleStatus
from bot.cycle_texts import plan_panel, status_panel
from bot.panels import (
    Panel,
    PanelLine,
    favorites_panel,
    history_panel,
    model_panel,
    privacy_panel,
    queue_panel,
    settings_panel,
)
from bot.service import QueueView
from bot.slack.blocks import Block, actions, button, header, message, plain_section, prompts, small
from bot.slack.desk import Speech
from bot.slack.verbs import Verb
from core.records import Favorite, ModelStatus, PrivacyOverview, RequestView, WorkspaceSettings

PAGE_LENGTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list: what is shown, and what comes behind it (None at the end)."""

    blocks: Sequence[Block]
    title: str

    def as_message(self) -> dict[str, Any]:
        return message([self.title], self.blocks)


def history_page(views: Sequence[RequestView], speech: Speech, *, is_first: bool = True) -> Page:
    """Return a page of up to PAGE_LENGTH requests; one more in `views` tells that there is another page."""
    shown = views[:PAGE_LENGTH]
    panel = history_panel(shown, speech.services.catalogs, speech.language)
    older = shown[-1].id if len(views) > PAGE_LENGTH else None
    turning = _turning(speech, newer=None if is_first else Verb.HISTORY, older=Verb.HISTORY_OLDER, behind=older)
    return _panel_page(panel, turning, line_button=lambda id_: button(speech("lists.show"), Verb.SHOW, value=id_))


def favorites_page(saved: Sequence[Favorite], speech: Speech, *, is_first: bool = True) -> Page:
    """Return a page of up to PAGE_LENGTH favourites; one more in `saved` tells that there is another page."""
    shown = saved[:PAGE_LENGTH]
    panel = favorites_panel(shown, speech.services.catalogs, speech.language)
    older = shown[-1].candidate.id if len(saved) > PAGE_LENGTH else None
    turning = _turning(speech, newer=None if is_first else Verb.FAVORITES, older=Verb.FAVORITES_OLDER, behind=older)
    return _panel_page(panel, turning, line_button=lambda id_: button(speech("lists.remove"), Verb.UNSAVE, value=id_))


def queue_page(queue: QueueView, speech: Speech) -> Page:
    rows = [button(speech("queue.cancel_all"), Verb.CANCEL_ALL, style="danger")] if queue.own else []
    return _panel_page(queue_panel(queue, speech.services.catalogs, speech.language), rows)


def privacy_page(overview: PrivacyOverview, speech: Speech) -> Page:
    label, verb = ("forbid", Verb.FORBID) if overview.has_consented else ("allow", Verb.ALLOW)
    rows = [
        button(speech(f"privacy.{label}"), verb),
        button(speech("privacy.export"), Verb.EXPORT),
        button(speech("privacy.delete"), Verb.FORGET, style="danger"),
    ]
    return _panel_page(privacy_panel(overview, speech.services.catalogs, speech.language), rows)


def settings_page(settings: WorkspaceSettings, speech: Speech) -> Page:
    rows = [button(speech("settings.edit"), Verb.SETTINGS)]
    panel = settings_panel(settings, speech.services.catalogs, speech.language)
    page = _panel_page(panel, rows)
    return Page(title=page.title, blocks=[*page.blocks, small(speech("settings.only_admins"))])


def model_page(status: ModelStatus, speech: Speech) -> Page:
    return _panel_page(model_panel(status, speech.services.catalogs, speech.language), [])


def plan_page(outlook: Outlook, speech: Speech) -> Page:
    """Return what the votes are enough for, with the button that leads to a training where they are."""
    rows = [button(speech("model.retrain_start"), Verb.RETRAIN, style="primary")] if outlook.missing is None else []
    return _panel_page(plan_panel(outlook, speech.services.catalogs, speech.language), rows)


def cycle_page(status: CycleStatus | None, speech: Speech) -> Page:
    """Return how the present training goes, with the button that leads to its end while it goes on."""
    is_going_on = status is not None and status.cycle.state.is_open
    rows = [button(speech("slack.titles.cancel_retrain"), Verb.CANCEL_RETRAIN, style="danger")] if is_going_on else []
    return _panel_page(status_panel(status, speech.services.catalogs, speech.language), rows)


def _turning(speech: Speech, *, newer: Verb | None, older: Verb, behind: str | None) -> list[Block]:
    """Return the buttons that turn a list's pages: back to the first one, and on behind the last line."""
    back = [] if newer is None else [button(speech("lists.newer"), newer)]
    return back if behind is None else [*back, button(speech("lists.older"), older, value=behind)]


def _panel_page(panel: Panel, row: Sequence[Block], *, line_button: Callable[[str], Block] | None = None) -> Page:
    blocks = [header(panel.title), *_lines(panel.lines, line_button)]
    if panel.note:
        blocks.append(small(panel.note))
    if row:
        blocks.append(actions(row))
    return Page(title=panel.title, blocks=blocks)


def _lines(lines: Sequence[PanelLine], line_button: Callable[[str], Block] | None) -> Iterator[Block]:
    for line in lines:
        yield plain_section(line.text) if line.prompt is None else prompts([line.prompt], title=line.text)
        if line_button is not None and line.target_id is not None:
            yield actions([line_button(line.target_id)])
