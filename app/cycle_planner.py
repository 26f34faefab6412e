"""What chats need of the trainer's pure rules, behind bot.cycle_planner.CyclePlanner; torch is never imported here."""

import asyncio
from collections.abc import Mapping, Sequence

from bot.cycle_planner import Outlook, Suspicion
from core.errors import ConfigError, NotPossible
from core.settings import Settings
from storage import clock, ratings
from storage.database import Database, Session
from trainer.cycle.building import Built, build, told_of_closed
from trainer.cycle.planning import plan_cycle, read_rules
from trainer.cycle_config import CycleConfig
from trainer.gate import gate_of


class TrainerPlanner:
    """Plans cycles by configs/cycle.toml, which is read anew each time."""

    def __init__(self, settings: Settings, *, has_keeper: bool) -> None:
        """Plan for this process; `has_keeper` says whether it keeps cycles (app/cycle_keeper.py) as well."""
        self._settings = settings
        self.has_keeper = has_keeper

    async def outlook(self, database: Database) -> Outlook:
        """Return what a cycle would make of the votes of this moment.

        Raises:
            NotPossible: configs/cycle.toml or configs/gate.toml cannot be used.
        """
        config = self._config()
        async with database.read() as session:
            rated = await ratings.rated_prompts(session)
            num_closed = await ratings.num_votes_not_agreed(session)
        # Settling thousands of votes takes a while, and the chats go on meanwhile.
        built = await asyncio.to_thread(build, rated, config, now=clock.utc_now())
        return _outlook(told_of_closed(built, num_closed))

    async def plan(self, session: Session, base_model: str, *, asked_by: str) -> str:
        """Plan a cycle in the caller's transaction; return its id.

        Raises:
            TrainingBusy: another cycle is open.
            NotPossible: configs/cycle.toml cannot be used, or a worker could run no canary.
        """
        config = self._config()
        try:
            return await plan_cycle(session, base_model, config, asked_by=asked_by)
        except ConfigError as error:
            raise NotPossible(str(error)) from error

    def gate_rows(self, gate: Mapping[str, object]) -> Sequence[Sequence[str]]:
        """Return the rows of the gate's table without its heading; none of a gate of another version."""
        try:
            return gate_of(gate, where="the gate's table").as_table()[1:]
        except ConfigError:
            return ()

    def _config(self) -> CycleConfig:
        try:
            return read_rules(self._settings)
        except ConfigError as error:
            raise NotPossible(str(error)) from error


def _outlook(built: Built) -> Outlook:
    report, objective = built.report, built.objective
    return Outlook(
        num_votes=report.num_votes,
        num_people=report.num_people,
        num_prompts=report.num_prompts,
        num_rated_prompts=report.num_rated_prompts,
        dropped={str(reason): count for reason, count in report.dropped.items() if count},
        suspects=tuple(
            Suspicion(
                rater=suspect.rater, reason=str(suspect.reason), num_votes=suspect.num_votes, evidence=suspect.evidence
            )
            for suspect in report.suspects
        ),
        objective=str(objective.kind),
        why=objective.why,
        missing=objective.missing,
    )
