"""A cycle's beginning: what it has to beat, and the settings that hold for all of it.

It imports nothing heavy: chats plan cycles as well.
"""

from dataclasses import asdict

from core.cycles import CycleView
from core.errors import ConfigError
from core.settings import Settings
from storage import cycles, serving
from storage.database import Session
from trainer.cycle_config import CycleConfig, cycle_config_of


async def plan_cycle(
    session: Session, base_model: str, config: CycleConfig, *, is_automatic: bool = False, asked_by: str | None = None
) -> str:
    """Plan a cycle that has to beat what serves now, under `config` as it is now; return its id.

    Raises:
        TrainingBusy: another cycle is open; the message names it.
    """
    plan = await serving.plan(session, base_model)
    return await cycles.create(
        session,
        base_model=base_model,
        champion_id=plan.active.id if plan.active else None,
        config=asdict(config),
        is_automatic=is_automatic,
        asked_by=asked_by,
    )


def require_unpinned(settings: Settings) -> None:
    """Refuse where what is learned could not serve.

    Raises:
        ConfigError: ADAPTER is set.
    """
    if settings.adapter is not None:
        raise ConfigError(
            f"ADAPTER = {settings.adapter} keeps the workers on that folder, so nothing that is learned could serve; "
            "take ADAPTER out."
        )


def config_of(cycle: CycleView) -> CycleConfig:
    """Return the settings that a cycle was planned with.

    Raises:
        ConfigError: another version of this program planned it.
    """
    return cycle_config_of(cycle.config, where=f"cycle {cycle.id}")
