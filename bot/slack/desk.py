"""What every handler has at hand: the services, the ways back to people, and the language they are spoken to in."""

from dataclasses import dataclass

from bot.recent import RecentPresses
from bot.redraws import Redraws
from bot.services import Services
from bot.slack.call import Call
from bot.slack.clients import WorkspaceClients
from bot.slack.people import People
from bot.slack.recent import KnownHomes, UsedTriggers
from bot.slack.replies import Replies
from core.records import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One app's parts; made once, passed to every handler."""

    services: Services
    clients: WorkspaceClients
    replies: Replies
    people: People
    redraws: Redraws
    presses: RecentPresses
    triggers: UsedTriggers
    homes: KnownHomes

    async def speech_for(self, identity: Identity) -> "Speech":
        """Return the texts in the language of the person's workspace; Slack's payloads name none of their own."""
        settings = await self.services.administration.remembered_settings(identity)
        return Speech(services=self.services, language=self.services.catalogs.language(settings.language))

    async def say(self, call: Call, key: str, **values: object) -> None:
        """Say one text of the catalogs to the person alone."""
        speech = await self.speech_for(call.identity)
        await self.replies.say(call, speech(key, **values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """The texts of one language; call it with a key and its values."""

    services: Services
    language: str

    def __call__(self, key: str, **values: object) -> str:
        return self.services.catalogs.text(self.language, key, **values)
