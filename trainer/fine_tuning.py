"""One run from its plan to its adapter folder: data, model, loop, comparison.

It is the same on every process of a run; only the main one has a record to write into and owns the output.
"""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from signal import SIGTERM
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from rich.console import Console
from safetensors import SafetensorError

from core.errors import TrainingFailed
from core.logs import get_logger
from core.settings import Settings
from falcon.base_identity import BaseIdentity, identify
from falcon.loading import measure
from falcon.memory import SMALL_MODEL_PARAMETERS
from falcon.source import locate
from trainer.adapters.curves import Curves
from trainer.adapters.folder import Metrics, require_whole, write_adapter
from trainer.adapters.record import TrainingRecord
from trainer.dataset import TrainingData, load_data
from trainer.evaluate import EvaluationPlan, compare, free_device_memory
from trainer.learner import FalconLearner, make_trainable
from trainer.loop import TrainOutcome, train
from trainer.preferences.reference import with_references
from trainer.preferences.strength import Strength, fit_strength
from trainer.qlora import Trainable
from trainer.run.checkpoints import CheckpointStore
from trainer.run.plan import RunPlan, no_gpu_sentence
from trainer.run.progress import Listener, LogLines, Reporter, TerminalBar, memory_bytes
from trainer.run.record import RunRecord
from trainer.run.stop_flag import StopFlag
from trainer.run.tracking import Tracking, choose_tracker
from trainer.text_measures import CopyFinder
from trainer.train_config import TrainConfig
from trainer.training_set import TrainingSet, encode_data, read_names

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """How a run ended. `signal` is what stopped one that can go on, None when it is done.

    `metrics` holds the comparison by model name (`base`, `serving`, `candidate`), nothing where none was made.
    """

    run_id: str
    adapter: Path
    outcome: TrainOutcome
    metrics: Metrics
    signal: int | None


