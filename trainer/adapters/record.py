"""What an adapter's `training.json` says: how, from what and on what the adapter was made, and how good it is."""

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import ModelError
from falcon.adapter_files import TRAINING_RECORD
from falcon.base_identity import BaseIdentity
from trainer.adapters.curves import Curves

FORMAT = 1
_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes", "datasets", "mjprompt")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that make an adapter, those that are installed."""
    installed = {name: _version(name) for name in _LIBRARIES}
    return {name: version for name, version in installed.items() if version is not None}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """One training and its result, as plain JSON values where another module owns the type.

    `config` is the whole training configuration, `data` the data card, `run` what the training took (steps, tokens,
    seconds, device, precision). `metrics` holds an evaluation by model name (`base`, `serving`, `candidate`), none
    when the evaluation could not be made.
    """

    run_id: str
    created_at: datetime
    base: BaseIdentity
    config: Mapping[str, Any]
    data_hash: str
    data: Mapping[str, Any]
    curves: Curves
    run: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=library_versions)

    @property
    def best_loss(self) -> float | None:
        """The lowest validation loss during training in nats per answer token, None when nothing was validated."""
        return None if self.curves.best is None else self.curves.best[1]

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {
            "format": FORMAT,
            **{name: getattr(self, name) for name in ("run_id", "config", "data_hash", "data", "run")},
            "created_at": self.created_at.isoformat(),
            "base": asdict(self.base),
            "curves": self.curves.as_dict(),
            "metrics": self.metrics,
            "versions": self.versions,
        }

    def write(self, folder: Path) -> None:
        """Write `training.json` into `folder`."""
        (folder / TRAINING_RECORD).write_text(json.dumps(self.as_dict(), indent=2) + "\n", encoding="utf-8")


def read_record(folder: Path) -> TrainingRecord:
    """Read an adapter's `training.json`.

    Raises:
        ModelError: it is missing, damaged, or of a newer format.
    """
    file = folder / TRAINING_RECORD
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ModelError(f"{file} has format {values['format']}, and this version reads {FORMAT}; update mjprompt.")
        return TrainingRecord(
            **{name: values[name] for name in ("run_id", "config", "data_hash", "data", "run", "metrics", "versions")},
            created_at=datetime.fromisoformat(values["created_at"]),
            base=BaseIdentity(**values["base"]),
            curves=Curves.from_dict(values["curves"]),
        )
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} has no {TRAINING_RECORD}, so it is no adapter of `mjprompt train`; name one that is."
        ) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{file} is damaged ({error}); copy the adapter again.") from error
