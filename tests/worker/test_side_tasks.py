"""Jobs beside the main loop."""

import asyncio

from core.errors import StorageBusy
from worker.side_tasks import SideTask, side_tasks


async def test_side_task_goes_on_after_failures_of_every_kind() -> None:
    troubles: list[Exception] = [StorageBusy("busy"), ValueError("a mistake")]
    is_through = asyncio.Event()

    async def action() -> None:
        if troubles:
            raise troubles.pop(0)
        is_through.set()

    async with side_tasks(SideTask(name="try", interval_seconds=0.01, action=action)):
        await asyncio.wait_for(is_through.wait(), 10)


async def test_side_tasks_end_with_their_block() -> None:
    async def action() -> None:
        pass

    before = asyncio.all_tasks()
    async with side_tasks(SideTask(name="named", interval_seconds=60, action=action)):
        assert "named" in {task.get_name() for task in asyncio.all_tasks()}
    assert asyncio.all_tasks() == before
