"""All that a front end needs, in one hand: made once, passed to every gateway."""

from dataclasses import dataclass

from bot.administration import AdministrationService
from bot.catalog import Catalogs
from bot.collection import CollectionService
from bot.cycle_planner import CyclePlanner
from bot.learning import LearningService
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
    learning: LearningService
    catalogs: Catalogs
    settings: Settings


def open_services(
    database: Database, queue: JobQueue, settings: Settings, *, planner: CyclePlanner | None = None
) -> Services:
    """Put the services together over one database and one queue; without a `planner` no training can be started.

    Raises:
        ConfigError: the texts of a language cannot be used.
    """
    catalogs = Catalogs.load()
    administration = AdministrationService(database, settings, catalogs, planner)
    return Services(
        chat=ChatService(database, queue, settings),
        collection=CollectionService(database),
        privacy=PrivacyService(database),
        administration=administration,
        learning=LearningService(database, administration, planner),
        catalogs=catalogs,
        settings=settings,
    )
