"""What a base model is: its name, its commit, and a fingerprint of its content that is quick to take.

An adapter's `training.json` holds the identity of the base that it was trained on, and is refused on any other. It does
not load anything.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.logs import get_logger
from falcon.adapter_files import TRAINING_RECORD

log = get_logger(__name__)
WHOLE_FILE_BYTES = 64 * 2**20  # larger files are sampled: hashing 14 GB would double the time of a start
SAMPLE_BYTES, NUM_SAMPLES = 4096, 1024
_FINGERPRINTED = ("config.json", "tokenizer.json", "*.safetensors")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseIdentity:
    """A base model. `id` is a Hub id or a folder's own name; `revision` is the commit of a Hub snapshot, else None."""

    id: str
    revision: str | None
    fingerprint: str


def identify(base: str, folder: Path) -> BaseIdentity:
    """Return the identity of `base`, whose files lie in `folder`.

    Raises:
        ModelError: a file cannot be read.
    """
    from falcon.source import base_name  # noqa: PLC0415 - brings torch, which reading a record does without

    return BaseIdentity(id=base_name(base), revision=_commit_of(folder), fingerprint=fingerprint(folder))


def fingerprint(folder: Path) -> str:
    """Return a SHA-256 over the configuration, the tokenizer and the weights of a model folder.

    Of a file above 64 MiB the size, both ends and 1,024 blocks of 4 KiB between them count: training moves weights
    everywhere, so another model differs there, and Falcon-7B takes well under a second instead of ten.

    Raises:
        ModelError: a file cannot be read.
    """
    digest = hashlib.sha256()
    files = {file for pattern in _FINGERPRINTED for file in folder.glob(pattern)}
    try:
        for file in sorted(files, key=lambda file: file.name):
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            _add_content(digest, file)
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be read ({error.strerror}); fetch the whole model again.") from error
    return digest.hexdigest()


def require_same_base(adapter: Path, base: str, folder: Path) -> None:
    """Refuse an adapter that was trained on another base than `base` in `folder`; one without a record passes.

    The content decides; the commit counts as well where both are known, since a run has to be repeatable.

    Raises:
        ModelError: the commit or the content differs, or the record cannot be read.
    """
    trained_on = recorded_base(adapter)
    if trained_on is None:
        log.info("adapter.base_unknown", adapter=adapter.name)
        return
    found = identify(base, folder)
    at = f" at revision {trained_on.revision}" if trained_on.revision else ""
    if trained_on.revision and found.revision and trained_on.revision != found.revision:
        raise ModelError(
            f"The adapter {adapter} was trained on {trained_on.id}{at}, and {found.id} is at revision "
            f"{found.revision}; set MODEL_REVISION={trained_on.revision}, or train again."
        )
    if trained_on.fingerprint != found.fingerprint:
        raise ModelError(
            f"The adapter {adapter} was trained on {trained_on.id}{at}, and the files of {found.id} are others "
            f"(fingerprint {found.fingerprint[:12]}, not {trained_on.fingerprint[:12]}); set MODEL_ID and "
            "MODEL_REVISION to that base, or train again."
        )


def recorded_base(adapter: Path) -> BaseIdentity | None:
    """Return the base that an adapter's `training.json` names, None when there is no such file.

    Raises:
        ModelError: the file is there and cannot be read as a record.
    """
    file = adapter / TRAINING_RECORD
    if not file.is_file():
        return None
    try:
        base: Any = json.loads(file.read_text(encoding="utf-8"))["base"]
        return BaseIdentity(**{name: base[name] for name in ("id", "revision", "fingerprint")})
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{file} is damaged and does not name its base model; copy the adapter again.") from error


def _commit_of(folder: Path) -> str | None:
    """Return the commit of a folder in the Hub's cache, which is laid out as `snapshots/<commit>`."""
    is_snapshot = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    return folder.name if is_snapshot else None


def _add_content(digest: "hashlib._Hash", file: Path) -> None:
    size = file.stat().st_size
    with file.open("rb") as content:
        if size <= WHOLE_FILE_BYTES:
            digest.update(content.read())
            return
        for number in range(NUM_SAMPLES + 1):
            content.seek(number * (size - SAMPLE_BYTES) // NUM_SAMPLES)
            digest.update(content.read(SAMPLE_BYTES))
