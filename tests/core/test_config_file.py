"""TOML tables as dataclasses: what is refused, and what the refusal says."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from core.config_file import read_config
from core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    power: float
    cylinders: int
    name: str
    is_loud: bool

    def __post_init__(self) -> None:
        if self.cylinders < 1:
            raise ConfigError(f"cylinders = {self.cylinders} is too small; set 1 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    wheels: int
    engine: Engine


VALID = """
wheels = 4

[engine]
power = 1.5
cylinders = 6
name = "six"
is_loud = false
"""


def read(tmp_path: Path, text: str) -> Car:
    (tmp_path / "car.toml").write_text(text, encoding="utf-8")
    return read_config(Car, tmp_path / "car.toml")


def refusal(tmp_path: Path, text: str) -> str:
    """Return the refusal's sentence without the file's folder."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.count(str(tmp_path)) == 1, "the file is named, and once only"
    assert message.endswith(".")
    assert "\n" not in message
    return message.replace(f"{tmp_path}/", "")


def test_table_becomes_the_dataclass_with_its_sections(tmp_path: Path) -> None:
    engine = Engine(power=1.5, cylinders=6, name="six", is_loud=False)
    assert read(tmp_path, VALID) == Car(wheels=4, engine=engine)


def test_whole_number_is_taken_for_a_decimal_one(tmp_path: Path) -> None:
    power = read(tmp_path, VALID.replace("1.5", "2")).engine.power
    assert power == 2.0
    assert type(power) is float


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("wheels = 4", "wheels = 4\ncolour = 'red'", "car.toml: unknown key 'colour'; the keys are engine, wheels."),
        ("wheels = 4", "", "car.toml: missing key 'wheels'; the keys are engine, wheels."),
        ("power", "powre", "car.toml: engine: unknown key 'powre'; the keys are cylinders, is_loud, name, power."),
        ("cylinders = 6", "", "car.toml: engine: missing key 'cylinders'; the keys are"),
        ("wheels = 4", "wheels = '4'", "car.toml: wheels = '4' must be of type int."),
        ("wheels = 4", "wheels = 4.0", "car.toml: wheels = 4.0 must be of type int."),
        ("wheels = 4", "wheels = true", "car.toml: wheels = True must be of type int."),
        ("power = 1.5", "power = 'much'", "car.toml: engine: power = 'much' must be of type float."),
        ("power = 1.5", "power = true", "car.toml: engine: power = True must be of type float."),
        ("is_loud = false", "is_loud = 0", "car.toml: engine: is_loud = 0 must be of type bool."),
        ("name = ", "name = 1 #", "car.toml: engine: name = 1 must be of type str."),
        ("cylinders = 6", "cylinders = 0", "car.toml: engine: cylinders = 0 is too small; set 1 or more."),
    ],
)
def test_wrong_key_or_value_is_named_with_its_section_and_the_cure(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in VALID
    assert said in refusal(tmp_path, VALID.replace(old, new))


def test_value_in_place_of_a_section_is_refused(tmp_path: Path) -> None:
    assert "car.toml: engine = 3 must be a section of its own." in refusal(tmp_path, "wheels = 4\nengine = 3")


def test_section_in_place_of_a_value_is_refused(tmp_path: Path) -> None:
    text = VALID.replace("wheels = 4", "") + "\n[wheels]\nfront = 2\n"
    assert "wheels = {'front': 2} must be of type int." in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["wheels = ", "[engine", "wheels = 4\nwheels = 4", "\x00"])
def test_text_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    assert "car.toml is not valid TOML: " in refusal(tmp_path, text)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "car.toml").write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        read_config(Car, tmp_path / "car.toml")


def test_missing_file_and_folder_in_its_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml cannot be read: No such file or directory"):
        read_config(Car, tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_config(Car, tmp_path)
