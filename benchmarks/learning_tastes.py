"""The learning benchmark's first part: does each hidden taste find its way into answers that nobody voted on?"""

from collections.abc import Callable

from benchmarks.learning_course import Row, take_course
from benchmarks.learning_settings import Setting, begun
from benchmarks.raters import Crowd, Taste, crowd

MIN_GAIN_POINTS = 25.0


async def measure(setting: Setting, report: Callable[[Row], None]) -> list[str]:
    """Take each taste through its cycles; return which gained too little."""
    problems = []
    for taste in setting.tastes:
        rows = await course_of(setting, f"taste-{taste.name}", crowd(taste), taste, report)
        problems += problems_of(taste.name, rows)
    return problems


async def course_of(
    setting: Setting, name: str, people: Crowd, taste: Taste, report: Callable[[Row], None]
) -> list[Row]:
    """Take a crowd through the cycles on a product of its own, with measures by `taste`."""

    def tell(row: Row) -> None:
        report({"course": name, "taste": taste.name, **row})

    async with begun(setting, name, people) as (product, chat):
        return await take_course(chat, people, taste, setting.scenario, product, report=tell)


def problems_of(name: str, rows: list[Row]) -> list[str]:
    """Return what the last of a clean course's rows misses."""
    last = rows[-1]
    problems = []
    if last["gain_points"] < MIN_GAIN_POINTS:
        problems.append(f"{name}: a gain of {last['gain_points']} points, and {MIN_GAIN_POINTS:g} are asked for")
    if last["answered_by_others"]:
        problems.append(f"{name}: {last['answered_by_others']} measured answers are not of the adapter that serves")
    problems += [
        f"{name}: cycle {row['cycle']} accuses {row['accused']}, who are honest" for row in rows if row["accused"]
    ]
    return problems
