"""What `mjprompt doctor` asks of the model side: device, model files, their sums and the memory they need.

It loads no weights and downloads nothing.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from core.errors import ModelError
from core.settings import Settings
from falcon.loading import leave_a_core_free, load_tokenizer, measure
from falcon.memory import GIB, free_bytes, plan_precision
from falcon.source import choose_base, is_folder, locate

CHECKSUM_FILE = "SHA256SUMS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where the configured model is; `folder` is None for a Hub model that is not downloaded yet."""

    base: str
    folder: Path | None


def describe_torch() -> str:
    """Return torch's version and what it computes on."""
    if not torch.cuda.is_available():
        return f"torch {torch.__version__}, on the CPU"
    return f"torch {torch.__version__}, on {torch.cuda.get_device_name(0)} with CUDA {torch.version.cuda}"


def num_threads() -> int:
    """Return how many threads torch will compute with on the CPU once a model is loaded."""
    leave_a_core_free()
    return torch.get_num_threads()


def find_model(settings: Settings) -> ModelFiles:
    """Find the files of the configured base model without downloading any.

    Raises:
        ModelError: the folder is missing or holds no model.
    """
    base = choose_base(settings.model_id)
    if is_folder(base):
        return ModelFiles(base=base, folder=locate(base, None))
    try:
        folder = snapshot_download(base, revision=settings.model_revision, local_files_only=True)
    except (LocalEntryNotFoundError, ValueError):
        return ModelFiles(base=base, folder=None)
    return ModelFiles(base=base, folder=Path(folder))


def num_verified_files(folder: Path) -> int | None:
    """Check the files that the folder's SHA256SUMS lists and return how many; None where there is no list.

    Raises:
        ModelError: a listed file is missing or has other contents.
    """
    sums = folder / CHECKSUM_FILE
    if not sums.is_file():
        return None
    lines = [line.split(maxsplit=1) for line in sums.read_text(encoding="utf-8").splitlines() if line.strip()]
    for expected, name in lines:
        _require_sum(folder / name.lstrip("*").strip(), expected)
    return len(lines)


def _require_sum(file: Path, expected: str) -> None:
    if not file.is_file():
        raise ModelError(f"{file} is listed in {CHECKSUM_FILE} but missing; restore the model folder.")
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected.lower():
        raise ModelError(f"{file} is damaged: its sha256 is {found[:12]}…, not {expected[:12]}…; restore it.")


def describe_memory(folder: Path, settings: Settings) -> str:
    """Say in which precision the model fits and how much memory that takes.

    Raises:
        NotEnoughMemory: it does not fit; the message says what to set instead.
        ModelError: the configuration cannot be read.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size, free = measure(folder), free_bytes(device)
    precision = plan_precision(settings.precision, size, device)
    return f"{precision} needs {size.bytes_in(precision) / GIB:.2f} GiB, {free / GIB:.1f} GiB are free"


def describe_tokenizer(folder: Path) -> str:
    """Load the tokenizer and say what it is. Raises: ModelError."""
    tokenizer = load_tokenizer(folder)
    return f"{type(tokenizer).__name__} with {len(tokenizer)} tokens"
