"""The folder that a training leaves: weights, peft's configuration, the record, the card, the curves, and checksums.

A folder appears whole or not at all. It does not know how the weights were trained.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import ConfigError, MjpromptError, ModelError
from core.logs import get_logger
from core.settings import PROJECT_ROOT
from falcon.adapter_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from trainer.adapters.curves import draw_curves
from trainer.adapters.model_card import make_model_card
from trainer.adapters.record import TrainingRecord, read_record

log = get_logger(__name__)
ADAPTERS_FOLDER = PROJECT_ROOT / "var" / "adapters"
CHECKSUMS = "SHA256SUMS"
CURVES_PICTURE = "curves.png"
MODEL_CARD = "README.md"

Metrics = Mapping[str, Mapping[str, Any]]


def write_adapter(
    output: Path,
    record: TrainingRecord,
    save_weights: Callable[[Path], object],
    *,
    evaluate: Callable[[Path], Metrics] | None = None,
) -> TrainingRecord:
    """Write the adapter folder `output` in one move and return the record as it was written.

    `save_weights` writes `adapter_model.safetensors` and `adapter_config.json` into the folder it is given (peft's
    `save_pretrained` does). `evaluate` then gets that folder, which can be loaded already, and returns the metrics by
    model name; when it fails, the adapter is written without them and a warning says why.

    Raises:
        ConfigError: `output` exists already.
        ModelError: `save_weights` wrote no weights.
        OSError: the disk is full or read-only; `output` is not there then.
    """
    if output.exists():
        raise ConfigError(f"{output} exists already and is never overwritten; name another output folder.")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        draft = Path(scratch) / output.name  # its own name, which the evaluation shows
        draft.mkdir()
        save_weights(draft)
        _require_weights(draft)
        _name_base(draft / ADAPTER_CONFIG, record)
        record.write(draft)
        if evaluate is not None:
            record = replace(record, metrics=_metrics(evaluate, draft))
            record.write(draft)
        (draft / CURVES_PICTURE).write_bytes(draw_curves(record.curves, title=output.name))
        card = make_model_card(output.name, record, picture=CURVES_PICTURE)
        (draft / MODEL_CARD).write_text(str(card), encoding="utf-8")
        (draft / CHECKSUMS).write_text(checksums(draft), encoding="utf-8")
        _flush(draft)
        draft.rename(output)
    log.info("adapter.written", adapter=output.name, run=record.run_id)
    return record


def _metrics(evaluate: Callable[[Path], Metrics], draft: Path) -> Metrics:
    try:
        return evaluate(draft)
    except MjpromptError as error:
        log.warning("adapter.not_evaluated", adapter=draft.name, reason=str(error))
        return {}


def _require_weights(draft: Path) -> None:
    for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG):
        if not (draft / name).is_file():
            raise ModelError(f"Training left no {name}; nothing was written.")
    (draft / MODEL_CARD).unlink(missing_ok=True)  # peft's own, of blanks to fill in


def _name_base(file: Path, record: TrainingRecord) -> None:
    """Let peft's configuration name the base as others know it, not by a path of this machine."""
    config = json.loads(file.read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": record.base.id, "revision": record.base.revision}
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def checksums(folder: Path) -> str:
    """Return the folder's files in the form that `sha256sum --check` reads."""
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and file.name != CHECKSUMS]
    return "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _flush(folder: Path) -> None:
    """Bring files and names to the disk, so that a power cut cannot leave a named folder of empty files."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def require_whole(folder: Path) -> TrainingRecord:
    """Return the record of an adapter folder whose files are all there as they were written; added ones do not count.

    Raises:
        ModelError: it is no adapter folder, or a file is missing or was changed; the message names it.
    """
    record = read_record(folder)
    for name, digest in recorded_checksums(folder).items():
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            raise ModelError(f"{folder / name} is not as {CHECKSUMS} says; copy the adapter again.")
    return record


def recorded_checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its name, as the folder itself says.

    Raises:
        ModelError: `SHA256SUMS` is missing or does not name the weights.
    """
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no {CHECKSUMS} that can be read; copy the adapter again.") from error
    if not sums.keys() >= {ADAPTER_WEIGHTS, ADAPTER_CONFIG} or any(Path(name).name != name for name in sums):
        raise ModelError(f"{folder / CHECKSUMS} does not name the adapter's files; copy the adapter again.")
    return sums


def adapters_in(folder: Path) -> list[tuple[Path, TrainingRecord]]:
    """Return the adapters below `folder` with their records, the newest first; others' folders are left out."""
    found: list[tuple[Path, TrainingRecord]] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or not (path / ADAPTER_WEIGHTS).is_file():
            continue
        try:
            found.append((path, read_record(path)))
        except ModelError as error:
            log.warning("adapter.unreadable", reason=str(error))
    return sorted(found, key=lambda item: item[1].created_at, reverse=True)


def find_adapter(name: str, folder: Path) -> Path:
    """Return the adapter folder that `name` means: a path, or a name below `folder`.

    Raises:
        ConfigError: there is none; the message lists those that are there.
    """
    for path in (folder / name, Path(name).expanduser()):
        if (path / ADAPTER_WEIGHTS).is_file():
            return path
    known = ", ".join(path.name for path, _ in adapters_in(folder)) or "none yet"
    raise ConfigError(f"There is no adapter {name!r}; below {folder} there are: {known}.")
