"""The batch policy: what is decoded together, and how many."""

from datetime import UTC, datetime

import pytest

from core.records import ClaimedRequest
from worker.batching import RECOVERY_BATCHES, BatchLimit, choose_batch, halves


def claim(name: str, *, attempt: int = 1) -> ClaimedRequest:
    return ClaimedRequest(
        id=name,
        subject=name,
        parameters="",
        images=(),
        midjourney_version="8.2",
        num_candidates=4,
        attempt=attempt,
        lease_token="lease",
        deadline=datetime.now(UTC),
    )


def names(claims: list[ClaimedRequest]) -> list[str]:
    return [each.id for each in claims]


@pytest.mark.parametrize(
    ("claims", "held", "returned"),
    [
        ([], [], []),
        ([claim("a"), claim("b")], ["a", "b"], []),
        ([claim("old", attempt=2), claim("a")], ["old"], ["a"]),
        ([claim("a"), claim("old", attempt=2), claim("b")], ["a", "b"], ["old"]),
        ([claim("old", attempt=2), claim("older", attempt=3)], ["old"], ["older"]),
    ],
)
def test_a_request_that_was_tried_before_is_held_alone(
    claims: list[ClaimedRequest], held: list[str], returned: list[str]
) -> None:
    chosen, others = choose_batch(claims)
    assert (names(chosen), names(others)) == (held, returned)


def test_limit_halves_when_memory_runs_out_and_never_falls_below_one() -> None:
    limit = BatchLimit(current=8, maximum=8).after_out_of_memory(8)
    assert limit.current == 4
    assert limit.after_out_of_memory(3).current == 1
    assert limit.after_out_of_memory(1).current == 1


def test_limit_recovers_one_by_one_after_enough_full_batches() -> None:
    limit = BatchLimit(current=2, maximum=3)
    for _ in range(RECOVERY_BATCHES - 1):
        limit = limit.after_success(2)
    assert limit.current == 2
    limit = limit.after_success(2)
    assert limit.current == 3
    for _ in range(2 * RECOVERY_BATCHES):
        limit = limit.after_success(3)
    assert limit.current == 3


def test_small_batches_say_nothing_about_the_limit() -> None:
    limit = BatchLimit(current=2, maximum=4)
    for _ in range(2 * RECOVERY_BATCHES):
        limit = limit.after_success(1)
    assert limit == BatchLimit(current=2, maximum=4)


@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_halves_keep_everybody_in_order(size: int) -> None:
    first, second = halves(range(size))
    assert [*first, *second] == list(range(size))
    assert abs(len(first) - len(second)) <= 1
