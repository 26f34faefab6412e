"""Which sizes of a batch are captured."""

import pytest

from falcon.captured_steps import PROMPT_SIZES, round_up, seat_sizes
from falcon.engine import MAX_PROMPT_TOKENS_A_STEP


@pytest.mark.parametrize(
    ("num_seats", "sizes"),
    [(1, (1,)), (3, (1, 2, 3)), (16, (1, 2, 4, 8, 16)), (40, (1, 2, 4, 8, 16, 32, 40))],
)
def test_sizes_double_at_first_and_end_with_all_seats(num_seats: int, sizes: tuple[int, ...]) -> None:
    assert seat_sizes(num_seats) == sizes


@pytest.mark.parametrize("num_seats", range(1, 129))
def test_no_batch_is_rounded_up_by_more_than_its_own_size_or_sixteen(num_seats: int) -> None:
    sizes = seat_sizes(128)
    rounded = round_up(num_seats, sizes)
    assert num_seats <= rounded < num_seats + min(num_seats, 16) or rounded == num_seats


def test_prompts_of_one_step_always_fit_a_captured_size() -> None:
    assert PROMPT_SIZES[-1] == MAX_PROMPT_TOKENS_A_STEP
    assert round_up(0, (0, *PROMPT_SIZES)) == 0
    assert round_up(33, (0, *PROMPT_SIZES)) == 96
