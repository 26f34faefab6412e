"""A cycle of learning as both chats show it: its one message at three moments, and the note of its promotion.

The figures are those of a real cycle, the first of a course of benchmarks/learning.py with the taste for short prompts:
promoted_cycle.json keeps what the database held of it. Texts and markup are the bot's own. Nothing runs here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.cycle_planner import TrainerPlanner
from bot.cards import Card
from bot.catalog import Catalogs
from bot.cycle_status import CycleStatus
from bot.cycle_texts import cycle_card, note_card
from bot.discord.views import card_view
from bot.slack.blocks import card_message
from core.cycles import CycleState, CycleView, Tally
from core.records import TrainingProgress
from core.settings import Settings
from tests.demo import discord_drawing, slack_drawing
from tests.demo.page import Conversation, narration_html
from tests.fakes.discord.messages import MessageFlag
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.slack.server import FakeSlack

FILE = Path(__file__).with_name("promoted_cycle.json")
LANGUAGE, PLACE, CHANNEL = "en", "Snow club", "prompts"
NUM_ROWS = 2  # scenes of one column
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)  # no picture shows it


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A message as it is at one moment, and what has happened until then."""

    narration: str
    card: Card


def scenes() -> tuple[Scene, ...]:
    """Return the message of a cycle while it trains, in its canary and at its end, and the note that follows."""
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    catalogs = Catalogs.load()
    training = _status(kept, CycleState.TRAINING, progress=TrainingProgress(**kept["progress"]))
    canary = _status(kept, CycleState.CANARY, tallies=kept["canary_halfway"])
    promoted = _status(kept, CycleState.PROMOTED, tallies=kept["canary"])
    return (
        Scene(
            narration="alice, an operator, has pressed Train now below /retrain start",
            card=cycle_card(training, catalogs, LANGUAGE),
        ),
        Scene(narration="the same message, a minute later", card=cycle_card(canary, catalogs, LANGUAGE)),
        Scene(narration="the same message, once the votes have decided", card=cycle_card(promoted, catalogs, LANGUAGE)),
        Scene(narration="a note in the channel that RELEASE_NOTES names", card=note_card(promoted, catalogs, LANGUAGE)),
    )


async def on_discord() -> list[Conversation]:
    """Return the scenes as Discord draws them, two conversations with two scenes each."""
    async with FakeDiscord() as discord:
        channel = discord.add_guild(PLACE).add_channel(CHANNEL)

        def draw(card: Card) -> str:
            view = card_view(card, Catalogs.load(), LANGUAGE)
            values = {"components": view.to_components(), "flags": MessageFlag.IS_COMPONENTS_V2}
            return discord_drawing.message_html(discord.world.add_message(channel, discord.world.bot, values))

        return _columns("discord", draw)


async def on_slack() -> list[Conversation]:
    """Return the scenes as Slack draws them, two conversations with two scenes each."""
    async with FakeSlack() as slack:
        team = slack.add_team(PLACE)
        channel = team.add_channel(CHANNEL)
        return _columns(
            "slack", lambda card: slack_drawing.message_html(channel.post(team.bot_user, **card_message(card)))
        )


def _columns(platform: str, draw: Callable[[Card], str]) -> list[Conversation]:
    """Return the scenes in conversations of `NUM_ROWS` each."""
    shown = [[narration_html(scene.narration), draw(scene.card)] for scene in scenes()]
    return [
        Conversation(platform=platform, place=PLACE, channel=CHANNEL, pieces=pieces, highlights=pieces)
        for start in range(0, len(shown), NUM_ROWS)
        for pieces in [[piece for pair in shown[start : start + NUM_ROWS] for piece in pair]]
    ]


def _status(
    kept: Mapping[str, Any],
    state: CycleState,
    *,
    progress: TrainingProgress | None = None,
    tallies: Mapping[str, Any] | None = None,
) -> CycleStatus:
    """Return the cycle as it was in `state`."""
    is_trained, is_ended = state.has_adapter, not state.is_open
    cycle = CycleView(
        id=kept["id"],
        state=state,
        base_model=kept["base_model"],
        is_automatic=False,
        asked_by=None,
        run_id=kept["adapter"],
        champion=None,
        adapter=kept["adapter"] if is_trained else None,
        config={},
        feedback=kept["feedback"],
        gate=kept["gate"] if is_trained else None,
        canary=tallies,
        history=(),
        reason=kept["reason"] if is_ended else None,
        is_cancel_wanted=False,
        created_at=MOMENT,
        updated_at=MOMENT,
        finished_at=MOMENT if is_ended else None,
    )
    rows = TrainerPlanner(Settings(_env_file=None), has_keeper=True).gate_rows(kept["gate"]) if is_trained else ()
    return CycleStatus(
        cycle=cycle,
        progress=progress,
        gate_rows=tuple(tuple(row) for row in rows),
        champion=Tally(**tallies["champion"]) if tallies else None,
        challenger=Tally(**tallies["challenger"]) if tallies else None,
        **kept["learned_from"],
    )
