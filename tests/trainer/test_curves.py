"""The picture of a training's losses."""

import io
import struct

import numpy as np
import pytest
from matplotlib.image import imread

from tests.trainer.tiny_adapter import CURVES
from trainer.adapters.curves import PICTURE_DPI, PICTURE_INCHES, TRAIN_COLOUR, VALIDATION_COLOUR, Curves, draw_curves

NOTHING = Curves(train=(), validation=())


def has_colour(picture: bytes, colour: str) -> bool:
    wanted = np.asarray([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    pixels = imread(io.BytesIO(picture))[:, :, :3]
    return bool((np.abs(pixels - wanted).max(-1) < 0.01).sum() > 50)


def test_best_is_the_lowest_validation_loss_and_the_first_of_equals() -> None:
    assert CURVES.best == (2, 2.75)
    assert Curves(train=(), validation=((1, 2.0), (2, 2.0))).best == (1, 2.0)
    assert NOTHING.best is None


def test_curves_come_back_from_plain_values() -> None:
    assert Curves.from_dict(CURVES.as_dict()) == CURVES
    with pytest.raises(LookupError):
        Curves.from_dict({"train": []})


def test_picture_is_a_png_of_its_size_that_shows_both_curves() -> None:
    picture = draw_curves(CURVES, title="style-1")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    size = tuple(int(inches * PICTURE_DPI) for inches in PICTURE_INCHES)
    assert struct.unpack(">II", picture[16:24]) == size
    assert has_colour(picture, TRAIN_COLOUR)
    assert has_colour(picture, VALIDATION_COLOUR)


def test_equal_curves_give_equal_bytes_and_others_do_not() -> None:
    one, same = (draw_curves(CURVES, title="style-1") for _ in range(2))
    other = draw_curves(Curves(train=CURVES.train, validation=()), title="style-1")
    assert one == same != other
    assert not has_colour(other, VALIDATION_COLOUR)


def test_training_that_never_validated_or_never_stepped_has_a_picture_too() -> None:
    assert draw_curves(NOTHING, title="style-1").startswith(b"\x89PNG")
