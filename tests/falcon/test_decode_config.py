"""configs/decode.toml: what it may hold."""

import json
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.settings import PROJECT_ROOT
from falcon.decode_config import DecodeConfig, read_decode_config

SHIPPED = (PROJECT_ROOT / "configs" / "decode.toml").read_text(encoding="utf-8")


def refusal(tmp_path: Path, *, key: str, line: str) -> str:
    """Return why the shipped file is refused once the line of `key` reads `line`."""
    lines = [line if old.startswith(f"{key} ") else old for old in SHIPPED.splitlines()]
    assert lines != SHIPPED.splitlines(), key
    file = tmp_path / "decode.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_decode_config(file)
    assert str(file) in str(caught.value)
    return str(caught.value)


def test_shipped_settings_are_plain_json_values(shipped_config: DecodeConfig) -> None:
    stored = shipped_config.as_dict()
    assert json.loads(json.dumps(stored)) == stored
    assert set(stored) == {"beam_search", "selection"}


@pytest.mark.parametrize(
    ("key", "line", "said"),
    [
        ("num_beams", "num_beams = 0", "num_beams = 0 is too small; set 1 or more"),
        ("num_beams", "num_beams = -2", "num_beams = -2"),
        ("num_beam_groups", "num_beam_groups = 0", "num_beam_groups = 0"),
        ("max_new_tokens", "max_new_tokens = 0", "max_new_tokens = 0"),
        ("min_new_tokens", "min_new_tokens = -1", "min_new_tokens = -1 must lie between 0 and max_new_tokens"),
        ("min_new_tokens", "min_new_tokens = 999", "min_new_tokens = 999"),
        ("min_distance", "min_distance = 1.5", "min_distance = 1.5 is out of range; set 0 to 1"),
        ("min_distance", "min_distance = nan", "min_distance = nan"),
        ("num_beams", "num_beams = 2.5", "num_beams = 2.5 must be of type int"),
        ("num_beams", 'num_beams = "two"', "num_beams = 'two' must be of type int"),
        ("num_beams", "num_beams = true", "num_beams = True must be of type int"),
        ("early_stopping", "early_stopping = 1", "early_stopping = 1 must be of type bool"),
        ("diversity_penalty", "", "missing key 'diversity_penalty'"),
        ("num_beams", "num_beans = 2", "unknown key 'num_beans'"),
        ("num_beams", "num_beams = ", "is not valid TOML"),
    ],
)
def test_impossible_setting_is_refused_with_its_file_key_and_value(
    tmp_path: Path, key: str, line: str, said: str
) -> None:
    message = refusal(tmp_path, key=key, line=line)
    assert said in message
    assert message.endswith(".")
    assert message.count(str(tmp_path)) == 1