class FineTuning:
    """One run on one process; use it once."""

    def __init__(
        self,
        plan: RunPlan,
        settings: Settings,
        stop: StopFlag,
        *,
        record: RunRecord | None,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan, self._settings, self._stop, self._record = plan, settings, stop, record
        self._config, self._breathe = plan.config, breathe
        self._accelerator = make_accelerator(plan)
        self._strength: Strength | None = None
        self._learner: FalconLearner | None = None  # released before the comparison loads models of its own

    def run(self) -> TrainReport | None:
        """Do everything; return what became of it on the main process, None on the others.

        Raises:
            core.errors.MjpromptError: it could not be done; the checkpoints that were written are kept.
        """
        data = self._load_data()
        folder, base = self._locate()
        self._describe(data, base)
        trainable = make_trainable(self._config, folder, self._accelerator.device)
        self._learner = FalconLearner(
            trainable, block_tokens=self._config.tokens.block_tokens, objective=self._config.objective
        )
        store = CheckpointStore(
            self._plan.checkpoints, identity=run_identity(self._config, data, base, trainable.plan.precision)
        )
        outcome = self._train(self._learner, data, trainable, store)
        if self._record is None:
            return None
        if outcome.is_stopped:
            self._record.stop()
            log.info("train.stopped", step=outcome.step, of=outcome.num_steps, cure="`mjprompt train --resume` goes on")
            return self._report(outcome, {}, signal=self._stop.signal or SIGTERM)  # or another process got it
        draft = self._draft(data, base, outcome, trainable)
        del trainable
        metrics = self._write(draft, data)
        return close_run(self._plan, self._record, outcome, metrics)

    def _load_data(self) -> TrainingData:
        """Read the sources, the main process first, so that the others find what it downloaded.

        Raises:
            InvalidData, HubUnreachable: as trainer.dataset.load_data says.
            TrainingFailed: a run that goes on began with other data.
        """
        with self._accelerator.main_process_first():
            data = load_data(
                self._config.data,
                rated=self._plan.rated,
                preferred=self._plan.preferred,
                objective=self._config.objective.kind,
                version=self._settings.midjourney_version,
                names=read_names(self._config.data.names_file),
            )
        if self._plan.dataset_hash not in (None, data.content_hash):
            raise TrainingFailed(
                f"The data has changed since the training run {self._plan.run_id} began (a file, or votes), so it "
                "cannot go on; start a new one without --resume."
            )
        return data

    def _locate(self) -> tuple[Path, BaseIdentity]:
        """Find the base model's files and what they are.

        Raises:
            ModelError, HubUnreachable: as falcon.source.locate says.
            TrainingFailed: it is too large for a machine without a GPU.
        """
        with self._accelerator.main_process_first():
            folder = locate(self._plan.base, self._settings.model_revision)
        if self._accelerator.device.type == "cpu" and measure(folder).parameters >= SMALL_MODEL_PARAMETERS:
            raise TrainingFailed(no_gpu_sentence(self._plan.base))
        return folder, identify(self._plan.base, folder)

    def _describe(self, data: TrainingData, base: BaseIdentity) -> None:
        if self._record is not None:
            self._record.describe(
                base_revision=base.revision, dataset_hash=data.content_hash, used_votes=data.used_votes
            )

    def _train(
        self, learner: FalconLearner, data: TrainingData, trainable: Trainable, store: CheckpointStore
    ) -> TrainOutcome:
        tokens = self._config.tokens
        encoded = encode_data(data, trainable.tokenizer, tokens)
        examples = with_references(encoded.train, learner, block_tokens=tokens.block_tokens)
        with Reporter(self._listeners(), device=self._accelerator.device) as reporter:
            outcome = train(
                learner,
                replace(encoded, train=examples),
                self._config,
                accelerator=self._accelerator,
                store=store,
                watcher=reporter,
                stop=self._stop,
                is_resumed=self._plan.is_resumed,
                num_parts=math.ceil(tokens.block_tokens / trainable.plan.block_tokens),
                breathe=self._breathe,
            )
        if not outcome.is_stopped:
            self._fit_strength(learner, encoded)
        return outcome

    def _fit_strength(self, learner: FalconLearner, encoded: TrainingSet) -> None:
        objective, tokens = self._config.objective, self._config.tokens
        if objective.max_divergence_share is None:
            return
        self._strength = fit_strength(
            learner,
            encoded.validation,
            max_share=objective.max_divergence_share,
            block_tokens=tokens.block_tokens,
        )
        log.info("train.strength", factor=self._strength.factor, divergence_share=self._strength.divergence_share)

    def _listeners(self) -> list[Listener]:
        """Return who is told how training goes; nobody but on the main process."""
        if self._record is None:
            return []
        is_terminal = sys.stderr.isatty()
        return [
            TerminalBar(Console(stderr=True)) if is_terminal else LogLines(),
            Tracking(self._accelerator, published(self._config), run_id=self._plan.run_id),
            self._record,
        ]

    def _draft(
        self, data: TrainingData, base: BaseIdentity, outcome: TrainOutcome, trainable: Trainable
    ) -> TrainingRecord:
        device = self._accelerator.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        return TrainingRecord(
            run_id=self._plan.run_id,
            created_at=datetime.now(UTC),
            base=base,
            config=published(self._config),
            data_hash=data.content_hash,
            data=data.card.as_json(),
            curves=Curves.from_dict({"train": outcome.train_curve, "validation": outcome.validation_curve}),
            run={
                "steps": outcome.step,
                "best_step": outcome.best_step,
                "tokens": outcome.num_tokens,
                "seconds": round(outcome.seconds, 1),
                "tokens_per_second": round(outcome.num_tokens / max(outcome.seconds, 1e-9)),
                "device": name,
                "processes": self._accelerator.num_processes,
                "precision": trainable.plan.precision,
                "is_checkpointed": trainable.plan.is_checkpointed,
                "strength": self._strength.factor if self._strength else 1.0,
                "peak_memory_bytes": memory_bytes(device),
            },
        )

    def _write(self, draft: TrainingRecord, data: TrainingData) -> Metrics:
        """Write the adapter folder and return the comparison that was made on the way.

        Raises:
            TrainingFailed: the disk is full or read-only; the checkpoints are kept.
        """

        try:
            record = write_adapter(
                self._plan.output, draft, self._save_weights, evaluate=lambda folder: self._compare(folder, data)
            )
        except (OSError, SafetensorError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise TrainingFailed(
                f"The adapter could not be written to {self._plan.output} ({reason}); free some disk space, "
                "then `mjprompt train --resume` writes it from the last checkpoint."
            ) from error
        return record.metrics

    def _save_weights(self, folder: Path) -> None:
        assert self._learner is not None
        self._learner.save(folder)

    def _compare(self, folder: Path, data: TrainingData) -> Metrics:
        """Measure the base, the serving and the new adapter, each loaded as the worker loads it.

        Whatever goes wrong here costs the figures only, never the adapter.
        """
        self._learner = None
        free_device_memory()
        plan = EvaluationPlan(
            pairs=data.validation,
            copies=CopyFinder(pair.prompt for pair in data.train),
            midjourney_version=self._settings.midjourney_version,
            num_subjects=self._config.evaluation.num_subjects,
        )
        try:
            found = compare(self._settings, folder, plan, report=lambda name: log.info("train.comparing", model=name))
        except Exception:
            log.exception("train.not_compared")
            return {}
        return {name: evaluation.as_dict() for name, evaluation in found.items()}

    def _report(self, outcome: TrainOutcome, metrics: Metrics, *, signal: int | None) -> TrainReport:
        return TrainReport(
            run_id=self._plan.run_id, adapter=self._plan.output, outcome=outcome, metrics=metrics, signal=signal
        )


def close_run(plan: RunPlan, record: RunRecord, outcome: TrainOutcome, metrics: Metrics) -> TrainReport:
    """Put a run's adapter, which is whole in its folder, on the list, and delete the checkpoints.

    Raises:
        TrainingFailed: the run is not this process's any more; the adapter and the checkpoints are kept.
    """
    best = {"nats_per_token": outcome.best_loss, "step": outcome.best_step}
    record.finish(metrics={"best": best, **metrics}, adapter_folder=plan.output)
    CheckpointStore(plan.checkpoints, identity="").clear()
    return TrainReport(run_id=plan.run_id, adapter=plan.output, outcome=outcome, metrics=metrics, signal=None)


def close_written(plan: RunPlan, record: RunRecord) -> TrainReport:
    """Close a run that was killed between writing its adapter and saying so in its row.

    Raises:
        ModelError: a file of the adapter was changed since.
        TrainingFailed: as `close_run` says.
    """
    written = require_whole(plan.output)
    run, curves = written.run, written.curves.as_dict()
    outcome = TrainOutcome(
        is_stopped=False,
        step=run["steps"],
        num_steps=run["steps"],
        best_step=run["best_step"],
        best_loss=math.inf if written.best_loss is None else written.best_loss,
        num_tokens=run["tokens"],
        seconds=run["seconds"],
        train_curve=curves["train"],
        validation_curve=curves["validation"],
    )
    log.info("train.adapter_was_written", run=plan.run_id, adapter=plan.output.name)
    return close_run(plan, record, outcome, written.metrics)


def make_accelerator(plan: RunPlan) -> Accelerator:
    """Return what knows the device, the other processes and the trackers."""
    return Accelerator(
        cpu=not torch.cuda.is_available(),
        log_with=choose_tracker(plan.config.loop.tracker),
        project_config=ProjectConfiguration(logging_dir=str(plan.output.with_name("tracking") / plan.run_id)),
    )


def run_identity(config: TrainConfig, data: TrainingData, base: BaseIdentity, precision: str) -> str:
    """Return what two runs have in common when one's checkpoint may go on in the other.

    `precision` is the one that was chosen: with "auto", less free memory would go on in NF4 what began in bf16.
    """
    settings = json.dumps(asdict(config), sort_keys=True)
    return sha256("\0".join([settings, data.content_hash, base.fingerprint, precision]).encode()).hexdigest()


def published(config: TrainConfig) -> dict[str, Any]:
    """Return a configuration as plain values that may leave this machine: files go by their names alone."""
    values = asdict(config)
    for source in values["data"]["sources"]:
        if source["kind"] in ("file", "seed"):
            source["id"] = Path(source["id"]).name
    if config.data.names_file is not None:
        values["data"]["names_file"] = Path(config.data.names_file).name
    return values
