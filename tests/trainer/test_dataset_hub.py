"""Data sets from a Hub: the real `datasets` and Hub client against a stand-in Hub on loopback."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from core.errors import HubUnreachable, InvalidData
from tests.trainer.data_process import SHOWN_CHARACTERS, DataProcess
from tests.trainer.stand_in_data_hub import NEW_COMMIT, OLD_COMMIT, TAG, StandInDataHub
from trainer.data.hub_errors import hub_data_error
from trainer.data.sources import SEED_DATASET

CARD = b"---\nlicense: cc0-1.0\n---\n# Invented prompts\n"
OLD_ROWS, NEW_ROWS = ["a red fox, dusk"], ["a red fox, dusk", "an owl, dawn", "a ship, fog"]
BIG_ROWS = [f"{number} " + "fox " * 250_000 for number in range(24)]  # more than the client takes at once, twice


def lines(rows: list[str]) -> bytes:
    return "".join(json.dumps({"text": row, "id": number}) + "\n" for number, row in enumerate(rows)).encode()


REPOSITORIES = {
    "owner/prompts": {
        OLD_COMMIT: {"README.md": CARD, "train.jsonl": lines(OLD_ROWS)},
        NEW_COMMIT: {"README.md": CARD, "train.jsonl": lines(NEW_ROWS), "test.jsonl": lines(["a test, dusk"])},
    },
    SEED_DATASET: {NEW_COMMIT: {"pairs.csv": b'User,Prompt,_id\r\nmidjourney prompt for a fox,"a fox, dusk",1\r\n'}},
    "owner/BigPrompts": {NEW_COMMIT: {"train.jsonl": lines(BIG_ROWS)}},
    "owner/gated": {NEW_COMMIT: {"train.jsonl": lines(OLD_ROWS)}},
    "owner/files": {NEW_COMMIT: {"notes.md": b"no rows here"}},
    "owner/script": {NEW_COMMIT: {"script.py": b"raise SystemExit"}},
    "owner/empty": {NEW_COMMIT: {"train.jsonl": b""}},
    "owner/damaged": {NEW_COMMIT: {"train.parquet": b"PAR1 and no more"}},
    "owner/latin": {NEW_COMMIT: {"train.csv": "text\nfr\u00fchling, dusk\n".encode("latin-1")}},
}


@pytest.fixture(scope="module")
def hub() -> Iterator[StandInDataHub]:
    stand_in = StandInDataHub(REPOSITORIES)
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def online(hub: StandInDataHub, home: Path) -> Iterator[DataProcess]:
    process = DataProcess(hub.address, home)
    yield process
    process.close()


@pytest.fixture(scope="module")
def cut_off(home: Path, online: DataProcess) -> Iterator[DataProcess]:
    """A process whose Hub is gone, with the cache of `online`, which has read the newest and then the old commit."""
    gone = StandInDataHub({})
    gone.close()
    process = DataProcess(gone.address, home)
    assert online.read("owner/prompts")[0] == "found"
    assert online.read("owner/prompts", OLD_COMMIT)[0] == "found"
    yield process
    process.close()


def test_newest_commit_is_fetched_and_written_down_with_its_licence(online: DataProcess) -> None:
    found = {"rows": NEW_ROWS, "revision": NEW_COMMIT, "licence": "cc0-1.0"}
    assert online.read("owner/prompts") == ("found", found)


def test_other_split_is_read_from_the_same_download(online: DataProcess) -> None:
    kind, found = online.read("owner/prompts", split="test")
    assert (kind, found["rows"]) == ("found", ["a test, dusk"])


@pytest.mark.parametrize("revision", [OLD_COMMIT, TAG])
def test_pinned_revision_is_read_although_there_is_a_newer_one(online: DataProcess, revision: str) -> None:
    kind, found = online.read("owner/prompts", revision)
    assert (kind, found["rows"], found["revision"]) == ("found", OLD_ROWS, OLD_COMMIT)


def test_seeds_pairs_come_from_the_hub_where_no_file_is_named(online: DataProcess) -> None:
    kind, found = online.read("", kind="seed")
    assert (kind, found["rows"], found["revision"]) == ("found", ["a fox, dusk"], NEW_COMMIT)


def test_pinned_commit_in_the_cache_asks_the_hub_for_nothing(online: DataProcess, hub: StandInDataHub) -> None:
    first = online.read("owner/prompts", OLD_COMMIT)
    before = len(hub.requests)
    assert online.read("owner/prompts", OLD_COMMIT) == first
    assert hub.requests[before:] == []


def test_newest_commit_in_the_cache_is_not_downloaded_again(online: DataProcess, hub: StandInDataHub) -> None:
    online.read("owner/prompts")
    before = len(hub.downloads(".jsonl"))
    assert online.read("owner/prompts")[1]["rows"] == NEW_ROWS
    assert len(hub.downloads(".jsonl")) == before > 0


def test_broken_download_goes_on_where_it_broke(online: DataProcess, hub: StandInDataHub) -> None:
    hub.cuts.add("train.jsonl")
    kind, found = online.read("owner/BigPrompts")
    assert (kind, found["rows"]) == ("found", [row[:SHOWN_CHARACTERS] for row in BIG_ROWS])
    assert hub.cuts == set(), "the connection did break"
    [asked] = hub.ranges
    assert 0 < int(asked.removeprefix("bytes=").rstrip("-")) <= len(lines(BIG_ROWS)) // 2


@pytest.mark.parametrize(
    ("dataset_id", "revision", "kind", "said"),
    [
        ("owner/unknown", None, "InvalidData", "The Hub knows no data set owner/unknown"),
        ("owner/gated", None, "InvalidData", "owner/gated is gated: accept its terms"),
        ("owner/secret", None, "InvalidData", "owner/secret is gated: accept its terms"),
        ("owner/prompts", "v9", "InvalidData", "owner/prompts has no revision v9; correct it"),
        ("owner/prompts", "3" * 40, "InvalidData", f"owner/prompts has no revision {'3' * 40}; correct it"),
        ("owner/down", None, "HubUnreachable", "owner/down is not in the cache and the Hub cannot be reached"),
        ("owner/disabled", None, "InvalidData", "The Hub refuses the data set owner/disabled with status 403"),
        ("owner/no--such", None, "InvalidData", "owner/no--such is no Hub id of the form owner/name"),
        ("owner/files", None, "InvalidData", "owner/files has no file that can be read as rows"),
        ("owner/script", None, "InvalidData", "scripts of others are not run"),
        ("owner/empty", None, "InvalidData", "owner/empty holds no rows"),
        ("owner/damaged", None, "InvalidData", "A file of the data set owner/damaged is damaged"),
        ("owner/latin", None, "InvalidData", "owner/latin is not UTF-8 (it holds the byte 0xfc)"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_that_names_it(
    online: DataProcess, dataset_id: str, revision: str | None, kind: str, said: str
) -> None:
    found, answer = online.read(dataset_id, revision)
    assert found == kind, answer
    assert said in str(answer["said"])
    assert "\n" not in str(answer["said"])
    assert str(answer["said"]).endswith(".")


def test_missing_column_names_those_that_are_there(online: DataProcess) -> None:
    kind, answer = online.read("owner/prompts", column="prompt")
    assert kind == "InvalidData"
    assert "owner/prompts has no column 'prompt'; its columns are id, text" in str(answer["said"])


def test_missing_split_names_those_that_are_there(online: DataProcess) -> None:
    kind, answer = online.read("owner/prompts", split="validation")
    assert kind == "InvalidData"
    assert "train" in str(answer["said"])
    assert "test" in str(answer["said"])


def test_without_the_hub_a_pinned_commit_comes_from_the_cache_and_never_another_one(cut_off: DataProcess) -> None:
    """`load_dataset` alone gives the commit that was prepared last, whichever one was asked for."""
    assert cut_off.read("owner/prompts", NEW_COMMIT)[1]["rows"] == NEW_ROWS
    assert cut_off.read("owner/prompts", OLD_COMMIT)[1]["rows"] == OLD_ROWS
    kind, answer = cut_off.read("owner/prompts", "3" * 40)
    assert kind == "HubUnreachable"
    assert f"owner/prompts at revision {'3' * 40} is not in the cache" in str(answer["said"])


def test_without_the_hub_and_a_pin_what_was_read_last_is_used_and_written_down(cut_off: DataProcess) -> None:
    kind, found = cut_off.read("owner/prompts")
    assert kind == "found"
    assert found["licence"] == "cc0-1.0"
    assert (found["rows"], found["revision"]) in ((OLD_ROWS, OLD_COMMIT), (NEW_ROWS, NEW_COMMIT))


def test_without_the_hub_a_tag_is_not_guessed(cut_off: DataProcess) -> None:
    kind, answer = cut_off.read("owner/prompts", TAG)
    assert kind == "HubUnreachable"
    assert f"at revision {TAG} is not in the cache" in str(answer["said"])


def test_without_the_hub_what_was_never_read_is_said_to_be_out_of_reach(cut_off: DataProcess) -> None:
    kind, answer = cut_off.read("owner/other")
    assert kind == "HubUnreachable"
    assert "owner/other is not in the cache" in str(answer["said"])


def test_offline_mode_reads_the_cache_and_asks_nobody(hub: StandInDataHub, home: Path, cut_off: DataProcess) -> None:
    process = DataProcess(hub.address, home, HF_HUB_OFFLINE="1")
    before = len(hub.requests)
    pinned, newest, other = (
        process.read("owner/prompts", OLD_COMMIT),
        process.read("owner/prompts"),
        process.read("owner/other"),
    )
    process.close()
    assert pinned[1]["rows"] == OLD_ROWS
    assert newest[0] == "found"
    assert other[0] == "HubUnreachable"
    assert hub.requests[before:] == []


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (httpx2.ReadTimeout("slow"), HubUnreachable, "could not be fetched whole; try again"),
        (OfflineModeIsEnabled("off"), HubUnreachable, "could not be fetched whole; try again"),
        (LocalEntryNotFoundError("gone"), HubUnreachable, "could not be fetched whole; try again"),
        (OSError(28, "No space left on device"), InvalidData, "could not be stored: No space left on device"),
        (PermissionError(13, "Permission denied"), InvalidData, "could not be stored: Permission denied"),
    ],
)
def test_what_breaks_during_a_download_is_told_also_where_datasets_wraps_it(
    error: Exception, kind: type[Exception], said: str
) -> None:
    wrapped = RuntimeError("datasets failed")
    wrapped.__cause__ = error
    for raised in (error, wrapped):
        found = hub_data_error(raised, "owner/prompts", None)
        assert type(found) is kind
        assert said in str(found)


@pytest.mark.parametrize(
    ("error", "said"), [(KeyError("what"), "loaded: 'what';"), (ValueError(), "loaded: ValueError;")]
)
def test_error_that_nobody_knows_is_still_one_sentence_with_its_own_words(error: Exception, said: str) -> None:
    found = hub_data_error(error, "owner/prompts", None)
    assert type(found) is InvalidData
    assert said in str(found)
