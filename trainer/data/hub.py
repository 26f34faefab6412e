"""Training data from the Hub by `datasets.load_dataset`, always of one commit.

A pinned commit that was prepared before is taken from the cache without asking anybody. Without the Hub
`load_dataset` itself would take whatever commit it prepared last, whichever one was asked for, and only after half a
minute of retries.

It does not know what the columns mean. A repository cannot run code here: `datasets` has given up loading scripts.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
from datasets import Dataset, load_dataset
from datasets.naming import camelcase_to_snakecase
from datasets.packaged_modules.cache.cache import Cache
from huggingface_hub import DatasetCard, HfApi, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from core.errors import HubUnreachable
from falcon.source import is_passing
from trainer.data.files import Columns, Table, Values, require_columns
from trainer.data.hub_errors import hub_data_error

_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_hub(dataset_id: str, columns: Columns, *, revision: str | None, split: str) -> Table:
    """Return the rows of a data set's split at `revision`; None is the newest commit, or the last one in the cache.

    Raises:
        InvalidData: the Hub has no such data set, revision or split, it is gated, or its files are damaged, empty or
            without a column.
        HubUnreachable: the Hub is out of reach and that revision is not in the cache.
    """
    try:
        dataset = _load(dataset_id, revision, split)
    except Exception as error:
        raise hub_data_error(error, dataset_id, revision) from error
    require_columns(dataset_id, dataset.column_names, columns)
    commit = _commit_of(dataset)
    return Table(name=dataset_id, rows=_rows(dataset, columns), revision=commit, licence=_licence(dataset_id, commit))


def _load(dataset_id: str, revision: str | None, split: str) -> Dataset:
    is_pinned = revision is not None and _COMMIT.fullmatch(revision) is not None
    prepared = _prepared(dataset_id, revision, split) if is_pinned else None
    if prepared is not None:
        return prepared
    commit = _newest(dataset_id, revision)
    if commit is not None:
        dataset = load_dataset(dataset_id, split=split, revision=commit, keep_in_memory=False)
        if _commit_of(dataset) == commit:
            return dataset
    elif revision is None and (latest := _prepared(dataset_id, None, split)) is not None:
        return latest
    at = "" if revision is None else f" at revision {revision}"
    raise HubUnreachable(
        f"The data set {dataset_id}{at} is not in the cache and the Hub cannot be reached; connect this machine, or "
        "name a file instead."
    )


def _newest(dataset_id: str, revision: str | None) -> str | None:
    """Return the commit that `revision` is now, None where the Hub is out of reach."""
    try:
        return HfApi().dataset_info(dataset_id, revision=revision).sha
    except (OfflineModeIsEnabled, httpx2.TransportError):
        return None
    except HfHubHTTPError as error:
        if is_passing(error.response.status_code):
            return None
        raise


def _prepared(dataset_id: str, commit: str | None, split: str) -> Dataset | None:
    """Return what `datasets` has prepared of a commit (None: whichever it prepared last), None where it has not."""
    version, name = ("auto", "auto") if commit is None else ("0.0.0", commit)
    dataset_name = camelcase_to_snakecase(dataset_id.rpartition("/")[2])
    try:
        builder = Cache(repo_id=dataset_id, dataset_name=dataset_name, version=version, hash=name)
        builder.download_and_prepare()
    except ValueError:  # so `datasets` says that nothing is there
        return None
    return builder.as_dataset(split=split)


def _commit_of(dataset: Dataset) -> str:
    """Return the commit whose files were prepared: `datasets` names the folder in its cache after it."""
    return Path(dataset.cache_files[0]["filename"]).parent.name


def _licence(dataset_id: str, commit: str) -> str | None:
    """Return the licence that the data set's own card names, None where it names none."""
    card = try_to_load_from_cache(dataset_id, "README.md", repo_type="dataset", revision=commit)
    licence = DatasetCard.load(card).data.get("license") if isinstance(card, str) else None
    return licence if isinstance(licence, str) else None


def _rows(dataset: Dataset, columns: Columns) -> Iterator[Values]:
    for batch in dataset.select_columns(list(columns)).iter(batch_size=1000):
        yield from zip(*(batch[column] for column in columns), strict=True)
