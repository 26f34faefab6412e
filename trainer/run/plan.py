"""What one `mjprompt train` is going to do: a new run, one that a chat ordered, or one that goes on.

Everything that can be refused before the data and the model are touched is refused here.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from core.errors import ConfigError, ModelError, TrainingFailed
from core.rated_pairs import PreferredPrompt, RatedPair
from core.records import RunState, TrainingRunView
from core.settings import POCKET_FOLDER, Settings
from falcon.source import FALCON_7B, base_name, choose_base, is_folder
from storage.identifiers import new_id
from trainer.adapters.folder import ADAPTERS_FOLDER
from trainer.adapters.record import read_record
from trainer.run.record import NewRun, RunBook
from trainer.run.tracking import choose_tracker
from trainer.train_config import SourceConfig, TrainConfig, read_train_config, recipe_file, train_config_of

GOES_ON = "a run that goes on keeps the settings it began with"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What was typed; None is what was not."""

    config_file: Path | None = None
    recipe: str | None = None
    run_id: str | None = None
    is_resumed: bool = False
    output: Path | None = None
    data: Path | None = None
    max_steps: int | None = None
    tracker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run, ready to begin. `dataset_hash` is that of the data it began with, None for a run that never did.

    `new` is what its row is going to say, None where there is one. `checkpoints` lies beside `output`, the adapter's
    folder, and is gone when the adapter is there. `is_written` says that the adapter is there already: the run was
    killed before its row could say so.
    """

    run_id: str
    base: str
    config: TrainConfig
    output: Path
    is_resumed: bool
    dataset_hash: str | None
    new: NewRun | None
    rated: tuple[RatedPair, ...] = ()
    preferred: tuple[PreferredPrompt, ...] = ()
    is_written: bool = False

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the run's checkpoints."""
        return self.output.with_name(f"{self.output.name}.checkpoints")


def plan_run(request: TrainRequest, settings: Settings, book: RunBook) -> RunPlan:
    """Find the run that is asked for, or make up a new one; nothing is written yet.

    Raises:
        ConfigError: options that exclude each other, an impossible configuration, or an output folder that is taken.
        TrainingFailed: the base model cannot be trained on this machine, or the run cannot go on.
    """
    base = choose_base(settings.model_id)
    require_gpu(base, has_gpu=torch.cuda.is_available())
    run = book.find(request.run_id) if request.is_resumed or request.run_id else None
    config = _config_of(run, request, base) if run else choose_config(request, base)
    choose_tracker(config.loop.tracker)
    run_id = run.id if run else new_id()
    output = Path(run.folder) if run and run.folder else (request.output or ADAPTERS_FOLDER / run_id).resolve()
    is_written = request.is_resumed and is_adapter_of(run_id, output)
    if output.exists() and not is_written:
        raise ConfigError(f"{output} exists already and is never overwritten; name another --output folder.")
    new = NewRun(
        base_model=base_name(base), base_revision=settings.model_revision, config=asdict(config), seed=config.loop.seed
    )
    has_rated = any(source.kind == "rated" for source in config.data.sources)
    plan = RunPlan(
        run_id=run_id,
        base=base,
        config=config,
        output=output,
        is_resumed=request.is_resumed,
        dataset_hash=run.dataset_hash if run else None,
        new=None if run else new,
        rated=tuple(book.rated_pairs()) if has_rated else (),
        is_written=is_written,
    )
    if not plan.is_resumed and plan.checkpoints.exists():
        raise ConfigError(
            f"{plan.checkpoints} holds the checkpoints of another run; go on with it by --resume, or name another "
            "--output folder."
        )
    return plan


def is_adapter_of(run_id: str, folder: Path) -> bool:
    """Say whether `folder`, which appears whole or not at all, is the adapter that this run left."""
    try:
        return read_record(folder).run_id == run_id
    except ModelError:
        return False


def choose_config(request: TrainRequest, base: str) -> TrainConfig:
    """Return the configuration of a new run: the file or recipe that was named, else the one that fits the base.

    Raises:
        ConfigError: both were named, or the file cannot be used.
    """
    config = read_train_config(config_file_of(request, base))
    loop: dict[str, Any] = {"max_steps": request.max_steps, "tracker": request.tracker}
    loop = {name: value for name, value in loop.items() if value is not None}
    config = replace(config, loop=replace(config.loop, **loop))
    if request.data is None:
        return config
    source = SourceConfig(kind="file", id=str(request.data.resolve()))
    return replace(config, data=replace(config.data, sources=(source,)))


def config_file_of(request: TrainRequest, base: str) -> Path:
    """Return the file of a new run's settings: what was named, else the recipe that fits the base.

    Raises:
        ConfigError: both a file and a recipe were named, or there is no such recipe.
    """
    if request.config_file is not None and request.recipe is not None:
        raise ConfigError("--config and --recipe both name the settings; give one of them.")
    return request.config_file or recipe_file(request.recipe or ("pocket" if is_pocket(base) else "default"))


def is_pocket(base: str) -> bool:
    """Say whether a base is the pocket Falcon that ships with the project."""
    return is_folder(base) and Path(base).resolve() == POCKET_FOLDER


def require_gpu(base: str, *, has_gpu: bool) -> None:
    """Refuse Falcon-7B where there is no GPU, before 14 GB are downloaded.

    Raises:
        TrainingFailed: it is Falcon-7B, and there is none.
    """
    if base == FALCON_7B and not has_gpu:
        raise TrainingFailed(no_gpu_sentence(base))


def no_gpu_sentence(base: str) -> str:
    """Return what to say of a base that a CPU cannot train."""
    return (
        f"Fine-tuning {base_name(base)} needs a GPU with CUDA, and this machine has none; set MODEL_ID=models/pocket "
        "to fine-tune the pocket Falcon here instead, which takes minutes on a CPU."
    )


def _config_of(run: TrainingRunView, request: TrainRequest, base: str) -> TrainConfig:
    """Return the configuration that a run was made with.

    Raises:
        ConfigError: other settings were named as well.
        TrainingFailed: the run cannot be started like this.
    """
    for option in ("config_file", "recipe", "data", "max_steps", "tracker"):
        if getattr(request, option) is not None:
            name = f"--{option.removesuffix('_file').replace('_', '-')}"
            raise ConfigError(f"{name} cannot be given with --resume or --run: {GOES_ON}.")
    if request.output is not None and run.folder not in (None, str(request.output.resolve())):
        raise ConfigError(f"--output cannot be changed: {GOES_ON}, and its adapter goes to {run.folder}.")
    if run.state is RunState.DONE:
        raise TrainingFailed(f"The training run {run.id} is done; leave --resume and --run out for a new one.")
    if run.state is not RunState.QUEUED and not request.is_resumed:
        raise TrainingFailed(f"The training run {run.id} has begun already; add --resume to go on with it.")
    if run.base_model != base_name(base):
        raise TrainingFailed(
            f"The training run {run.id} is of {run.base_model}, and MODEL_ID now means {base_name(base)}; set MODEL_ID "
            "as it was."
        )
    return train_config_of(run.config, where=f"training run {run.id}")
