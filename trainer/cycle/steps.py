"""What is done in each state of a cycle, one function a state; each leaves the state when it is through.

A step may be begun again after kill -9: examples are frozen anew, a training goes on from its checkpoint or is found
done, figures are measured again. The heavy work is done elsewhere.
"""

from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import PartialState

from core.cycles import CycleState
from core.errors import InvalidData, ModelError, StorageBusy, TrainingFailed
from core.logs import get_logger
from core.records import RunState, TrainingRunView
from core.settings import PROJECT_ROOT
from falcon.loading import load_model
from falcon.source import base_name, choose_base, locate
from storage import clock, serving, training_runs
from storage.database import Session
from storage.identifiers import new_id
from trainer.adapters.folder import ADAPTERS_FOLDER
from trainer.cycle.building import build
from trainer.cycle.carried import Carried
from trainer.cycle.measuring import measure_both
from trainer.cycle.planning import require_servable
from trainer.cycle.recipe import held_out_pairs, takes_own_replay, train_config_for
from trainer.cycle.shared_gpu import shared_gpu
from trainer.dataset import load_data
from trainer.evaluate import EvaluationPlan, free_device_memory
from trainer.gate import judge
from trainer.gate_config import read_gate_config
from trainer.replay import Draw, drawing, ensure_replay, read_subjects, replay_file
from trainer.run.plan import RunPlan, is_adapter_of
from trainer.run.record import RunBook
from trainer.text_measures import CopyFinder
from trainer.train_command import train_planned
from trainer.train_config import TrainConfig, train_config_of
from trainer.training_set import read_names

log = get_logger(__name__)
REPLAY_FOLDER = PROJECT_ROOT / "var" / "replay"


def begin(carried: Carried) -> None:
    """PLANNED: check that this machine can carry the cycle out.

    Raises:
        ConfigError: ADAPTER or ENGINE keep what is learned from being tried.
        TrainingFailed: MODEL_ID means another base model now.
    """
    require_servable(carried.settings)
    _require_same_base(carried)
    carried.move(CycleState.BUILDING)


def build_examples(carried: Carried) -> None:
    """BUILDING: freeze what the votes of this moment give, and add the run that is to learn from it.

    Raises:
        InvalidData: there is too little to learn from; the message says what is missing.
        TrainingFailed: the examples cannot be written, or MODEL_ID means another base model now.
    """
    _require_same_base(carried)
    replay = _replay(carried)
    if carried.stop():
        return
    built = build(carried.book.rated_prompts(), carried.config, now=clock.utc_now())
    if built.objective.missing is not None:
        raise InvalidData(built.objective.missing)
    carried.folder.freeze(built.examples)
    config = train_config_for(
        carried.settings,
        carried.config.training,
        built.objective,
        num_opinions=len(built.examples.rated),
        replay=replay,
    )
    run_id, votes = new_id(), built.examples.vote_event_ids

    async def add_run(session: Session) -> None:
        await training_runs.create(
            session,
            run_id=run_id,
            base_model=carried.cycle.base_model,
            base_revision=carried.settings.model_revision,
            config=asdict(config),
            seed=config.loop.seed,
        )
        if await training_runs.keep_votes(session, run_id, votes):
            raise StorageBusy("Somebody was forgotten while examples were made of their votes; they are made anew.")

    carried.move(CycleState.TRAINING, together=add_run, run_id=run_id, feedback=built.as_dict())


def train(carried: Carried) -> None:
    """TRAINING: let the cycle's run come to its end, from its start or from its last checkpoint.

    Raises:
        core.errors.MjpromptError: the run failed, or MODEL_ID means another base model now.
    """
    _require_same_base(carried)
    run = _run_of(carried)
    if run.state is not RunState.DONE:
        PartialState(cpu=not torch.cuda.is_available())
        with shared_gpu(carried, _config_of(run)) as breathe, RunBook(carried.settings.database_url) as book:
            if carried.stop():
                return
            report = train_planned(_plan_of(carried, run), carried.settings, book, carried.stop, breathe=breathe)
        if report is None or report.signal is not None:
            return  # asked to end; whoever goes on finds the checkpoint
    carried.move(CycleState.EVALUATING, adapter_id=run.id)


