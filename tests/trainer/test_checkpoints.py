"""Checkpoints: whole or not there, noticed when damaged, and never lost to a later one that fails."""

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

from core.errors import TrainingFailed
from trainer.adapters.folder import CHECKSUMS
from trainer.run.checkpoints import FILES, Checkpoint, CheckpointStore


def checkpoint(step: int, *, size: int = 4) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    return Checkpoint(
        step=step,
        weights={"a": torch.randn(size, 3, generator=generator), "b": torch.randn(2, generator=generator).bfloat16()},
        optimizer={"0.exp_avg": torch.randn(size, 3, generator=generator), "0.step": torch.tensor(float(step))},
        state={"step": step, "loss": 0.1 + 0.2},
    )


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", identity="x")


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "checkpoints").iterdir())


@contextmanager
def files_limited_to(num_bytes: int) -> Iterator[None]:
    """Let the system refuse to write larger files, as it does on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_checkpoint_comes_back_to_the_bit(store: CheckpointStore) -> None:
    saved = checkpoint(7)
    store.save(saved)
    loaded = store.newest()
    assert loaded is not None
    assert (loaded.step, loaded.state) == (7, saved.state)
    for written, read in ((saved.weights, loaded.weights), (saved.optimizer, loaded.optimizer)):
        assert written.keys() == read.keys()
        assert all(torch.equal(written[name], read[name]) for name in written)
        assert all(written[name].dtype == read[name].dtype for name in written)


def test_nothing_was_saved_yet(store: CheckpointStore) -> None:
    assert store.newest() is None
    assert store.steps() == []


def test_newest_two_and_the_best_are_kept(store: CheckpointStore, tmp_path: Path) -> None:
    for step in (10, 20, 30, 40, 100):
        store.save(checkpoint(step), keep=(20,) if step >= 20 else ())
    assert store.steps() == [20, 40, 100]
    assert names(tmp_path) == ["step-00000020", "step-00000040", "step-00000100"], "no draft is left"
    store.clear()
    assert store.steps() == []


def test_same_step_may_be_saved_again(store: CheckpointStore) -> None:
    store.save(checkpoint(3))
    store.save(checkpoint(3))
    assert store.steps() == [3]
    assert store.load(3).step == 3


@pytest.mark.parametrize("name", [*FILES, CHECKSUMS])
@pytest.mark.parametrize("damage", ["changed", "cut", "empty", "missing"])
def test_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(
    store: CheckpointStore, tmp_path: Path, name: str, damage: str
) -> None:
    store.save(checkpoint(1))
    store.save(checkpoint(2))
    file = tmp_path / "checkpoints" / "step-00000002" / name
    content = file.read_bytes()
    changed = content[:20] + bytes([content[20] ^ 1]) + content[21:]
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes({"changed": changed, "cut": content[:-1], "empty": b""}[damage])
    if (name, damage) == (CHECKSUMS, "cut"):  # its last line break says nothing
        assert store.load(2).step == 2
        return
    with capture_logs() as logs:
        found = store.newest()
    assert found is not None
    assert found.step == 1
    (said,) = logs
    assert (said["event"], said["step"], said["log_level"]) == ("checkpoint.damaged", 2, "warning")
    assert "the one before is taken" in said["cure"]


def test_when_all_are_damaged_there_is_none(store: CheckpointStore, tmp_path: Path) -> None:
    for step in (1, 2):
        store.save(checkpoint(step))
        (tmp_path / "checkpoints" / f"step-0000000{step}" / FILES[0]).write_bytes(b"")
    assert store.newest() is None


def test_draft_of_a_killed_process_is_no_checkpoint_and_stands_in_nobodys_way(
    store: CheckpointStore, tmp_path: Path
) -> None:
    store.save(checkpoint(1))
    draft = tmp_path / "checkpoints" / ".step-00000002"
    draft.mkdir()
    (draft / FILES[0]).write_bytes(b"half")
    assert store.steps() == [1]
    store.save(checkpoint(2))
    assert store.load(2).step == 2
    assert names(tmp_path) == ["step-00000001", "step-00000002"]


def test_full_disk_keeps_the_last_good_checkpoint_and_says_what_to_do(store: CheckpointStore, tmp_path: Path) -> None:
    store.save(checkpoint(1))
    with files_limited_to(8192), pytest.raises(TrainingFailed) as caught:
        store.save(checkpoint(2, size=10_000))
    assert "The checkpoint of step 2 could not be written" in str(caught.value)
    assert "(File too large). The one of step 1 is kept; free some disk space" in str(caught.value)
    assert names(tmp_path) == ["step-00000001"]
    assert store.load(1).step == 1


def test_first_checkpoint_on_a_full_disk_says_that_there_is_none(store: CheckpointStore) -> None:
    with files_limited_to(1024), pytest.raises(TrainingFailed, match="No checkpoint was there before; free some disk"):
        store.save(checkpoint(2, size=10_000))


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TrainingFailed, match="Not a directory"):
        CheckpointStore(tmp_path / "file" / "checkpoints", identity="x").save(checkpoint(1))


def test_checkpoint_of_other_settings_is_refused(store: CheckpointStore, tmp_path: Path) -> None:
    store.save(checkpoint(1))
    with pytest.raises(TrainingFailed, match="made with other data or settings"):
        CheckpointStore(tmp_path / "checkpoints", identity="y").newest()


def test_checkpoint_holds_no_pickle(store: CheckpointStore, tmp_path: Path) -> None:
    store.save(checkpoint(1))
    folder = tmp_path / "checkpoints" / "step-00000001"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, CHECKSUMS])
    assert json.loads((folder / "state.json").read_text(encoding="utf-8"))["state"] == checkpoint(1).state
