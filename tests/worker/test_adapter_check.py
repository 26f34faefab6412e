"""An adapter's folder against what the registry says of it."""

import hashlib
from pathlib import Path

import pytest

from core.cycles import AdapterFiles
from core.errors import ModelError
from core.settings import Settings, load_settings
from falcon.adapter_files import ADAPTER_WEIGHTS
from falcon.base_identity import identify
from tests.trainer.tiny_adapter import write_speaking_falcon, write_tiny_adapter
from worker.adapter_check import require_intact


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speaking_falcon(tmp_path_factory.mktemp("bases") / "base")


@pytest.fixture
def settings(base: Path) -> Settings:
    return load_settings(_env_file=None, model_id=str(base))


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> AdapterFiles:
    folder = write_tiny_adapter(tmp_path / "style", base)
    sha256 = hashlib.sha256((folder / ADAPTER_WEIGHTS).read_bytes()).hexdigest()
    return AdapterFiles(id="style", folder=str(folder), sha256=sha256)


def test_folder_that_is_as_it_was_registered_passes(adapter: AdapterFiles, settings: Settings) -> None:
    require_intact(adapter, settings)
    require_intact(AdapterFiles(id="style", folder=adapter.folder, sha256=None), settings)


def test_one_other_byte_is_damage(adapter: AdapterFiles, settings: Settings) -> None:
    file = Path(adapter.folder) / ADAPTER_WEIGHTS
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"^The adapter style is damaged: the sha256 .* restore .*style\.$"):
        require_intact(adapter, settings)


def test_missing_folder_is_one_sentence(settings: Settings) -> None:
    gone = AdapterFiles(id="style", folder="/nowhere/style", sha256=None)
    with pytest.raises(ModelError, match=r"^The adapter style cannot be read: .*; restore its folder\.$"):
        require_intact(gone, settings)


def test_adapter_of_another_base_is_refused(tmp_path: Path, base: Path, adapter: AdapterFiles) -> None:
    other = write_speaking_falcon(tmp_path / "other")
    (other / "config.json").write_text((other / "config.json").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert identify(str(other), other) != identify(str(base), base)
    with pytest.raises(ModelError, match="was trained on"):
        require_intact(adapter, load_settings(_env_file=None, model_id=str(other)))
