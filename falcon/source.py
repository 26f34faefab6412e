"""Find the files of a base model or adapter: a folder on this machine or a snapshot of a Hub repository.

Only JSON, tokenizer and safetensors files are ever downloaded, so nothing that could run code reaches the machine. It
owns the translation of every Hub error; it does not load anything.
"""

from pathlib import Path

import httpx2
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.errors import HubUnreachable, MjpromptError, ModelError
from core.settings import POCKET_FOLDER

FALCON_7B = "tiiuae/falcon-7b"
SAFE_PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model")
_PASSING_STATUSES = frozenset({408, 425, 429})  # refusals of the moment: too slow, too early, too often


def choose_base(model_id: str) -> str:
    """Return the Hub id or folder that `model_id` stands for; `auto` is Falcon-7B with CUDA and the pocket without."""
    if model_id != "auto":
        return model_id
    return FALCON_7B if torch.cuda.is_available() else str(POCKET_FOLDER)


def base_name(base: str) -> str:
    """Return the name to show for a base: a folder's own name, or the Hub id."""
    return Path(base).name if is_folder(base) else base


def is_folder(base: str) -> bool:
    """Say whether `base` names a folder rather than a Hub repository."""
    parent = Path(base).parent
    is_beside_a_folder = parent != Path() and parent.is_dir()  # a mistyped models/pocket is no Hub id
    return Path(base).is_dir() or is_beside_a_folder or base.startswith((".", "/", "~", "\\")) or base.count("/") > 1


def locate(base: str, revision: str | None) -> Path:
    """Return the folder that holds the model's files, downloading a Hub snapshot when `base` is a Hub id.

    Raises:
        ModelError: the folder or the id does not exist, the id is gated, or it has no safetensors weights.
        HubUnreachable: the Hub cannot be reached and the files are not in the cache.
    """
    folder = Path(base).expanduser() if is_folder(base) else _download(base, revision)
    if not folder.is_dir():
        raise ModelError(
            f"The model folder {folder} is missing; set MODEL_ID to an existing folder, a Hub id, or auto."
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json, so it is no model folder; set MODEL_ID to one that has it.")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} has no .safetensors weights; only safetensors are loaded, so convert the weights first."
        )
    return folder


def _download(model_id: str, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(model_id, revision=revision, allow_patterns=list(SAFE_PATTERNS)))
    except Exception as error:
        raise hub_error(error, model_id, revision) from error


def hub_error(error: Exception, model_id: str, revision: str | None) -> MjpromptError:
    """Translate what the Hub's client raises into one of ours; the order runs from special to general."""
    at = f" at revision {revision}" if revision else ""
    match error:
        case GatedRepoError():
            return ModelError(
                f"The model {model_id} is gated: accept its terms on its Hub page with your account, then set HF_TOKEN."
            )
        case RevisionNotFoundError():
            return ModelError(
                f"The model {model_id} has no revision {revision}; correct MODEL_REVISION or leave it empty."
            )
        case RepositoryNotFoundError():
            return ModelError(
                f"The Hub knows no model {model_id} (or it is private and HF_TOKEN is not set); correct MODEL_ID."
            )
        case HFValidationError():
            return ModelError(
                f"MODEL_ID={model_id} is neither a folder nor a Hub id of the form owner/name; correct it."
            )
        case LocalEntryNotFoundError(__cause__=HfHubHTTPError() as answer):
            return hub_error(answer, model_id, revision)
        case LocalEntryNotFoundError() | OfflineModeIsEnabled() | httpx2.TransportError() | ConnectionError():
            return HubUnreachable(
                f"The model {model_id}{at} is not in the cache and the Hub cannot be reached; connect this machine, or "
                "set MODEL_ID to a folder (MODEL_ID=models/pocket needs no network)."
            )
        case HfHubHTTPError():
            return _refusal(error.response.status_code, f"{model_id}{at}")
        case OSError():
            return ModelError(
                f"The files of {model_id} could not be stored: {error}; free some disk space and try again."
            )
        case _:
            return ModelError(f"The model {model_id} could not be fetched: {error}.")


def is_passing(status: int) -> bool:
    """Say whether a Hub that answers with this HTTP status may answer the same question otherwise later."""
    return status >= 500 or status in _PASSING_STATUSES


def _refusal(status: int, model: str) -> MjpromptError:
    if is_passing(status):
        return HubUnreachable(f"The Hub answered status {status} for {model}; try again later.")
    return ModelError(f"The Hub refuses the model {model} with status {status}; correct HF_TOKEN or MODEL_ID.")
