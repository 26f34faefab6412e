"""The errors of `datasets` and the Hub's client as the product's own, one sentence each."""

from collections.abc import Iterator

import httpx2
import pyarrow
from datasets.data_files import EmptyDatasetError
from datasets.exceptions import DataFilesNotFoundError
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.errors import HubUnreachable, InvalidData, MjpromptError
from falcon.source import is_passing


def hub_data_error(error: Exception, dataset_id: str, revision: str | None) -> MjpromptError:
    """Translate an error of loading `dataset_id`, or what caused it: `datasets` wraps the Hub's own errors."""
    for link in _causes(error):
        found = _known(link, dataset_id, revision)
        if found is not None:
            return found
    said = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return InvalidData(f"The data set {dataset_id} could not be loaded: {said}; correct this source, or leave it out.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _known(error: BaseException, dataset_id: str, revision: str | None) -> MjpromptError | None:
    """Translate one error, None for one that says nothing by itself; the order runs from special to general."""
    match error:
        case MjpromptError():
            return error
        case GatedRepoError():
            return InvalidData(
                f"The data set {dataset_id} is gated: accept its terms on its Hub page with your account, then set "
                "HF_TOKEN."
            )
        case RevisionNotFoundError():
            return InvalidData(f"The data set {dataset_id} has no revision {revision}; correct it, or leave it out.")
        case RepositoryNotFoundError():
            return InvalidData(
                f"The Hub knows no data set {dataset_id} (or it is private and HF_TOKEN is not set); correct the id."
            )
        case HFValidationError():
            return InvalidData(f"{dataset_id} is no Hub id of the form owner/name; correct the id of this source.")
        case HfHubHTTPError() if not is_passing(error.response.status_code):
            return InvalidData(
                f"The Hub refuses the data set {dataset_id} with status {error.response.status_code}; correct HF_TOKEN "
                "or the id."
            )
        case HfHubHTTPError() | LocalEntryNotFoundError() | OfflineModeIsEnabled() | httpx2.HTTPError():
            return HubUnreachable(
                f"The data set {dataset_id} could not be fetched whole; try again later: files that are whole are kept."
            )
        case _:
            return _of_files(error, dataset_id)


def _of_files(error: BaseException, dataset_id: str) -> MjpromptError | None:
    match error:
        case DataFilesNotFoundError() | EmptyDatasetError():
            return InvalidData(f"The data set {dataset_id} has no file that can be read as rows; choose another one.")
        case RuntimeError() if "scripts are no longer supported" in str(error):
            return InvalidData(
                f"The data set {dataset_id} is made by a script, and scripts of others are not run; choose another one."
            )
        case StopIteration():
            return InvalidData(f"The data set {dataset_id} holds no rows; choose another one.")
        case UnicodeDecodeError():
            byte = error.object[error.start]
            return InvalidData(f"A file of the data set {dataset_id} is not UTF-8 (it holds the byte 0x{byte:02x}).")
        case pyarrow.ArrowException():
            return InvalidData(f"A file of the data set {dataset_id} is damaged: {str(error).splitlines()[0]}.")
        case ValueError() if "split" in str(error):
            return InvalidData(f"The data set {dataset_id} lacks the split: {str(error).rstrip('.')}.")
        case OSError(errno=int(), strerror=str() as reason):
            return InvalidData(f"The data set {dataset_id} could not be stored: {reason}; free some disk space.")
        case _:
            return None
