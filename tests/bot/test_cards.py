"""Cards and panels: what a message shows in each state, in every language, within the platforms' budgets."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.actions import Action
from bot.cards import (
    Card,
    duration,
    explain_button,
    model_name,
    placeholder_card,
    request_card,
    share_card,
    waiting_note,
)
from bot.catalog import Catalogs
from bot.panels import (
    Panel,
    favorites_panel,
    forgotten_text,
    history_panel,
    model_panel,
    privacy_panel,
    queue_panel,
    settings_panel,
)
from bot.privacy import NOTHING
from bot.service import QueueView
from core.records import (
    CandidateView,
    Favorite,
    ModelInfo,
    ModelStatus,
    RequestKind,
    RequestState,
    RequestView,
    WorkerState,
    WorkerStatus,
    WorkspaceSettings,
)

TEXTS = Catalogs.load()
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
MODEL = ModelInfo(base="/srv/models/pocket", adapter=None, precision="fp32", device="cpu")
CANDIDATES = tuple(
    CandidateView(id=f"01ARZ3NDEKTSV4RRFFQ69G5FA{rank}", rank=rank, text=f"a {{boy}} {rank}", score=-1, votes_up=rank)
    for rank in range(1, 5)
)
QUEUED = RequestView(
    id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
    idea="a {boy} in `snow`",
    subject="a {boy} in `snow`",
    state=RequestState.QUEUED,
    created_at=NOW,
    started_at=None,
    finished_at=None,
    position=3,
    eta_seconds=7.2,
    decoding_seconds=None,
    error=None,
    model=None,
    candidates=(),
)
DONE = replace(
    QUEUED,
    state=RequestState.DONE,
    position=None,
    eta_seconds=None,
    decoding_seconds=1.26,
    model=MODEL,
    candidates=CANDIDATES,
)
WORKER = WorkerStatus(id="w", state=WorkerState.READY, model=MODEL, started_at=NOW, heartbeat_at=NOW)


def labels(card: Card) -> list[str]:
    return [button.label for button in card.buttons]


def shown(panel: Panel) -> list[str]:
    return [line.text for line in panel.lines]


def test_queued_request_shows_its_place_and_wait_and_can_be_cancelled() -> None:
    card = request_card(QUEUED, TEXTS, "en")
    assert card.title == QUEUED.idea
    assert card.note == "Place 3 in the line, about 8 s."
    assert labels(card) == ["Cancel"]
    assert request_card(QUEUED, TEXTS, "de").note == "Platz 3 in der Warteschlange, noch etwa 8 s."


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"eta_seconds": None}, "Place 3 in the line."),
        ({"position": None}, "Waiting for a worker."),
        ({"position": None, "eta_seconds": None}, "Waiting for a worker."),
        ({"state": RequestState.RUNNING, "position": None, "eta_seconds": 150.0}, "Writing your prompts, about 3 min."),
        ({"state": RequestState.RUNNING, "position": None, "eta_seconds": None}, "Writing your prompts."),
    ],
)
def test_waiting_note_says_what_is_known(change: dict[str, object], note: str) -> None:
    assert waiting_note(replace(QUEUED, **change), TEXTS, "en") == note


def test_answer_shows_each_prompt_as_it_is_with_its_counts_and_buttons() -> None:
    card = request_card(DONE, TEXTS, "en")
    assert (card.title, card.note, card.footer) == (QUEUED.idea, None, "Written by pocket in 1.3 s")
    assert [candidate.prompt for candidate in card.candidates] == [candidate.text for candidate in CANDIDATES]
    for candidate, drawn in zip(CANDIDATES, card.candidates, strict=True):
        assert [button.label for button in drawn.buttons] == [f"👍 {candidate.rank}", "👎 0", "Vary", "Save", "Share"]
        assert {button.target_id for button in drawn.buttons} == {candidate.id}
    assert [button.action for button in card.buttons] == [Action.REMIX, Action.REROLL, Action.DELETE]
    assert {button.target_id for button in card.buttons} == {DONE.id}


def test_answer_is_the_same_for_everybody() -> None:
    theirs = replace(DONE, is_own=False, candidates=tuple(replace(c, is_saved=True) for c in CANDIDATES))
    assert request_card(theirs, TEXTS, "en") == request_card(DONE, TEXTS, "en")


@pytest.mark.parametrize("language", TEXTS.languages)
@pytest.mark.parametrize("kind", RequestKind)
@pytest.mark.parametrize("state", RequestState)
def test_every_card_fits_the_platforms_budgets(language: str, kind: RequestKind, state: RequestState) -> None:
    card = request_card(replace(DONE, kind=kind, state=state), TEXTS, language)
    assert QUEUED.idea in card.title
    rows = [card.buttons, *(candidate.buttons for candidate in card.candidates)]
    assert all(len(row) <= 5 for row in rows)
    assert 3 + len(rows) + sum(map(len, rows)) + 2 * len(card.candidates) <= 40
    assert all(1 <= len(button.label) <= 40 for row in rows for button in row)


@pytest.mark.parametrize(
    ("state", "error", "note"),
    [
        (RequestState.FAILED, "The model crashed; ask again.", "The model crashed; ask again."),
        (RequestState.FAILED, None, "Your prompts could not be written; please ask again in a moment."),
        (RequestState.CANCELLED, None, "Taken back before an answer was there."),
        (RequestState.EXPIRED, "too late", "No answer was ready in time; please ask again in a moment."),
    ],
)
def test_request_that_ended_without_an_answer_says_why_and_its_number(
    state: RequestState, error: str | None, note: str
) -> None:
    ended = replace(QUEUED, state=state, error=error, position=None)
    card = request_card(ended, TEXTS, "en")
    assert (card.note, card.footer) == (note, f"Request {QUEUED.id}")
    assert request_card(ended, TEXTS, "de").note == TEXTS.text("de", f"cards.{state}")


def test_shared_candidate_has_no_buttons_and_a_placeholder_no_answer() -> None:
    card = share_card(CANDIDATES[1], QUEUED.idea, TEXTS, "en")
    assert card.candidates[0].prompt == CANDIDATES[1].text
    assert (card.buttons, card.candidates[0].buttons) == ((), ())
    placeholder = placeholder_card(TEXTS, "en", QUEUED.idea)
    assert (placeholder.title, placeholder.candidates, placeholder.buttons) == (QUEUED.idea, (), ())


def test_explaining_is_a_button_about_one_candidate() -> None:
    button = explain_button(CANDIDATES[0].id, TEXTS, "de")
    assert (button.action, button.target_id, button.label) == (Action.EXPLAIN, CANDIDATES[0].id, "Sag uns, warum")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0, "1 s"), (119.2, "2 min"), (119.0, "119 s"), (600, "10 min"), (7201, "3 h")]
)
def test_wait_is_rounded_up_in_the_unit_that_people_say(seconds: float, words: str) -> None:
    assert duration(seconds, TEXTS, "en") == words


@pytest.mark.parametrize(
    ("base", "name"),
    [("tiiuae/falcon-7b", "tiiuae/falcon-7b"), ("/srv/models/pocket", "pocket"), ("./pocket", "pocket"), ("x", "x")],
)
def test_model_is_named_without_this_machines_folders(base: str, name: str) -> None:
    assert model_name(replace(MODEL, base=base)) == name


def test_footer_names_the_adapter() -> None:
    card = request_card(replace(DONE, model=replace(MODEL, adapter="winter-3")), TEXTS, "en")
    assert card.footer == "Written by pocket with winter-3 in 1.3 s"


def test_history_shows_each_request_with_its_best_prompt() -> None:
    panel = history_panel([DONE, QUEUED], TEXTS, "en")
    assert shown(panel) == [f"{DONE.idea} · answered", f"{DONE.idea} · waiting"]
    assert [line.prompt for line in panel.lines] == [CANDIDATES[0].text, None]
    assert panel.lines[0].target_id == DONE.id
    assert history_panel([], TEXTS, "en").note is not None


def test_favorites_show_prompt_and_idea() -> None:
    favorite = Favorite(candidate=CANDIDATES[0], request_id=DONE.id, idea="a boy", saved_at=NOW)
    panel = favorites_panel([favorite], TEXTS, "en")
    assert [(line.text, line.prompt, line.target_id) for line in panel.lines] == [
        ("a boy", CANDIDATES[0].text, CANDIDATES[0].id)
    ]
    assert favorites_panel([], TEXTS, "de").lines == ()


def test_queue_shows_ones_own_and_who_is_there() -> None:
    panel = queue_panel(QueueView(own=(QUEUED,), queue_length=9, workers=(WORKER,)), TEXTS, "en")
    assert shown(panel) == [
        f"{QUEUED.idea} · Place 3 in the line, about 8 s.",
        "Open requests of everybody: 9",
        "Ready to answer: 1",
    ]
    nobody = queue_panel(QueueView(own=(), queue_length=0, workers=()), TEXTS, "en")
    assert shown(nobody)[0] == "You have nothing waiting."
    assert shown(nobody)[-1].startswith("Nobody is there")
    paused = replace(WORKER, state=WorkerState.LOADING, metrics={"is_paused": True})
    learning = queue_panel(QueueView(own=(), queue_length=2, workers=(paused,)), TEXTS, "en")
    assert shown(learning)[-1].startswith("The model is learning from votes")


def test_privacy_counts_everything_and_names_what_learned() -> None:
    assert len(shown(privacy_panel(NOTHING, TEXTS, "en"))) == 6
    gone = replace(NOTHING, num_requests=2, num_votes=14, has_consented=True, adapters=("winter-3",))
    lines = shown(privacy_panel(gone, TEXTS, "en"))
    assert "Votes: 14" in lines
    assert lines[-2:] == ["Learning from you: allowed", "Learned from you: winter-3"]
    assert "winter-3" in forgotten_text(gone, TEXTS, "en")
    assert forgotten_text(NOTHING, TEXTS, "en") == "Deleted: 0 requests and 0 votes."


def test_model_says_since_when_and_what_it_learned_from() -> None:
    status = ModelStatus(
        model=replace(MODEL, adapter="winter-3"),
        is_ready=True,
        since=NOW,
        adapter_id="winter-3",
        num_votes=212,
        num_own_votes=14,
    )
    assert shown(model_panel(status, TEXTS, "en")) == [
        "Answering now: pocket with winter-3",
        "Since 2026-11-24 12:30 UTC",
        "It learned from 212 votes, and 14 of them are yours.",
    ]
    others = replace(status, num_own_votes=0)
    assert shown(model_panel(others, TEXTS, "en"))[-1] == "It learned from 212 votes."
    nobody = ModelStatus(model=None, is_ready=False, since=None, adapter_id=None, num_votes=0, num_own_votes=0)
    assert shown(model_panel(nobody, TEXTS, "en"))[0] == "Nobody is there to answer right now."


def test_settings_say_what_is_decided_and_what_is_not() -> None:
    assert shown(settings_panel(WorkspaceSettings(), TEXTS, "en"))[0] == "Midjourney version: not set"
    decided = WorkspaceSettings(
        midjourney_version="7", aspect_ratio="16:9", is_private=True, max_requests_per_day=20, language="de"
    )
    assert shown(settings_panel(decided, TEXTS, "en")) == [
        "Midjourney version: 7",
        "Aspect ratio: 16:9",
        "Answers private by default: yes",
        "Requests per person and day: 20",
        "Language: Deutsch",
    ]
