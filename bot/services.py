"""All that a front end needs, in one hand: made once, passed to every gateway."""

from dataclasses import dataclass

from bot.administration import AdministrationService
from bot.catalog import Catalogs
from bot.collection import CollectionService
from bot.privacy import PrivacyService
from bot.service import ChatService
from core.settings import Settings
from storage.database import Database
from storage.queue import JobQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The product's commands, its texts and its settings."""

    chat: ChatService
    collection: CollectionService
    privacy: PrivacyService
    administration: AdministrationService
    catalogs: Catalogs
    settings: Settings


def open_services(database: Database, queue: JobQueue, settings: Settings) -> Services:
    """Put the services together over one database and one queue.

    Raises:
        ConfigError: the texts of a language cannot be used.
    """
    catalogs = Catalogs.load()
    return Services(
        chat=ChatService(database, queue, settings),
        collection=CollectionService(database),
        privacy=PrivacyService(database),
        administration=AdministrationService(database, settings, catalogs),
        catalogs=catalogs,
        settings=settings,
    )
