"""Copy an adapter folder to where others find it: a repository of the Hub, or any place that fsspec has a driver for.

What is there already is never overwritten with something else. It owns the translation of what the Hub's client and
fsspec raise on the way.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fsspec
import httpx2
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from core.errors import ConfigError, HubUnreachable, MjpromptError
from falcon.source import is_passing
from trainer.adapters.folder import CHECKSUMS, recorded_checksums, require_whole

_HUB_ID = re.compile(r"(?:hf://)?(?P<id>[\w.-]+/[\w.-]+)")
_CONFLICTS = frozenset({409, 412})  # somebody else pushed at the same time


def push_adapter(folder: Path, target: str, *, is_public: bool = False) -> bool:
    """Copy the adapter to `target` and return True, or return False when exactly this adapter is there already.

    `target` is a Hub repository (`owner/name` or `hf://owner/name`), made when it is missing and private unless
    `is_public`, or a URL of fsspec's that names the folder to write (`s3://bucket/adapters/style-1`, `file:///…`).

    Raises:
        ModelError: the folder is no adapter, or a file of it is damaged.
        ConfigError: `target` is neither, cannot be written to, or holds other content.
        HubUnreachable: the Hub does not answer; the same call may succeed later.
    """
    require_whole(folder)
    names = [*recorded_checksums(folder), CHECKSUMS]  # checksums last: who finds them finds the rest
    if "://" in target and not target.startswith("hf://"):
        return _push_to_url(folder, names, target)
    match = _HUB_ID.fullmatch(target)
    if match is None:
        raise ConfigError(
            f"{target!r} is no place to push to; name a Hub repository (owner/name) or a URL such as "
            "s3://bucket/adapters/style-1 or file:///srv/adapters/style-1."
        )
    try:
        return _push_to_hub(folder, names, match["id"], is_public=is_public)
    except MjpromptError:
        raise
    except Exception as error:
        raise _hub_error(error, match["id"]) from error


def _push_to_hub(folder: Path, names: Iterable[str], repository: str, *, is_public: bool) -> bool:
    hub = HfApi()
    try:
        commit = hub.model_info(repository).sha
    except RepositoryNotFoundError:
        hub.create_repo(repository, private=not is_public)
        commit = hub.model_info(repository).sha
    there = {entry.path: entry for entry in hub.list_repo_tree(repository) if isinstance(entry, RepoFile)}
    missing = [name for name in names if name not in there]
    for name in set(names) - set(missing):
        if not _is_same(folder / name, there[name]):
            raise _is_other_content(repository, name)
    if missing:
        hub.create_commit(
            repository,
            [CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in missing],
            commit_message=f"Add the adapter {folder.name}",
            parent_commit=commit,
        )
    return bool(missing)


def _is_same(file: Path, entry: RepoFile) -> bool:
    """Compare by the hash that the Hub lists: SHA-256 of a large file, git's own hash of a small one."""
    content = file.read_bytes()
    if entry.lfs is not None:
        return hashlib.sha256(content).hexdigest() == entry.lfs.sha256
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return blob.hexdigest() == entry.blob_id


def _push_to_url(folder: Path, names: list[str], url: str) -> bool:
    try:
        files, path = fsspec.core.url_to_fs(url)
        missing = [name for name in names if not files.exists(f"{path}/{name}")]
        for name in set(names) - set(missing):
            if files.cat_file(f"{path}/{name}") != (folder / name).read_bytes():
                raise _is_other_content(url, name)
        files.makedirs(path, exist_ok=True)
        with files.transaction:  # where the driver can, files appear together at its end
            for name in missing:
                _copy(folder / name, files, f"{path}/{name}")
    except MjpromptError:
        raise
    except Exception as error:  # every driver raises what its own library does
        raise ConfigError(
            f"The adapter cannot be copied to {url}: {_reason(error)}; correct the URL or its access."
        ) from error
    return bool(missing)


def _copy(file: Path, files: Any, path: str) -> None:
    with files.open(path, "wb") as destination:
        destination.write(file.read_bytes())


def _is_other_content(target: str, name: str) -> ConfigError:
    return ConfigError(f"{target} holds another {name}, which is never overwritten; push to a place of its own.")


def _hub_error(error: Exception, repository: str) -> MjpromptError:
    match error:
        case HFValidationError():
            return ConfigError(f"{repository!r} is no Hub repository's name; write it as owner/name.")
        case HfHubHTTPError():
            status = error.response.status_code
            if is_passing(status) or status in _CONFLICTS:
                return HubUnreachable(f"The Hub answered status {status} for {repository}; try again later.")
            return ConfigError(
                f"The Hub refuses to write to {repository} (status {status}); set HF_TOKEN to a token that may."
            )
        case OfflineModeIsEnabled() | httpx2.TransportError() | ConnectionError():
            return HubUnreachable(f"The Hub cannot be reached to write to {repository}; connect this machine.")
        case _:  # the transfer of large files raises what its own library does
            return HubUnreachable(f"The copy to {repository} broke off ({_reason(error)}); the same command goes on.")


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