def evaluate(carried: Carried) -> None:
    """EVALUATING: measure the new adapter beside what serves, and let the gate judge.

    Raises:
        ConfigError: the gate's file cannot be used.
        core.errors.MjpromptError: a model cannot be loaded or decoded, or MODEL_ID means another base model now.
        Stopped: somebody asked to end; it is measured again by whoever goes on.
    """

    def report(name: str) -> None:
        carried.stop.require_unwanted()
        log.info("cycle.measuring", model=name)

    _require_same_base(carried)
    gate_config = read_gate_config(carried.settings.gate_config)
    run, examples = _run_of(carried), carried.folder.examples()
    config, settings = _config_of(run), carried.settings
    names = read_names(config.data.names_file)
    data = load_data(
        config.data,
        rated=examples.rated,
        preferred=examples.preferred,
        objective=config.objective.kind,
        version=settings.midjourney_version,
        names=names,
    )
    plan = EvaluationPlan(
        pairs=data.validation,
        copies=CopyFinder(pair.prompt for pair in data.train),
        midjourney_version=settings.midjourney_version,
        num_subjects=carried.config.training.num_subjects,
        is_stop_wanted=carried.stop,
    )
    champion = carried.book.plan(carried.cycle.base_model).active  # a person may have promoted another one meanwhile
    with shared_gpu(carried, config):
        carried.stop.require_unwanted()
        compared = measure_both(
            settings,
            plan,
            held_out_pairs(examples.held_out, names, version=settings.midjourney_version),
            champion=Path(_existing(champion.folder)) if champion else None,
            challenger=Path(_existing(run.folder)),
            report=report,
        )
    gate = judge(compared.champion, compared.challenger, gate_config)
    if gate.is_passed:
        carried.move(CycleState.GATED, gate=gate.as_dict(), champion_id=champion.id if champion else None)
    else:
        reason = " ".join(test.sentence for test in gate.failed)
        carried.end(CycleState.REJECTED, reason, gate=gate.as_dict())


def open_canary(carried: Carried) -> None:
    """GATED: let the new adapter answer its share of the requests.

    Raises:
        TrainingFailed: the adapter cannot become a canary any more, or was measured beside what serves no longer.
    """
    adapter_id = carried.cycle.adapter

    async def start(session: Session) -> None:
        active = (await serving.plan(session, carried.cycle.base_model)).active
        if (active.id if active else None) != carried.cycle.champion:
            raise TrainingFailed("What serves was changed while the new adapter was measured; start a new cycle.")
        if adapter_id is None or not await serving.start_canary(session, adapter_id):
            raise TrainingFailed(f"The adapter {adapter_id} is no candidate any more; start a new cycle.")

    carried.move(CycleState.CANARY, together=start)


def _require_same_base(carried: Carried) -> None:
    wanted, present = carried.cycle.base_model, base_name(choose_base(carried.settings.model_id))
    if wanted != present:
        raise TrainingFailed(
            f"The cycle {carried.cycle.id} is of {wanted}, and MODEL_ID now means {present}; set MODEL_ID as it was, "
            "or start a new cycle."
        )


def _replay(carried: Carried) -> Path | None:
    """Return the file of what the base model itself writes, made where it is not there; None for a recipe's own data.

    It is not there when somebody asked to end meanwhile.
    """
    settings, base = carried.settings, choose_base(carried.settings.model_id)
    if not takes_own_replay(carried.config.training, base):
        return None
    subjects, rounds = read_subjects(), carried.config.training.replay_rounds
    folder = locate(base, settings.model_revision)
    file = replay_file(REPLAY_FOLDER, folder, subjects, rounds=rounds)

    def load() -> Draw:
        return drawing(load_model(settings.model_copy(update={"adapter": None})))

    ensure_replay(file, subjects, rounds=rounds, load=load, is_stop_wanted=carried.stop)
    free_device_memory()
    return file


def _run_of(carried: Carried) -> TrainingRunView:
    if carried.cycle.run_id is None:
        raise TrainingFailed(f"The cycle {carried.cycle.id} has lost its training run; start a new one.")
    return carried.book.run(carried.cycle.run_id)


def _config_of(run: TrainingRunView) -> TrainConfig:
    return train_config_of(run.config, where=f"training run {run.id}")


def _plan_of(carried: Carried, run: TrainingRunView) -> RunPlan:
    output = Path(run.folder) if run.folder else ADAPTERS_FOLDER / run.id
    examples = carried.folder.examples()
    is_begun = run.state is not RunState.QUEUED
    return RunPlan(
        run_id=run.id,
        base=choose_base(carried.settings.model_id),
        config=_config_of(run),
        output=output,
        is_resumed=is_begun,
        dataset_hash=run.dataset_hash,
        new=None,
        rated=examples.rated,
        preferred=examples.preferred,
        is_written=is_begun and is_adapter_of(run.id, output),
    )


def _existing(folder: str | None) -> str:
    if folder is None or not Path(folder).is_dir():
        raise ModelError(f"The adapter folder {folder} is missing; put it back, or start a new cycle.")
    return folder
