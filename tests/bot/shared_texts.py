"""The shipped texts, read once: bot after bot that a test opens would read the same two files for 25 ms."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from bot import services
from bot.catalog import Catalogs


@pytest.fixture(scope="session", autouse=True)
def texts_read_once() -> Iterator[None]:
    texts = Catalogs.load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "Catalogs", SimpleNamespace(load=lambda: texts))
        yield
