"""`mjprompt tune`: a search whose trials train as `mjprompt train` does, on the same data and the same base model.

The data is read once; each trial gets a fresh adapter and leaves nothing but its validation losses.
"""

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from filelock import FileLock, Timeout

from core.errors import TrainingBusy
from core.logs import get_logger
from core.settings import PROJECT_ROOT, Settings
from falcon.base_identity import identify
from falcon.loading import load_tokenizer
from falcon.source import choose_base, locate
from storage import migrations
from trainer.dataset import load_data
from trainer.evaluate import free_device_memory
from trainer.learner import FalconLearner
from trainer.likelihood import Likelihood
from trainer.loop import TrainOutcome, train
from trainer.qlora import Trainable, prepare_model
from trainer.run.checkpoints import CheckpointStore
from trainer.run.plan import TrainRequest, config_file_of, require_gpu
from trainer.run.progress import Listener, LogLines, Moment, Reporter
from trainer.run.record import RunBook
from trainer.run.stop_flag import StopFlag
from trainer.schedule import derived_seed
from trainer.train_config import CONFIGS_FOLDER, TrainConfig, read_train_config
from trainer.training_set import TrainingSet, encode_data, read_names
from trainer.tune import Found, Report, read_tune_config, require_own, tune, write_winner

log = get_logger(__name__)
TUNE_FOLDER = PROJECT_ROOT / "var" / "tune"
TUNE_CONFIG = CONFIGS_FOLDER / "tune.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What was typed; None is what was not."""

    minutes: float
    config_file: Path | None = None
    recipe: str | None = None
    search_file: Path = TUNE_CONFIG
    study_file: Path = TUNE_FOLDER / "study.db"
    output: Path = TUNE_FOLDER / "train.toml"
    max_trials: int | None = None


def run_search(settings: Settings, request: TuneRequest) -> Found:
    """Search as `request` says, and write the winner's settings to `request.output`.

    Raises:
        TrainingBusy: a training or another search of this study is going on.
        core.errors.MjpromptError: the search cannot be made; what was tried before is kept in the study.
    """
    base = choose_base(settings.model_id)
    require_gpu(base, has_gpu=torch.cuda.is_available())
    require_own(request.output)  # now, not after hours
    source = config_file_of(TrainRequest(config_file=request.config_file, recipe=request.recipe), base)
    config, search = read_train_config(source), read_tune_config(request.search_file)
    stop = StopFlag()
    request.study_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(request.study_file.with_suffix(".lock"))
    try:
        with lock.acquire(blocking=False), stop.listening():
            trials = make_trials(settings, base, config, stop, scratch=request.study_file.parent)
            found = tune(
                config,
                search,
                trials.train,
                study_file=request.study_file,
                made_for=trials.made_for,
                budget_seconds=request.minutes * 60,
                max_trials=request.max_trials,
            )
            write_winner(found, source, request.output)
            return found
    except Timeout as error:
        raise TrainingBusy(
            f"Another search works on {request.study_file}; wait for its end, or name another --study file."
        ) from error


def make_trials(settings: Settings, base: str, config: TrainConfig, stop: StopFlag, *, scratch: Path) -> "Trials":
    """Read the data and find the base model, once for all trials; a trial's checkpoints lie below `scratch` meanwhile.

    Raises:
        core.errors.MjpromptError: as trainer.dataset.load_data and falcon.source.locate say.
    """
    migrations.upgrade(settings.database_url)
    with RunBook(settings.database_url) as book:
        has_rated = any(source.kind == "rated" for source in config.data.sources)
        rated = book.rated_pairs() if has_rated else ()
    data = load_data(
        config.data, rated=rated, version=settings.midjourney_version, names=read_names(config.data.names_file)
    )
    folder = locate(base, settings.model_revision)
    documents = encode_data(data, load_tokenizer(folder), config.tokens)

    def refuse_company() -> None:
        with RunBook(settings.database_url) as book:
            book.require_idle()

    made_for = json.dumps([data.content_hash, asdict(identify(base, folder))])
    return Trials(folder, documents, stop, scratch=scratch, made_for=made_for, refuse_company=refuse_company)


class Trials:
    """Trains one trial after the other on the same documents."""

    def __init__(
        self,
        folder: Path,
        documents: TrainingSet,
        stop: StopFlag,
        *,
        scratch: Path,
        made_for: str,
        refuse_company: Callable[[], None],
    ) -> None:
        self.made_for = made_for
        self._folder, self._documents, self._stop, self._scratch = folder, documents, stop, scratch
        self._refuse_company = refuse_company
        self._accelerator = Accelerator(cpu=not torch.cuda.is_available())

    def train(self, config: TrainConfig, report: Report) -> float:
        """Train by `config`, tell each validation loss, and return the best of them.

        Raises:
            SystemExit: somebody asked the search to end; Optuna leaves the trial as running, to be tried again.
            core.errors.MjpromptError: as trainer.loop.train says, or a training is going on beside.
        """
        self._refuse_company()
        try:
            outcome = self._run(config, report)
        finally:
            free_device_memory()
        if outcome.is_stopped:
            raise SystemExit(128 + (self._stop.signal or 0))
        return outcome.best_loss

    def _run(self, config: TrainConfig, report: Report) -> TrainOutcome:
        trainable = self._prepare(config)
        block_tokens = config.tokens.block_tokens
        listeners: list[Listener] = [LogLines(), _TrialListener(report)]
        with (
            tempfile.TemporaryDirectory(dir=self._scratch, prefix=".trial-") as checkpoints,
            Reporter(listeners, device=self._accelerator.device) as reporter,
        ):
            return train(
                FalconLearner(trainable, block_tokens=block_tokens),
                self._documents,
                config,
                accelerator=self._accelerator,
                store=CheckpointStore(Path(checkpoints), identity="trial"),
                watcher=reporter,
                stop=self._stop,
                num_parts=math.ceil(block_tokens / trainable.plan.block_tokens),
            )

    def _prepare(self, config: TrainConfig) -> Trainable:
        loop, device = config.loop, self._accelerator.device
        torch.manual_seed(derived_seed(loop.seed))  # the adapter's first weights, the same for all trials of a shape
        return prepare_model(
            self._folder,
            lora=config.lora,
            memory=config.memory,
            block_tokens=config.tokens.block_tokens,
            device=device,
            is_compiled=loop.is_compiled == "on" or (loop.is_compiled == "auto" and device.type == "cuda"),
        )


class _TrialListener:
    """Hands validation losses on; the search may end the trial by what it raises."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def start(self, *, step: int, num_steps: int) -> None:
        """Steps do not matter here."""

    def moment(self, moment: Moment) -> None:
        """Steps do not matter here."""

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        """Tell the search."""
        self._report(step, measured.nats_per_token)

    def close(self) -> None:
        """Nothing is open."""
