"""What operators are shown of learning: what the votes are enough for, and how the present cycle goes.

Starting and cancelling are decisions about the model, which bot/administration.py takes. It knows no platform.
"""

from bot.administration import AdministrationService
from bot.cycle_planner import CyclePlanner, Outlook, needed
from bot.cycle_status import CycleStatus, read_status
from core.records import AuditAction, Identity
from storage import cycles
from storage.database import Database


class LearningService:
    """Looks at cycles of learning over one database."""

    def __init__(self, database: Database, administration: AdministrationService, planner: CyclePlanner | None) -> None:
        self._database = database
        self._administration = administration
        self.planner = planner

    async def outlook(self, identity: Identity) -> Outlook:
        """Return what the votes of this moment are enough for.

        Raises:
            NotAllowed: the person is no operator.
            NotPossible: this process cannot plan.
        """
        await self._administration.require_operator(identity, AuditAction.RETRAIN, details={"verb": "plan"})
        return await needed(self.planner).outlook(self._database)

    async def status(self, identity: Identity) -> CycleStatus | None:
        """Return the cycle that is open, else the one that was made last; None before the first.

        Raises:
            NotAllowed: the person is no operator.
        """
        await self._administration.require_operator(identity, AuditAction.RETRAIN, details={"verb": "status"})
        async with self._database.read() as session:
            cycle = await cycles.latest(session)
            return None if cycle is None else await read_status(session, cycle, self.planner)
