"""Copying an adapter to a Hub repository or a URL, where nothing is ever overwritten."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from core.errors import ConfigError, ModelError
from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.hub_process import HubProcess
from tests.trainer.tiny_adapter import write_tiny_adapter
from tests.trainer.upload_hub import TOKEN, Repository, UploadHub
from trainer.adapters.push import push_adapter

FILES = {"adapter_model.safetensors", "adapter_config.json", "training.json", "README.md", "curves.png", "SHA256SUMS"}


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny")
    return write_tiny_adapter(tmp_path_factory.mktemp("adapters") / "style-1", base)


class PushingProcess(HubProcess):
    """Pushes adapters; the stand-in takes large files by LFS, which the real Hub does too."""

    def __init__(self, endpoint: str, home: Path) -> None:
        super().__init__("tests.trainer.pushing_process", endpoint, home, HF_TOKEN=TOKEN, HF_HUB_DISABLE_XET="1")

    def push(self, folder: Path, target: str, *, is_public: bool = False) -> tuple[str, object]:
        """Return `pushed` and whether it was new, or the error's class and sentence."""
        kind, value = self.ask(json.dumps([str(folder), target, is_public]))
        return kind, value


@pytest.fixture(scope="module")
def hub() -> Iterator[UploadHub]:
    server = UploadHub()
    yield server
    server.close()


@pytest.fixture(scope="module")
def process(hub: UploadHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushingProcess]:
    started = PushingProcess(hub.address, tmp_path_factory.mktemp("home"))
    yield started
    started.close()


@pytest.fixture
def name(hub: UploadHub) -> str:
    """A repository that is not there yet."""
    return f"owner/style-{len(hub.repositories)}"


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("scheme", ["", "hf://"])
def test_new_repository_is_private_and_holds_the_whole_folder_in_one_commit(
    adapter: Path, hub: UploadHub, process: PushingProcess, name: str, scheme: str
) -> None:
    hub.large.clear()
    assert process.push(adapter, f"{scheme}{name}") == ("pushed", True)
    repository = hub.repositories[name]
    assert repository.is_private
    assert {name: repository.files[name] for name in FILES} == contents(adapter)
    assert repository.num_commits == 2
    assert len(hub.large) == 2, "weights and picture went through LFS"


def test_repository_is_public_only_when_that_was_said(
    adapter: Path, hub: UploadHub, process: PushingProcess, name: str
) -> None:
    assert process.push(adapter, name, is_public=True) == ("pushed", True)
    assert not hub.repositories[name].is_private


def test_second_push_changes_nothing(adapter: Path, hub: UploadHub, process: PushingProcess, name: str) -> None:
    process.push(adapter, name)
    assert process.push(adapter, name) == ("pushed", False)
    assert hub.repositories[name].num_commits == 2


@pytest.mark.parametrize("file", ["README.md", "adapter_model.safetensors"])
def test_other_content_in_a_repository_is_never_overwritten(
    adapter: Path, hub: UploadHub, process: PushingProcess, name: str, file: str
) -> None:
    """git's own hash tells of small files, LFS's SHA-256 of large ones."""
    hub.repositories[name] = Repository(is_private=True)
    hub.repositories[name].files[file] = b"of somebody else"
    kind, sentence = process.push(adapter, name)
    assert (kind, sentence) == (
        "ConfigError",
        f"{name} holds another {file}, which is never overwritten; push to a place of its own.",
    )
    assert hub.repositories[name].num_commits == 1
    assert hub.repositories[name].files[file] == b"of somebody else"


def test_repository_that_has_a_part_gets_the_rest(
    adapter: Path, hub: UploadHub, process: PushingProcess, name: str
) -> None:
    hub.large.clear()
    hub.repositories[name] = Repository(is_private=True)
    hub.repositories[name].files["curves.png"] = (adapter / "curves.png").read_bytes()
    assert process.push(adapter, name) == ("pushed", True)
    assert hub.repositories[name].files.keys() == {*FILES, ".gitattributes"}
    assert len(hub.large) == 1


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        (
            "owner/locked",
            "ConfigError",
            "The Hub refuses to write to owner/locked (status 403); set HF_TOKEN to a token that may.",
        ),
        ("owner/down", "HubUnreachable", "The Hub answered status 503 for owner/down; try again later."),
        (
            "owner/silent",
            "HubUnreachable",
            "The Hub cannot be reached to write to owner/silent; connect this machine.",
        ),
        (
            "owner/--style",
            "ConfigError",
            "'owner/--style' is no Hub repository's name; write it as owner/name.",
        ),
    ],
)
def test_hub_that_refuses_is_one_sentence(
    adapter: Path, process: PushingProcess, name: str, kind: str, sentence: str
) -> None:
    assert process.push(adapter, name) == (kind, sentence)


@pytest.mark.parametrize("target", ["style", "", "a/b/c", "owner/st yle", "/srv/adapters", "../adapters/style"])
def test_target_that_is_no_place_is_refused(adapter: Path, target: str) -> None:
    with pytest.raises(ConfigError, match="is no place to push to; name a Hub repository"):
        push_adapter(adapter, target)


def test_url_of_a_file_system_gets_the_whole_folder_and_nothing_twice(adapter: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "style-1"
    assert push_adapter(adapter, target.as_uri()) is True
    assert contents(target) == contents(adapter)
    assert push_adapter(adapter, target.as_uri()) is False


def test_url_of_any_driver_is_taken(adapter: Path, memory: fsspec.AbstractFileSystem) -> None:
    assert push_adapter(adapter, "memory://adapters/style-1") is True
    assert {name: memory.cat_file(f"/adapters/style-1/{name}") for name in FILES} == contents(adapter)
    assert push_adapter(adapter, "memory://adapters/style-1") is False


def test_other_content_at_a_url_is_never_overwritten(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"holds another training\.json, which is never overwritten"):
        push_adapter(adapter, tmp_path.as_uri())
    assert contents(tmp_path) == {"training.json": b"{}"}


def test_files_that_are_not_the_adapters_stay_at_home(adapter: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(adapter, tmp_path / "style-1"))
    (copy / "notes.txt").write_text("private", encoding="utf-8")
    push_adapter(copy, (tmp_path / "there").as_uri())
    assert set(contents(tmp_path / "there")) == FILES


def test_place_that_cannot_be_written_is_one_sentence_and_nothing_half_written(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"The adapter cannot be copied to file://.*; correct the URL or its access"):
        push_adapter(adapter, (tmp_path / "file" / "style-1").as_uri())
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


@pytest.mark.parametrize("target", ["nowhere://bucket/style-1", "s3://bucket/style-1"])
def test_driver_that_is_unknown_or_not_installed_is_one_sentence(adapter: Path, target: str) -> None:
    with pytest.raises(ConfigError, match=f"The adapter cannot be copied to {target}: ") as caught:
        push_adapter(adapter, target)
    assert "\n" not in str(caught.value)


def test_damaged_adapter_is_not_handed_on(adapter: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(adapter, tmp_path / "style-1"))
    (copy / "README.md").write_text("changed by hand", encoding="utf-8")
    with pytest.raises(ModelError, match=r"README\.md is not as SHA256SUMS says"):
        push_adapter(copy, (tmp_path / "there").as_uri())
    assert not (tmp_path / "there").exists()
