"""A cycle's beginning: what it has to beat, and the settings that hold for all of it.

It imports nothing heavy: chats plan cycles as well.
"""

from dataclasses import asdict

from core.cycles import CycleView
from core.errors import ConfigError
from core.records import WorkerState
from core.settings import Settings
from storage import cycles, serving, workers
from storage.database import Session
from storage.forecast import WORKER_SILENCE_SECONDS
from trainer.cycle_config import CycleConfig, cycle_config_of, read_cycle_config
from trainer.gate_config import read_gate_config


async def plan_cycle(
    session: Session, base_model: str, config: CycleConfig, *, is_automatic: bool = False, asked_by: str | None = None
) -> str:
    """Plan a cycle that has to beat what serves now, under `config` as it is now; return its id.

    Raises:
        TrainingBusy: another cycle is open; the message names it.
        ConfigError: a worker that is there could run no canary.
    """
    await _require_canaries(session, base_model)
    plan = await serving.plan(session, base_model)
    return await cycles.create(
        session,
        base_model=base_model,
        champion_id=plan.active.id if plan.active else None,
        config=asdict(config),
        is_automatic=is_automatic,
        asked_by=asked_by,
    )


def read_rules(settings: Settings) -> CycleConfig:
    """Return what cycles go by; the gate's file is read for its faults alone, before hours are spent on training.

    Raises:
        ConfigError: one of the two files cannot be used.
    """
    config = read_cycle_config(settings.cycle_config)
    read_gate_config(settings.gate_config)
    return config


def require_servable(settings: Settings) -> None:
    """Refuse where what is learned could not serve, or not be tried by a canary first.

    Raises:
        ConfigError: ADAPTER is set, or ENGINE takes a generator that answers with one adapter at a time.
    """
    if settings.engine == "transformers":
        raise ConfigError(
            "ENGINE = transformers answers with one adapter at a time, so no canary could try what is learned; set "
            "ENGINE=auto."
        )
    if settings.adapter is not None:
        raise ConfigError(
            f"ADAPTER = {settings.adapter} keeps the workers on that folder, so nothing that is learned could serve; "
            "take ADAPTER out."
        )


async def _require_canaries(session: Session, base_model: str) -> None:
    for worker in await workers.live(session, within_seconds=WORKER_SILENCE_SECONDS):
        is_ready = worker.state is WorkerState.READY and worker.model is not None and worker.model.base == base_model
        if is_ready and not worker.can_hold_canary:
            raise ConfigError(
                f"The worker {worker.id} answers with one adapter at a time, so no canary could try what is learned; "
                "start it with ENGINE=beam, which says what it needs where it cannot run."
            )


def config_of(cycle: CycleView) -> CycleConfig:
    """Return the settings that a cycle was planned with.

    Raises:
        ConfigError: another version of this program planned it.
    """
    return cycle_config_of(cycle.config, where=f"cycle {cycle.id}")
