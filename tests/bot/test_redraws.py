"""Redrawing: the last state wins, pauses are kept, failures end quietly, closing draws what is still wanted."""

import asyncio

from bot.redraws import MAX_AT_ONCE, Redraws
from core.errors import AddressGone, PlatformBusy, StorageBusy

KEY = ("T1", "C1", "1.1")


class Wall:
    """Something to draw on, which may refuse."""

    def __init__(self, *errors: Exception) -> None:
        self.drawn: list[int] = []
        self.errors = list(errors)

    def draw(self, number: int):
        async def draw() -> None:
            if self.errors:
                raise self.errors.pop(0)
            self.drawn.append(number)

        return draw


async def test_first_is_drawn_at_once_and_of_the_rest_only_the_last() -> None:
    wall, redraws = Wall(), Redraws(pause_seconds=0.05)
    for number in range(10):
        redraws.soon(KEY, wall.draw(number))
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    assert wall.drawn[-1] == 9
    assert len(wall.drawn) <= 2
    assert redraws._tasks == {}


async def test_messages_do_not_wait_for_each_other() -> None:
    wall, redraws = Wall(), Redraws(pause_seconds=10)
    for number in range(5):
        redraws.soon(("T1", "C1", f"{number}"), wall.draw(number))
    await asyncio.sleep(0.05)
    assert sorted(wall.drawn) == [0, 1, 2, 3, 4]
    await redraws.close()


async def test_drawing_waits_as_long_as_the_platform_asks_and_then_draws_the_newest() -> None:
    wall = Wall(PlatformBusy("slow down", retry_after_seconds=0.05))
    redraws = Redraws(pause_seconds=0.01)
    redraws.soon(KEY, wall.draw(1))
    await asyncio.sleep(0.02)
    redraws.soon(KEY, wall.draw(2))
    await asyncio.sleep(0.2)
    assert wall.drawn == [2]


async def test_drawing_is_tried_again_while_the_database_is_busy() -> None:
    wall, redraws = Wall(StorageBusy("locked")), Redraws(pause_seconds=0.01)
    redraws.soon(KEY, wall.draw(1))
    await asyncio.sleep(0.1)
    assert wall.drawn == [1]


async def test_message_that_is_gone_is_let_go_and_the_next_one_is_drawn() -> None:
    wall, redraws = Wall(AddressGone("deleted"), RuntimeError("bug")), Redraws(pause_seconds=0.01)
    for number in (1, 2, 3):
        redraws.soon(KEY, wall.draw(number))
        await asyncio.sleep(0.05)
    assert wall.drawn == [3]


async def test_closing_draws_what_is_still_wanted() -> None:
    wall, redraws = Wall(), Redraws(pause_seconds=0.1)
    redraws.soon(KEY, wall.draw(1))
    await asyncio.sleep(0.01)
    redraws.soon(KEY, wall.draw(2))
    await redraws.close()
    assert wall.drawn == [1, 2]


async def test_only_some_messages_are_drawn_at_once_and_all_of_them_in_the_end() -> None:
    """Twenty-five cards drawn in the same moment, each second anew, kept presses waiting for a third of a second."""
    redraws, busy, most, drawn = Redraws(pause_seconds=0.01), 0, 0, []

    def draw(number: int):
        async def work() -> None:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.005)
            busy -= 1
            drawn.append(number)

        return work

    for number in range(4 * MAX_AT_ONCE):
        redraws.soon((str(number),), draw(number))
    await redraws.close()
    assert (most, sorted(drawn)) == (MAX_AT_ONCE, list(range(4 * MAX_AT_ONCE)))
