"""Fetching from a Hub: a real client against a stand-in Hub on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.falcon.stand_in_hub import COMMIT, StandInHub
from tests.hub_process import HubProcess

UNSAFE = {"pytorch_model.bin": b"pickle", "modeling.py": b"raise SystemExit", "training_args.pkl": b"x", "a.pt": b"x"}


class LocatingProcess(HubProcess):
    """Asks `falcon.source.locate`."""

    def __init__(self, endpoint: str, home: Path) -> None:
        super().__init__("tests.falcon.locating_process", endpoint, home)

    def locate(self, model_id: str, revision: str = "") -> tuple[str, str]:
        """Return `found` and the folder, or the error's class and sentence."""
        kind, text = self.ask(f"{model_id} {revision}")
        return kind, text


@pytest.fixture(scope="module")
def served_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stand-in serves: the tiny Falcon and files that no one may ever fetch."""
    folder = tmp_path_factory.mktemp("served")
    for file in tiny_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name, data in UNSAFE.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def hub(served_folder: Path) -> Iterator[StandInHub]:
    stand_in = StandInHub(served_folder)
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def process(hub: StandInHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocatingProcess]:
    locating = LocatingProcess(hub.address, tmp_path_factory.mktemp("home"))
    yield locating
    locating.close()


@pytest.fixture(scope="module")
def downloaded(process: LocatingProcess) -> Path:
    kind, folder = process.locate("owner/tiny")
    assert kind == "found", folder
    return Path(folder)


def test_model_is_downloaded_whole(downloaded: Path, tiny_folder: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        assert (downloaded / name).read_bytes() == (tiny_folder / name).read_bytes()


def test_only_files_that_cannot_run_code_are_asked_for(downloaded: Path, hub: StandInHub) -> None:
    asked = {path.rsplit("/", 1)[1] for path in hub.requests if "/resolve/" in path}
    assert "model.safetensors" in asked
    assert {Path(name).suffix for name in asked} <= {".json", ".safetensors", ".txt", ".model"}
    assert not asked & set(UNSAFE)
    assert not {file.name for file in downloaded.iterdir()} & set(UNSAFE)


def test_revision_that_the_hub_has_is_used(process: LocatingProcess, downloaded: Path) -> None:
    assert process.locate("owner/tiny", COMMIT) == ("found", str(downloaded))


@pytest.mark.parametrize(
    ("model_id", "revision", "kind", "said"),
    [
        ("owner/unknown", "", "ModelError", "knows no model owner/unknown"),
        ("owner/gated", "", "ModelError", "owner/gated is gated"),
        ("owner/secret", "", "ModelError", "owner/secret is gated"),
        ("owner/tiny", "v9", "ModelError", "has no revision v9"),
        ("owner/down", "", "HubUnreachable", "status 503 for owner/down; try again later"),
        ("owner/disabled", "", "ModelError", "refuses the model owner/disabled with status 403"),
        ("owner/no--such", "", "ModelError", "neither a folder nor a Hub id"),
    ],
)
def test_refusal_of_the_hub_is_one_sentence_that_names_the_model(
    process: LocatingProcess, model_id: str, revision: str, kind: str, said: str
) -> None:
    found, message = process.locate(model_id, revision)
    assert found == kind, message
    assert said in message
    assert "\n" not in message


def test_without_the_hub_what_is_cached_is_used_and_the_rest_is_said_to_be_out_of_reach(
    served_folder: Path, tmp_path: Path
) -> None:
    hub = StandInHub(served_folder)
    process = LocatingProcess(hub.address, tmp_path)
    fetched = process.locate("owner/tiny")
    hub.close()
    cached, missing = process.locate("owner/tiny"), process.locate("owner/other")
    process.close()
    assert fetched[0] == "found"
    assert cached == fetched
    assert missing[0] == "HubUnreachable", missing[1]
    assert "owner/other" in missing[1]
    assert "MODEL_ID=models/pocket" in missing[1]
