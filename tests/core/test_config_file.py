"""TOML tables as dataclasses: what is refused, and what the refusal says."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from core.config_file import build_config, read_config
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    side: Literal["left", "right"]
    inches: float = 16.0
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    wheels: tuple[Wheel, ...]
    colours: tuple[str, ...]
    size: tuple[float, float]
    spare: Wheel = Wheel(side="left")


CART = """
colours = ["red"]
size = [1, 2.5]

[[wheels]]
side = "left"

[[wheels]]
side = "right"
inches = 17
name = "old"
"""


def read_cart(tmp_path: Path, text: str) -> Cart:
    (tmp_path / "cart.toml").write_text(text, encoding="utf-8")
    return read_config(Cart, tmp_path / "cart.toml")


def test_array_of_tables_becomes_a_tuple_and_what_has_a_default_may_be_left_out(tmp_path: Path) -> None:
    wheels = (Wheel(side="left", inches=16.0, name=None), Wheel(side="right", inches=17.0, name="old"))
    cart = Cart(wheels=wheels, colours=("red",), size=(1.0, 2.5), spare=Wheel(side="left"))
    assert read_cart(tmp_path, CART) == cart


def test_plain_values_of_a_dataclass_become_it_again() -> None:
    cart = Cart(wheels=(Wheel(side="left"), Wheel(side="right", name="old")), colours=(), size=(1.0, 2.0))
    assert build_config(Cart, asdict(cart), where="row") == cart


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('side = "left"', 'side = "up"', "wheels: side = 'up' must be one of left, right."),
        ('side = "left"', "side = 1", "wheels: side = 1 must be one of left, right."),
        ('side = "left"', "side = ['left']", "wheels: side = ['left'] must be one of left, right."),
        ('side = "left"', "", "wheels: missing key 'side'; the keys are inches, name, side."),
        ('name = "old"', "name = 3", "wheels: name = 3 must be of type str."),
        ("inches = 17", 'inches = "17"', "wheels: inches = '17' must be of type float."),
        ("inches = 17", "inch = 17", "wheels: unknown key 'inch'; the keys are inches, name, side."),
        ('["red"]', '"red"', "colours = 'red' must be a list."),
        ('["red"]', "[1]", "colours = 1 must be of type str."),
        ("[1, 2.5]", "[1]", "size = [1] must hold 2 values."),
        ("[1, 2.5]", "[1, 2, 3]", "size = [1, 2, 3] must hold 2 values."),
        ("[1, 2.5]", "1", "size = 1 must be a list."),
    ],
)
def test_wrong_value_in_a_list_or_choice_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in CART
    with pytest.raises(ConfigError) as caught:
        read_cart(tmp_path, CART.replace(old, new, 1))
    assert said in str(caught.value)
    assert str(caught.value).count("cart.toml") == 1


def test_tables_in_place_of_an_array_of_tables_are_refused(tmp_path: Path) -> None:
    table: dict[str, Any] = {"colours": [], "size": [1, 2], "wheels": {"side": "left"}}
    with pytest.raises(ConfigError, match=r"row: wheels = .* must be a list"):
        build_config(Cart, table, where="row")


class Fuel(StrEnum):
    PETROL = "petrol"
    DIESEL = "diesel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truck:
    fuel: Fuel
    spare: Fuel | None = None
    fuels: tuple[Fuel, ...] = ()


def test_word_becomes_a_member_of_a_string_enum() -> None:
    truck = build_config(Truck, {"fuel": "diesel", "spare": "petrol", "fuels": ["petrol", "diesel"]}, where="row")
    assert truck == Truck(fuel=Fuel.DIESEL, spare=Fuel.PETROL, fuels=(Fuel.PETROL, Fuel.DIESEL))
    assert type(truck.fuel) is Fuel
    assert {type(fuel) for fuel in truck.fuels} == {Fuel}
    assert build_config(Truck, asdict(truck), where="row") == truck


@pytest.mark.parametrize("value", ["gas", 1, None, ["diesel"], "DIESEL"])
def test_what_is_no_member_of_an_enum_is_refused_with_the_members(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^row: fuel = .* must be one of petrol, diesel\.$"):
        build_config(Truck, {"fuel": value}, where="row")
