"""The folder that a training leaves, and reading it again."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.errors import ConfigError, ModelError, OutOfMemory
from tests.falcon.tiny_falcon import change_json, write_tiny_falcon
from tests.trainer.tiny_adapter import DATA_HASH, record_for, save_tiny_lora, write_tiny_adapter
from trainer.adapters.folder import Metrics, adapters_in, find_adapter, require_whole, write_adapter
from trainer.adapters.record import read_record

FILES = {"adapter_model.safetensors", "adapter_config.json", "training.json", "README.md", "curves.png", "SHA256SUMS"}
METRICS: Metrics = {
    "base": {"perplexity": 9.0},
    "candidate": {"perplexity": 7.5, "likelihood": {"bits_per_byte": 0.75}},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole adapter; not to be changed."""
    return write_tiny_adapter(tmp_path_factory.mktemp("adapters") / "style-1", base)


def test_folder_holds_exactly_its_files_and_nothing_is_left_beside_it(adapter: Path) -> None:
    assert {file.name for file in adapter.iterdir()} == FILES
    assert list(adapter.parent.iterdir()) == [adapter]


def test_checksums_are_those_that_sha256sum_checks(adapter: Path) -> None:
    command = ["sha256sum", "--check", "SHA256SUMS"]
    checked = subprocess.run(command, check=True, cwd=adapter, capture_output=True, text=True)
    assert checked.stdout.count(": OK") == len(FILES) - 1


def test_record_comes_back_as_it_was_written(adapter: Path, base: Path) -> None:
    record, read = record_for(base), read_record(adapter)
    assert (read.base, read.curves, read.data_hash, read.created_at) == (
        record.base, record.curves, DATA_HASH, record.created_at,
    )  # fmt: skip
    assert read.config == json.loads(json.dumps(record.config))
    assert read.best_loss == 2.75
    assert read.versions["torch"]
    assert require_whole(adapter) == read


def test_configuration_names_the_base_and_no_path_of_this_machine(adapter: Path, base: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["base_model_name_or_path"], config["revision"]) == ("tiny", None)
    texts = [(adapter / name).read_text(encoding="utf-8") for name in FILES if name.endswith((".json", ".md"))]
    assert len(texts) == 3
    assert not any(str(base.parent) in text or str(adapter.parent) in text for text in texts)


def test_evaluation_gets_a_folder_that_can_be_read_and_its_metrics_are_kept(base: Path, tmp_path: Path) -> None:
    seen: list[Any] = []

    def evaluate(folder: Path) -> Metrics:
        seen.append((folder.name, read_record(folder).run_id, (folder / "adapter_model.safetensors").is_file()))
        return METRICS

    adapter = write_tiny_adapter(tmp_path / "style-1", base, evaluate=evaluate)
    assert seen == [("style-1", "01JDRUN", True)]
    assert require_whole(adapter).metrics == METRICS
    assert "| bits/byte | – | 0.7500 | lower |" in (adapter / "README.md").read_text(encoding="utf-8")


def test_failed_evaluation_costs_the_metrics_and_not_the_adapter(base: Path, tmp_path: Path) -> None:
    def evaluate(folder: Path) -> Metrics:
        raise OutOfMemory("Decoding 1 requests at once does not fit into memory.")

    with capture_logs() as logs:
        adapter = write_tiny_adapter(tmp_path / "style-1", base, evaluate=evaluate)
    assert require_whole(adapter).metrics == {}
    assert "It was not evaluated." in (adapter / "README.md").read_text(encoding="utf-8")
    assert [entry["reason"] for entry in logs if entry["event"] == "adapter.not_evaluated"] == [
        "Decoding 1 requests at once does not fit into memory."
    ]


def test_existing_folder_is_never_overwritten(adapter: Path, base: Path) -> None:
    before = {file.name: file.read_bytes() for file in adapter.iterdir()}
    with pytest.raises(ConfigError, match="style-1 exists already and is never overwritten"):
        write_tiny_adapter(adapter, base, run_id="another")
    assert {file.name: file.read_bytes() for file in adapter.iterdir()} == before


def test_nothing_appears_when_writing_fails_on_the_way(base: Path, tmp_path: Path) -> None:
    def save(folder: Path) -> None:
        save_tiny_lora(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_adapter(tmp_path / "style-1", record_for(base), save)
    with pytest.raises(ModelError, match=r"Training left no adapter_model\.safetensors"):
        write_adapter(tmp_path / "style-1", record_for(base), lambda folder: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(FILES - {"SHA256SUMS", "training.json"}))
def test_each_changed_or_missing_file_is_named(base: Path, tmp_path: Path, name: str) -> None:
    adapter = write_tiny_adapter(tmp_path / "style-1", base)
    (adapter / "notes.txt").write_text("added files do not count", encoding="utf-8")
    require_whole(adapter)
    content = (adapter / name).read_bytes()
    (adapter / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=f"{name} is not as SHA256SUMS says; copy the adapter again"):
        require_whole(adapter)
    (adapter / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is not as SHA256SUMS says"):
        require_whole(adapter)


@pytest.mark.parametrize("text", [None, "", "nonsense", f"{'0' * 64}  curves.png\n", f"{'0' * 64}  ../../etc/passwd\n"])
def test_checksums_that_are_missing_or_say_nothing_of_the_weights_are_refused(
    base: Path, tmp_path: Path, text: str | None
) -> None:
    adapter = write_tiny_adapter(tmp_path / "style-1", base)
    (adapter / "SHA256SUMS").unlink()
    if text is not None:
        (adapter / "SHA256SUMS").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="copy the adapter again"):
        require_whole(adapter)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 2}, "has format 2, and this version reads 1; update mjprompt"),
        ({"created_at": "yesterday"}, "is damaged"),
        ({"curves": {"train": []}}, "is damaged"),
        ({"base": {"id": "tiny"}}, "is damaged"),
    ],
)
def test_record_that_cannot_be_read_is_one_sentence(
    adapter: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "training.json").write_bytes((adapter / "training.json").read_bytes())
    change_json(tmp_path / "training.json", **changes)
    with pytest.raises(ModelError, match=sentence) as caught:
        read_record(tmp_path)
    assert "\n" not in str(caught.value)


def test_adapters_are_listed_newest_first_and_foreign_folders_left_out(base: Path, tmp_path: Path) -> None:
    record = record_for(base)
    for year in (2026, 2028, 2027):
        write_tiny_adapter(tmp_path / f"of-{year}", base, created_at=record.created_at.replace(year=year))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    save_tiny_lora(tmp_path / "foreign")
    with capture_logs() as logs:
        assert [path.name for path, _ in adapters_in(tmp_path)] == ["of-2028", "of-2027", "of-2026"]
    assert "foreign has no training.json" in logs[0]["reason"]
    assert adapters_in(tmp_path / "nowhere") == []


def test_adapter_is_found_by_name_and_by_path_and_otherwise_the_known_ones_are_told(
    adapter: Path, tmp_path: Path
) -> None:
    assert find_adapter("style-1", adapter.parent) == adapter
    assert find_adapter(str(adapter), tmp_path) == adapter
    with pytest.raises(ConfigError, match=r"There is no adapter 'style-9'; below .* there are: style-1\."):
        find_adapter("style-9", adapter.parent)
    with pytest.raises(ConfigError, match=r"there are: none yet\."):
        find_adapter("style-9", tmp_path)


def test_equal_trainings_leave_equal_bytes(base: Path, adapter: Path, tmp_path: Path) -> None:
    again = write_tiny_adapter(tmp_path / "style-1", base)
    sums = [hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest() for folder in (adapter, again)]
    assert sums[0] == sums[1]
