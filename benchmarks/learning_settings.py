"""What every part of the learning benchmark is given, and the product and chat that each begins with."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.learning_chat import OPERATOR, Chat, open_chat
from benchmarks.learning_course import Row
from benchmarks.learning_people import visitor_id_of
from benchmarks.learning_product import Product, running_product
from benchmarks.learning_scenario import Scenario, write_settings
from benchmarks.raters import Crowd, Taste


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured: `folder` takes the databases and logs, `num_trials` is of each of the kinds `refusals`.

    Trials are numbered from `first_trial`, and so are courses with kills; what is random follows from the number.
    """

    scenario: Scenario
    folder: Path
    tastes: tuple[Taste, ...]
    num_trials: int
    num_kills: int
    requests_per_second: float
    first_trial: int
    refusals: tuple[str, ...]
    attacks: tuple[str, ...]
    clean_gain_points: float | None  # None: courses without attackers are measured first


Part = Callable[
    [Setting, Callable[[Row], None]], Coroutine[Any, Any, list[str]]
]  # measures, reports, returns what was missed


@asynccontextmanager
async def begun(setting: Setting, name: str, crowd: Crowd) -> AsyncIterator[tuple[Product, Chat]]:
    """Run a product with a database of its own below the folder, and open the crowd's browsers at it."""
    folder = setting.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(folder, is_smoke=setting.scenario.is_smoke)
    async with (
        running_product(folder, operator_id=visitor_id_of(OPERATOR)) as product,
        open_chat(product.address, crowd, setting.scenario) as chat,
    ):
        yield product, chat
