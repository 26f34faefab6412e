"""Who decodes beside whom."""

import asyncio

from worker.company import Company, Stay


class Guest:
    """A batch that stays until it is told to leave."""

    def __init__(self, company: Company, num_requests: int = 1, *, max_requests: int = 10, alone: bool = False) -> None:
        self.stay = Stay(num_requests)
        self.is_inside = False
        self._leave = asyncio.Event()
        self._company, self._max_requests, self._alone = company, max_requests, alone
        self.task = asyncio.create_task(self._come())

    async def _come(self) -> None:
        async with self._company.joined(self.stay, max_requests=self._max_requests, alone=self._alone):
            self.is_inside = True
            await self._leave.wait()

    async def leave(self) -> None:
        self._leave.set()
        await self.task
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_batches_share_and_each_remembers_the_most_that_decoded_at_once() -> None:
    company = Company()
    first, second = Guest(company), Guest(company, 2)
    await settle()
    await second.leave()
    third = Guest(company)
    await settle()
    assert (first.stay.most_requests, second.stay.most_requests, third.stay.most_requests) == (3, 3, 2)
    assert first.stay.is_in_company
    await first.leave()
    await third.leave()


async def test_a_batch_on_its_own_is_not_in_company_however_large() -> None:
    company = Company()
    guest = Guest(company, 4)
    await settle()
    assert guest.is_inside
    assert not guest.stay.is_in_company
    await guest.leave()


async def test_whoever_wants_to_be_alone_waits_for_those_inside_and_keeps_the_others_out() -> None:
    company = Company()
    first = Guest(company)
    await settle()
    alone = Guest(company, alone=True)
    await settle()
    late = Guest(company)
    await settle()
    assert (first.is_inside, alone.is_inside, late.is_inside) == (True, False, False)
    assert company.is_closed
    await first.leave()
    assert (alone.is_inside, late.is_inside) == (True, False)
    await alone.leave()
    assert late.is_inside
    assert not company.is_closed
    assert not alone.stay.is_in_company
    await late.leave()


async def test_two_who_want_to_be_alone_go_one_after_the_other() -> None:
    company = Company()
    first, second = Guest(company, alone=True), Guest(company, alone=True)
    await settle()
    assert (first.is_inside, second.is_inside) == (True, False)
    await first.leave()
    assert second.is_inside
    await second.leave()


async def test_no_more_decode_at_once_than_may_but_one_that_is_too_large_goes_alone() -> None:
    company = Company()
    first, second = Guest(company, max_requests=1), Guest(company, 3, max_requests=1)
    await settle()
    assert (first.is_inside, second.is_inside) == (True, False)
    await first.leave()
    assert second.is_inside
    await second.leave()


async def test_one_that_gives_up_waiting_lets_the_others_in() -> None:
    company = Company()
    first = Guest(company)
    await settle()
    alone, late = Guest(company, alone=True), Guest(company)
    await settle()
    alone.task.cancel()
    await settle()
    assert late.is_inside
    await first.leave()
    await late.leave()
