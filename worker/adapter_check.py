"""Whether an adapter's folder still holds what the registry says, for the base that serves.

It reads files and may take a second, so it belongs on a thread. It does not load anything.
"""

import hashlib
from pathlib import Path

from core.cycles import AdapterFiles
from core.errors import ModelError
from core.settings import Settings
from falcon.adapter_files import ADAPTER_WEIGHTS
from falcon.base_identity import recorded_base, require_same_base


def require_intact(files: AdapterFiles, settings: Settings) -> None:
    """Check an adapter's weights against their SHA-256, and its base against the one that `settings` name.

    Raises:
        ModelError: the folder is missing or damaged, or the adapter was trained on another base.
        HubUnreachable: the base is a Hub id whose files are not in the cache.
    """
    found = _sha256_of(files)
    if files.sha256 is not None and found != files.sha256.lower():
        raise ModelError(
            f"The adapter {files.id} is damaged: the sha256 of its weights is {found[:12]}…, not "
            f"{files.sha256[:12]}…; restore {files.folder}."
        )
    if recorded_base(Path(files.folder)) is not None:
        _require_same_base(Path(files.folder), settings)


def _require_same_base(folder: Path, settings: Settings) -> None:
    from falcon.source import choose_base, locate  # noqa: PLC0415 - brings torch, which a worker's start does without

    base = choose_base(settings.model_id)
    require_same_base(folder, base, locate(base, settings.model_revision))


def _sha256_of(files: AdapterFiles) -> str:
    file = Path(files.folder) / ADAPTER_WEIGHTS
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"The adapter {files.id} cannot be read: {file} says {error.strerror}; restore its folder."
        ) from error
