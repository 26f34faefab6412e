"""Checkpoints: all that a run needs to go on to the bit, in one folder a step.

A folder appears whole or not at all: it is written beside its place, brought to the disk, then renamed. Whatever is
damaged later is noticed by its checksums, and the checkpoint before is taken. Nothing is pickled. It knows neither the
model nor the loop.
"""

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from core.errors import TrainingFailed
from core.logs import get_logger
from trainer.adapters.folder import CHECKSUMS, sha256_of

log = get_logger(__name__)
WEIGHTS, OPTIMIZER, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
FILES = (OPTIMIZER, STATE, WEIGHTS)
NUM_KEPT = 2  # the newest, and the one before in case the newest is damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A run after `step` steps: the learned weights and the optimizer's tensors by name, and plain JSON values."""

    step: int
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    state: Mapping[str, Any]


class CheckpointStore:
    """The checkpoints of one run; `identity` says which settings and data it has, and has to be the same for all."""

    def __init__(self, folder: Path, *, identity: str) -> None:
        self._folder = folder
        self._identity = identity

    def save(self, checkpoint: Checkpoint, *, keep: Collection[int] = ()) -> None:
        """Write a checkpoint; older ones go, except for the one before and those of the steps in `keep`.

        Raises:
            TrainingFailed: it could not be written; the earlier ones are as they were.
        """
        place = self._folder / f"step-{checkpoint.step:08d}"
        draft = self._folder / f".{place.name}"
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            self._write(checkpoint, draft)
            shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)
            _flush(self._folder)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            last = max(self.steps(), default=None)
            kept = "No checkpoint was there before" if last is None else f"The one of step {last} is kept"
            raise TrainingFailed(
                f"The checkpoint of step {checkpoint.step} could not be written to {self._folder} ({error.strerror}). "
                f"{kept}; free some disk space, then go on with `mjprompt train --resume`."
            ) from error
        self._prune(keep)

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole, None when there is none; damaged ones are said and left out.

        Raises:
            TrainingFailed: it belongs to other settings or other data.
        """
        for step in sorted(self.steps(), reverse=True):
            try:
                return self.load(step)
            except ValueError as error:
                log.warning(
                    "checkpoint.damaged", step=step, reason=str(error), cure="the one before is taken, if there is one"
                )
        return None

    def load(self, step: int) -> Checkpoint:
        """Return the checkpoint of `step`.

        Raises:
            ValueError: a file of it is missing or damaged; the message says which.
            TrainingFailed: it belongs to other settings or other data.
        """
        folder = self._folder / f"step-{step:08d}"
        _require_whole(folder)
        try:
            written = json.loads((folder / STATE).read_text(encoding="utf-8"))
            weights, optimizer = (load((folder / name).read_bytes()) for name in (WEIGHTS, OPTIMIZER))
        except (OSError, SafetensorError) as error:
            raise ValueError(f"it cannot be read: {error}") from error
        if written["identity"] != self._identity:
            raise TrainingFailed(
                f"The checkpoints in {self._folder} were made with other data or settings, or in another precision, "
                "which free memory decides; free as much as there was, or start a new run without --resume."
            )
        return Checkpoint(step=step, weights=weights, optimizer=optimizer, state=written["state"])

    def steps(self) -> list[int]:
        """Return the steps that there are checkpoints of, damaged ones included."""
        return sorted(int(folder.name.removeprefix("step-")) for folder in self._folder.glob("step-*"))

    def clear(self) -> None:
        """Delete all checkpoints, once the run's adapter is written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, checkpoint: Checkpoint, draft: Path) -> None:
        state = {"identity": self._identity, "state": checkpoint.state}
        (draft / WEIGHTS).write_bytes(save(dict(checkpoint.weights)))
        (draft / OPTIMIZER).write_bytes(save(dict(checkpoint.optimizer)))
        (draft / STATE).write_text(json.dumps(state), encoding="utf-8")
        sums = "".join(f"{sha256_of(draft / name)}  {name}\n" for name in FILES)
        (draft / CHECKSUMS).write_text(sums, encoding="utf-8")
        for path in (*draft.iterdir(), draft):
            _flush(path)

    def _prune(self, keep: Collection[int]) -> None:
        for step in self.steps()[:-NUM_KEPT]:
            if step not in keep:
                shutil.rmtree(self._folder / f"step-{step:08d}", ignore_errors=True)


def _require_whole(folder: Path) -> None:
    sums = dict(_recorded_sums(folder))
    for name in FILES:
        if not (folder / name).is_file():
            raise ValueError(f"{name} is missing")
        if sha256_of(folder / name) != sums.get(name):
            raise ValueError(f"{name} is not as it was written")


def _recorded_sums(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"{CHECKSUMS} cannot be read") from error
    for line in lines:
        digest, _, name = line.partition("  ")
        yield name, digest


def _flush(path: Path) -> None:
    """Bring a file or a folder's names to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
