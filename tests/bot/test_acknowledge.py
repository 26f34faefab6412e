"""Pressing and acknowledging: exactly once, in time, and what was promised is stored."""

import asyncio

import pytest

from bot.acknowledge import stored_then_acknowledged


class Acknowledgements:
    """Counts acknowledgements and remembers what had happened by then."""

    def __init__(self, happened: list[str], *, error: Exception | None = None) -> None:
        self.happened = happened
        self._error = error

    async def __call__(self) -> None:
        self.happened.append("acknowledged")
        if self._error is not None:
            raise self._error


async def storing(happened: list[str], seconds: float, *, error: Exception | None = None) -> int:
    await asyncio.sleep(seconds)
    if error is not None:
        raise error
    happened.append("stored")
    return 7


async def test_quick_work_is_stored_before_it_is_acknowledged() -> None:
    happened: list[str] = []
    assert await stored_then_acknowledged(storing(happened, 0), Acknowledgements(happened)) == 7
    assert happened == ["stored", "acknowledged"]


async def test_slow_work_is_acknowledged_at_the_deadline_and_goes_on() -> None:
    happened: list[str] = []
    work = storing(happened, 0.1)
    assert await stored_then_acknowledged(work, Acknowledgements(happened), within_seconds=0.02) == 7
    assert happened == ["acknowledged", "stored"]


@pytest.mark.parametrize("seconds", [0, 0.05])
async def test_failing_work_is_acknowledged_once_and_its_error_raised(seconds: float) -> None:
    happened: list[str] = []
    work = storing(happened, seconds, error=ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await stored_then_acknowledged(work, Acknowledgements(happened), within_seconds=0.02)
    assert happened == ["acknowledged"]


async def test_failing_acknowledgement_is_raised_once_the_work_is_stored() -> None:
    happened: list[str] = []
    acknowledge = Acknowledgements(happened, error=ConnectionError("gone"))
    with pytest.raises(ConnectionError):
        await stored_then_acknowledged(storing(happened, 0.05), acknowledge, within_seconds=0.01)
    assert happened == ["acknowledged", "stored"]


async def test_cancelled_before_the_acknowledgement_stores_nothing() -> None:
    happened: list[str] = []
    pressing = asyncio.create_task(
        stored_then_acknowledged(storing(happened, 0.1), Acknowledgements(happened), within_seconds=5)
    )
    await asyncio.sleep(0.01)
    pressing.cancel()
    await asyncio.gather(pressing, return_exceptions=True)
    await asyncio.sleep(0.15)
    assert pressing.cancelled()
    assert happened == []


async def test_cancelled_after_the_acknowledgement_still_stores_what_was_promised() -> None:
    happened: list[str] = []
    pressing = asyncio.create_task(
        stored_then_acknowledged(storing(happened, 0.1), Acknowledgements(happened), within_seconds=0.01)
    )
    await asyncio.sleep(0.05)
    pressing.cancel()
    await asyncio.gather(pressing, return_exceptions=True)
    assert pressing.cancelled()
    assert happened == ["acknowledged", "stored"]
