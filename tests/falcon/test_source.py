"""Where a model's files come from, and how every failure of the Hub's client is told."""

import shutil
from pathlib import Path

import httpx2
import pytest
import torch
from huggingface_hub import errors as hub

from core.errors import HubUnreachable, MjpromptError, ModelError
from core.settings import POCKET_FOLDER
from falcon.source import FALCON_7B, base_name, choose_base, hub_error, is_folder, locate


def refusal(base: str) -> str:
    with pytest.raises(ModelError) as caught:
        locate(base, None)
    return str(caught.value)


def test_folder_is_used_where_it_stands(tiny_folder: Path) -> None:
    assert locate(str(tiny_folder), None) == tiny_folder


def test_missing_folder_is_named_with_the_setting_to_change(tmp_path: Path) -> None:
    message = refusal(str(tmp_path / "gone"))
    assert str(tmp_path / "gone") in message
    assert "MODEL_ID" in message


def test_file_in_place_of_a_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("", encoding="utf-8")
    assert "missing" in refusal(str(tmp_path / "model"))


def test_folder_without_config_is_no_model(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "config.json").unlink()
    assert "no config.json" in refusal(str(tmp_path / "model"))


def test_folder_with_pickled_weights_only_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "model" / "pytorch_model.bin")
    assert "no .safetensors weights" in refusal(str(tmp_path / "model"))


@pytest.mark.parametrize("base", ["./model", "/srv/model", "~/model", "..", "a/b/c", "\\\\host\\model"])
def test_what_looks_like_a_path_is_never_asked_of_the_hub(base: str) -> None:
    assert is_folder(base)


@pytest.mark.parametrize("base", ["tiiuae/falcon-7b", "gpt2", "owner/name.v1-x_y"])
def test_what_looks_like_an_id_is_one(base: str) -> None:
    assert not is_folder(base)
    assert base_name(base) == base


def test_home_folder_is_understood(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("~/model", None) == tmp_path / "model"


def test_folder_is_shown_by_its_own_name(tiny_folder: Path) -> None:
    assert base_name(str(tiny_folder)) == "tiny"


def test_auto_is_the_pocket_without_a_gpu_and_falcon_7b_with_one() -> None:
    assert choose_base("auto") == (FALCON_7B if torch.cuda.is_available() else str(POCKET_FOLDER))
    assert choose_base("owner/name") == "owner/name"


def answer(kind: type[hub.HfHubHTTPError], status: int) -> hub.HfHubHTTPError:
    request = httpx2.Request("GET", "https://hub.example/api/models/owner/name")
    return kind("the Hub's own words", response=httpx2.Response(status, request=request))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


MAPPED: list[tuple[Exception, type[MjpromptError], str]] = [
    (answer(hub.GatedRepoError, 403), ModelError, "gated"),
    (answer(hub.RepositoryNotFoundError, 404), ModelError, "knows no model owner/name"),
    (answer(hub.RevisionNotFoundError, 404), ModelError, "has no revision abc"),
    (answer(hub.RemoteEntryNotFoundError, 404), ModelError, "status 404"),
    (answer(hub.DisabledRepoError, 403), ModelError, "status 403"),
    (answer(hub.BadRequestError, 400), ModelError, "status 400"),
    (answer(hub.HfHubHTTPError, 401), ModelError, "HF_TOKEN"),
    (answer(hub.HfHubHTTPError, 429), HubUnreachable, "status 429"),
    (answer(hub.HfHubHTTPError, 500), HubUnreachable, "try again later"),
    (answer(hub.HfHubHTTPError, 503), HubUnreachable, "status 503"),
    (hub.HFValidationError("bad id"), ModelError, "neither a folder nor a Hub id"),
    (hub.LocalEntryNotFoundError("not cached"), HubUnreachable, "cannot be reached"),
    (hub.IncompleteSnapshotError("half", "folder"), HubUnreachable, "cannot be reached"),
    (hub.OfflineModeIsEnabled("offline"), HubUnreachable, "cannot be reached"),
    (hub.FileMetadataError("no ETag"), ModelError, "no ETag"),
    (hub.XetDownloadError("broken"), ModelError, "could not be fetched"),
    (hub.CorruptedCacheException("odd folder"), ModelError, "could not be fetched"),
    (httpx2.ConnectError("refused"), HubUnreachable, "cannot be reached"),
    (httpx2.ConnectTimeout("slow"), HubUnreachable, "cannot be reached"),
    (httpx2.ReadTimeout("slow"), HubUnreachable, "cannot be reached"),
    (httpx2.ProxyError("no way"), HubUnreachable, "cannot be reached"),
    (httpx2.RemoteProtocolError("cut"), HubUnreachable, "cannot be reached"),
    (ConnectionResetError("reset"), HubUnreachable, "cannot be reached"),
    (OSError(28, "No space left on device"), ModelError, "free some disk space"),
    (PermissionError(13, "Permission denied"), ModelError, "Permission denied"),
    (RuntimeError("something else"), ModelError, "something else"),
]


@pytest.mark.parametrize(("error", "kind", "said"), MAPPED, ids=lambda value: type(value).__name__)
def test_each_known_failure_of_the_hubs_client_becomes_one_of_ours(
    error: Exception, kind: type[MjpromptError], said: str
) -> None:
    ours = hub_error(error, "owner/name", "abc")
    assert type(ours) is kind
    assert said in str(ours)
    assert "owner/name" in str(ours)
    assert str(ours).endswith(".")


def test_no_known_failure_is_left_out() -> None:
    downloading = {
        kind
        for kind in vars(hub).values()
        if isinstance(kind, type)
        and issubclass(kind, (hub.HfHubHTTPError, hub.EntryNotFoundError, hub.OfflineModeIsEnabled))
        and not issubclass(kind, (hub.BucketNotFoundError, hub.BucketBatchError, hub.JobNotFoundError))
    }
    mapped = {type(error) for error, _, _ in MAPPED}
    assert downloading - mapped == {hub.EntryNotFoundError}  # only a base of two others
    assert len(mapped) == 23


@pytest.mark.parametrize(
    ("cause", "kind", "said"),
    [
        (answer(hub.HfHubHTTPError, 503), HubUnreachable, "status 503"),
        (answer(hub.DisabledRepoError, 403), ModelError, "status 403"),
        (httpx2.ConnectError("refused"), HubUnreachable, "cannot be reached"),
    ],
)
def test_what_is_not_in_the_cache_is_told_by_why_it_was_not_fetched(
    cause: Exception, kind: type[MjpromptError], said: str
) -> None:
    """The client says `not in the cache` for an answer of 503 too; the person heard that the Hub was out of reach."""
    ours = hub_error(caused(hub.LocalEntryNotFoundError("not cached"), cause), "owner/name", None)
    assert type(ours) is kind
    assert said in str(ours)
