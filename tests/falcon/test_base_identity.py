"""What a base model is, and adapters that were trained on another one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.errors import ModelError
from core.settings import load_settings
from falcon import base_identity
from falcon.base_identity import BaseIdentity, fingerprint, identify, recorded_base, require_same_base
from falcon.loading import load_model
from tests.falcon.tiny_falcon import change_json
from tests.trainer.tiny_adapter import write_tiny_adapter

COMMIT, OTHER_COMMIT = "a" * 40, "b" * 40


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    """The tiny Falcon, to change."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def write_base_record(folder: Path, **base: Any) -> Path:
    """Write no more of a record than the base's identity."""
    folder.mkdir()
    (folder / "training.json").write_text(json.dumps({"base": base}), encoding="utf-8")
    return folder


def snapshot(tiny_folder: Path, cache: Path, commit: str) -> Path:
    """Lay the model out as the Hub's cache does."""
    return Path(shutil.copytree(tiny_folder, cache / "models--owner--tiny" / "snapshots" / commit))


def test_fingerprint_is_of_the_content_and_not_of_the_place(tiny_folder: Path, copy: Path) -> None:
    assert fingerprint(copy) == fingerprint(tiny_folder)
    (copy / "README.md").write_text("a card", encoding="utf-8")
    assert fingerprint(copy) == fingerprint(tiny_folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_fingerprint_changes_with_each_file_that_makes_the_model(tiny_folder: Path, copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    changed = fingerprint(copy)
    (copy / name).rename(copy / f"other-{name}")
    assert len({fingerprint(tiny_folder), changed, fingerprint(copy)}) == 3


def test_large_weights_are_sampled_at_both_ends_and_between(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    size = base_identity.WHOLE_FILE_BYTES + 12345

    def with_byte(place: int | None) -> str:
        with file.open("wb") as content:
            content.truncate(size)
            if place is not None:
                content.seek(place)
                content.write(b"x")
        return fingerprint(tmp_path)

    untouched = with_byte(None)
    step = (size - base_identity.SAMPLE_BYTES) / base_identity.NUM_SAMPLES
    found = [with_byte(place) for place in (0, size - 1, int(step * 500) + 100)]
    assert len({untouched, *found}) == 4


def test_weights_that_cannot_be_read_are_one_sentence(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors").mkdir()
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read \(Is a directory\)"):
        fingerprint(copy)


def test_commit_is_known_of_a_hub_snapshot_alone(tiny_folder: Path, tmp_path: Path) -> None:
    found = identify("owner/tiny", snapshot(tiny_folder, tmp_path, COMMIT))
    assert found == BaseIdentity(id="owner/tiny", revision=COMMIT, fingerprint=fingerprint(tiny_folder))
    assert identify(str(tiny_folder), tiny_folder).revision is None
    assert identify(str(tiny_folder), tiny_folder).id == "tiny"


def test_adapter_of_this_base_is_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    adapter = write_tiny_adapter(tmp_path / "style-1", tiny_folder)
    settings = load_settings(_env_file=None, model_id=str(tiny_folder), precision="fp32", adapter=adapter)
    assert load_model(settings).info.adapter == "style-1"


def test_adapter_whose_base_changed_is_refused_before_anything_is_loaded(
    tiny_folder: Path, copy: Path, tmp_path: Path
) -> None:
    adapter = write_tiny_adapter(tmp_path / "style-1", tiny_folder)
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:-4])  # could not even be loaded
    settings = load_settings(_env_file=None, model_id=str(copy), precision="fp32", adapter=adapter)
    with pytest.raises(ModelError) as caught:
        load_model(settings)
    assert f"The adapter {adapter} was trained on tiny, and the files of copy are others" in str(caught.value)
    assert str(caught.value).endswith("set MODEL_ID and MODEL_REVISION to that base, or train again.")


def test_adapter_of_another_commit_is_refused_and_the_commit_named(tiny_folder: Path, tmp_path: Path) -> None:
    base = snapshot(tiny_folder, tmp_path, COMMIT)
    adapter = write_base_record(
        tmp_path / "style-1", id="owner/tiny", revision=OTHER_COMMIT, fingerprint=fingerprint(base)
    )
    with pytest.raises(ModelError, match=f"is at revision {COMMIT}; set MODEL_REVISION={OTHER_COMMIT}, or train again"):
        require_same_base(adapter, "owner/tiny", base)


def test_same_content_passes_where_one_of_both_has_no_commit(tiny_folder: Path, tmp_path: Path) -> None:
    base = snapshot(tiny_folder, tmp_path, COMMIT)
    trained_at = {"id": "owner/tiny", "fingerprint": fingerprint(base)}
    require_same_base(write_base_record(tmp_path / "one", revision=None, **trained_at), "owner/tiny", base)
    require_same_base(write_base_record(tmp_path / "two", revision=COMMIT, **trained_at), str(tiny_folder), tiny_folder)


def test_adapter_without_a_record_passes_and_the_log_says_so(tiny_folder: Path, tmp_path: Path) -> None:
    assert recorded_base(tmp_path) is None
    with capture_logs() as logs:
        require_same_base(tmp_path, str(tiny_folder), tiny_folder)
    assert [entry["event"] for entry in logs] == ["adapter.base_unknown"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"base": null}', '{"base": {"id": "x"}}', '"\xff"'])
def test_damaged_record_is_refused(tiny_folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "training.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"training\.json is damaged and does not name its base model"):
        require_same_base(tmp_path, str(tiny_folder), tiny_folder)


def test_record_with_more_keys_than_these_is_read(tiny_folder: Path, tmp_path: Path) -> None:
    adapter = write_tiny_adapter(tmp_path / "style-1", tiny_folder)
    change_json(adapter / "training.json", added="later")
    assert recorded_base(adapter) == identify(str(tiny_folder), tiny_folder)
