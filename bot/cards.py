"""What a chat message shows, before any platform's markup: pure functions from records to cards.

Discord and Slack draw the same cards, each with its own components and escaping. It knows no SDK.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from pathlib import Path

from bot.actions import Action
from bot.catalog import FALLBACK_LANGUAGE, Catalogs
from core.records import CandidateView, ModelInfo, RequestState, RequestView

SECONDS_A_MINUTE = 60
SECONDS_AN_HOUR = 3600


class ButtonLook(StrEnum):
    """How a button stands out."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One button; `label` is ready to show, at most 40 characters."""

    action: Action
    target_id: str
    label: str
    look: ButtonLook = ButtonLook.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateCard:
    """One prompt with its buttons; `prompt` is plain text that nothing has escaped yet."""

    rank: int
    prompt: str
    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One message; every string is plain text that nothing has escaped yet.

    `title` is the idea, `byline` says who asked, `note` what is going on or went wrong, `footer` what made it. `lines`
    stand below the note, each by itself.
    """

    title: str
    byline: str | None = None
    note: str | None = None
    lines: tuple[str, ...] = ()
    candidates: tuple[CandidateCard, ...] = ()
    buttons: tuple[Button, ...] = ()
    footer: str | None = None


def request_card(view: RequestView, catalogs: Catalogs, language: str) -> Card:
    """Return what the message of a request shows, the same for everybody who sees it."""
    target, texts = view.id, _Texts(catalogs, language)
    if not view.state.is_final:
        cancel = texts.button(Action.CANCEL, target)
        note = waiting_note(view, catalogs, language)
        return Card(title=_title(view, texts), byline=_byline(view, texts), note=note, buttons=(cancel,))
    return Card(
        title=_title(view, texts),
        byline=_byline(view, texts),
        note=_ending_note(view, texts),
        candidates=tuple(_candidate_card(candidate, texts) for candidate in view.candidates),
        buttons=(
            texts.button(Action.REMIX, target),
            texts.button(Action.REROLL, target),
            texts.button(Action.DELETE, target, ButtonLook.BAD),
        ),
        footer=_footer(view, texts),
    )


def placeholder_card(catalogs: Catalogs, language: str, idea: str) -> Card:
    """Return what a message shows for the moment between being posted and being filled; it holds no answer."""
    return Card(title=idea, note=catalogs.text(language, "cards.placeholder"))


def share_card(candidate: CandidateView, idea: str, catalogs: Catalogs, language: str) -> Card:
    """Return one candidate as everybody is shown it; without buttons, because the request may be private."""
    shown = CandidateCard(rank=candidate.rank, prompt=candidate.text, buttons=())
    return Card(title=catalogs.text(language, "cards.title.share", idea=idea), candidates=(shown,))


def explain_button(candidate_id: str, catalogs: Catalogs, language: str) -> Button:
    """Return the button that opens the form after a 👎."""
    return _Texts(catalogs, language).button(Action.EXPLAIN, candidate_id)


def waiting_note(view: RequestView, catalogs: Catalogs, language: str) -> str:
    """Return where an open request stands: its place in the line, or that it is being written, and how long."""
    key = "writing" if view.state is RequestState.RUNNING else "waiting" if view.position is None else "placed"
    if view.eta_seconds is None or key == "waiting":
        return catalogs.text(language, f"cards.{key}", position=view.position)
    wait = duration(view.eta_seconds, catalogs, language)
    return catalogs.text(language, f"cards.{key}_eta", position=view.position, wait=wait)


def duration(seconds: float, catalogs: Catalogs, language: str) -> str:
    """Return a wait as people say it, rounded up: `8 s`, `3 min`, `2 h`."""
    whole = max(1, ceil(seconds))
    if whole < 2 * SECONDS_A_MINUTE:
        return catalogs.text(language, "time.seconds", count=whole)
    if whole < 2 * SECONDS_AN_HOUR:
        return catalogs.text(language, "time.minutes", count=ceil(whole / SECONDS_A_MINUTE))
    return catalogs.text(language, "time.hours", count=ceil(whole / SECONDS_AN_HOUR))


def model_name(model: ModelInfo) -> str:
    """Return what people call a model: of a folder's path the last part, a Hub id as it is."""
    return model.base if model.base.count("/") == 1 and not model.base.startswith((".", "/")) else Path(model.base).name


@dataclass(frozen=True, slots=True)
class _Texts:
    catalogs: Catalogs
    language: str

    def text(self, key: str, **values: object) -> str:
        return self.catalogs.text(self.language, f"cards.{key}", **values)

    def button(self, action: Action, target_id: str, look: ButtonLook = ButtonLook.PLAIN) -> Button:
        return Button(action=action, target_id=target_id, label=self.text(f"buttons.{action}"), look=look)


def _title(view: RequestView, texts: _Texts) -> str:
    return texts.text(f"title.{view.kind}", idea=view.idea)


def _byline(view: RequestView, texts: _Texts) -> str | None:
    return None if view.asker_name is None or view.is_private else texts.text("byline", name=view.asker_name)


def _ending_note(view: RequestView, texts: _Texts) -> str | None:
    if view.state is RequestState.DONE:
        return None
    if view.state is RequestState.FAILED and view.error and texts.language == FALLBACK_LANGUAGE:
        return view.error
    return texts.text(view.state.value)


def _candidate_card(candidate: CandidateView, texts: _Texts) -> CandidateCard:
    look = ButtonLook.GOOD if candidate.votes_up else ButtonLook.PLAIN  # green at 0 looks as if it were pressed
    up = Button(action=Action.UP, target_id=candidate.id, label=f"👍 {candidate.votes_up}", look=look)
    down = Button(action=Action.DOWN, target_id=candidate.id, label=f"👎 {candidate.votes_down}")
    others = (texts.button(action, candidate.id) for action in (Action.VARY, Action.SAVE, Action.SHARE))
    return CandidateCard(rank=candidate.rank, prompt=candidate.text, buttons=(up, down, *others))


def _footer(view: RequestView, texts: _Texts) -> str:
    if view.model is None or view.decoding_seconds is None:
        return texts.text("request_id", id=view.id)
    key = "footer" if view.model.adapter is None else "footer_adapter"
    seconds = f"{view.decoding_seconds:.1f}"
    return texts.text(key, model=model_name(view.model), adapter=view.model.adapter, seconds=seconds)
