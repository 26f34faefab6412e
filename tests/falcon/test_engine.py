"""The engine's order of the day: who sits when, what may be seen on the way, and what is counted."""

from itertools import count

import pytest

from falcon.engine import MAX_PROMPT_TOKENS_A_STEP, MAX_PROMPT_TOKENS_AT_ONCE, Engine, EngineRequest
from falcon.serving_metrics import read_snapshot
from tests.falcon.engine_world import (
    EOS,
    Arrival,
    assert_nothing_inside,
    assert_same_answer,
    falcon_that_ends,
    make_engine,
    run,
    search_for,
)

NEVER_ENDS, ENDS_EARLY = -50.0, 3.0


def engine_of(num_seats: int, *, is_late: bool = False, max_prompt_tokens: int = 8, max_new_tokens: int = 5) -> Engine:
    search = search_for(3, max_new_tokens)
    return make_engine(
        falcon_that_ends(NEVER_ENDS), search, num_seats=num_seats, max_prompt_tokens=max_prompt_tokens, is_late=is_late
    )


def asked(number: int, *, length: int = 2, limit: int | None = None) -> EngineRequest:
    return EngineRequest(id=str(number), prompt=[2 + number % 8] * length, max_new_tokens=limit)


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("num_seats", [1, 2, 3])
def test_first_come_first_served_where_seats_are_few(num_seats: int, is_late: bool) -> None:
    ended = run(engine_of(num_seats, is_late=is_late), [asked(number) for number in range(7)])
    waves = [int(name) // num_seats for name in ended]
    assert waves == sorted(waves)
    assert len(waves) == 7


def test_seat_is_taken_again_in_the_step_after_it_was_left() -> None:
    engine = engine_of(1)
    engine.submit(asked(0, limit=2))
    engine.submit(asked(1, limit=3))
    assert [[end.id for end in engine.step()] for _ in range(5)] == [[], ["0"], [], [], ["1"]]
    assert_nothing_inside(engine)


def ends_of_steps(engine: Engine, num_steps: int) -> list[list[str]]:
    return [sorted(end.id for end in engine.step()) for _ in range(num_steps)]


def joining_someone_who_decodes(*lengths: int) -> Engine:
    """Return an engine in which request 9 has written a token and has three to go, and who of two tokens comes now."""
    engine = engine_of(5, max_prompt_tokens=max(lengths), max_new_tokens=4)
    engine.submit(asked(9))
    assert engine.step() == []
    for number, length in enumerate(lengths):
        engine.submit(asked(number, length=length, limit=2))
    return engine


def test_prompts_beyond_a_steps_share_wait_for_the_next_step() -> None:
    """Two prompts fill a step's share, so the third joins with the next step, and nobody overtakes it."""
    half = MAX_PROMPT_TOKENS_A_STEP // 2
    engine = joining_someone_who_decodes(half, half, half, 1)
    assert ends_of_steps(engine, 3) == [[], ["0", "1"], ["2", "3", "9"]]
    assert_nothing_inside(engine)


def test_prompt_longer_than_a_steps_share_joins_alone() -> None:
    engine = joining_someone_who_decodes(MAX_PROMPT_TOKENS_A_STEP + 44, 3, 3)
    assert ends_of_steps(engine, 3) == [[], ["0"], ["1", "2", "9"]]


def test_prompts_join_together_where_nobody_waits_for_a_token() -> None:
    engine = engine_of(4, max_prompt_tokens=MAX_PROMPT_TOKENS_A_STEP, max_new_tokens=2)
    for number in range(4):
        engine.submit(asked(number, length=MAX_PROMPT_TOKENS_A_STEP))
    assert ends_of_steps(engine, 2) == [[], ["0", "1", "2", "3"]]


def test_even_an_idle_engine_reads_so_much_at_once_only() -> None:
    most = MAX_PROMPT_TOKENS_AT_ONCE
    engine = engine_of(4, max_prompt_tokens=most, max_new_tokens=2)
    for number, length in enumerate((most - 2, 2, 2)):
        engine.submit(asked(number, length=length))
    assert ends_of_steps(engine, 3) == [[], ["0", "1"], ["2"]]


def test_decoding_goes_on_while_long_prompts_join() -> None:
    long = MAX_PROMPT_TOKENS_A_STEP
    engine = engine_of(4, max_prompt_tokens=long, max_new_tokens=3)
    arrivals = [Arrival(asked(0)), *(Arrival(asked(number, length=long), step=1) for number in (1, 2, 3))]
    ended = run(engine, arrivals)
    assert list(ended) == ["0", "1", "2", "3"]  # each of the long ones joins a step later
    [alone] = run(engine_of(1, max_new_tokens=3), [asked(0)]).values()
    assert_same_answer(ended["0"], alone)


def test_idle_engine_does_nothing() -> None:
    engine = engine_of(2)
    assert [engine.step() for _ in range(3)] == [[], [], []]
    snapshot = read_snapshot(engine.metrics.snapshot())
    assert snapshot is not None
    assert snapshot.num_steps == 0


# ---- what may be seen on the way


def test_best_so_far_grows_by_a_token_a_step() -> None:
    engine = engine_of(1)
    engine.submit(asked(0))
    engine.submit(asked(1))
    assert engine.best_so_far("0") is None
    seen = []
    for _ in range(4):
        engine.step()
        seen.append(engine.best_so_far("0"))
        assert engine.best_so_far("1") is None  # it waits
    assert [len(tokens or []) for tokens in seen] == [1, 2, 3, 4]
    [end] = engine.step()
    assert engine.best_so_far("0") is None
    assert engine.best_so_far("nobody") is None
    assert end.groups[0][0].length == 5


def test_best_so_far_is_the_best_beam_and_looking_changes_nothing() -> None:
    engine, other = engine_of(2), engine_of(2)
    for one in (engine, other):
        one.submit(asked(0))
        one.submit(asked(1))
    for _ in range(4):
        engine.step()
        assert engine.best_so_far("1") is not None
        other.step()
    mine, its = engine.step(), other.step()
    for one, two in zip(mine, its, strict=True):
        assert_same_answer(one, two)
    # The best beam of one step less is a beam of which the answer of that search consists.
    [short] = run(engine_of(1), [asked(1, limit=4)]).values()
    engine.submit(asked(1))
    for _ in range(4):
        engine.step()
    assert engine.best_so_far("1") == short.groups[0][0].tokens


def test_best_so_far_prefers_what_is_finished() -> None:
    engine = make_engine(falcon_that_ends(ENDS_EARLY), search_for(3, 6, length_penalty=-1.0, early_stopping="never"))
    engine.submit(asked(0))
    seen = []
    while engine.num_inside:
        ended = engine.step()
        seen.append(engine.best_so_far("0"))
    finished = [tokens for tokens in seen if tokens is not None and tokens[-1] == EOS]
    assert finished
    assert finished[-1] == ended[0].groups[0][0].tokens


# ---- what is counted


def test_joinings_endings_tokens_and_load_are_counted() -> None:
    engine = engine_of(2)
    engine.submit(asked(0))
    engine.submit(asked(1, limit=3))
    engine.submit(EngineRequest(id="2", prompt=[3], is_cancelled=lambda: True))
    engine.step()
    snapshot = read_snapshot(engine.metrics.snapshot())
    assert snapshot is not None
    assert (snapshot.num_rows, snapshot.num_requests) == (6, 2)
    run(engine, [])
    snapshot = read_snapshot(engine.metrics.snapshot())
    assert snapshot is not None
    assert (snapshot.num_rows, snapshot.num_requests) == (0, 0)
    assert snapshot.endings == {"done": 2, "cancelled": 1, "failed": 0, "out_of_memory": 0}
    assert snapshot.queue_wait_seconds.count == 2  # who was cancelled had not joined
    assert snapshot.finish_seconds.count == 2
    assert snapshot.num_tokens == 3 * 5 + 3 * 3
    assert snapshot.num_steps == 5


@pytest.mark.parametrize("is_late", [False, True])
def test_idle_time_is_no_step(is_late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds without work were once counted as the next request's first step."""
    clock = count()
    idle = [0]
    monkeypatch.setattr("falcon.engine.time.monotonic", lambda: next(clock) + idle[0])
    engine = engine_of(2, is_late=is_late)
    for number in range(3):
        run(engine, [asked(number)])
        idle[0] += 1_000_000
    engine.submit(asked(3))
    engine.step()
    engine.drop_all()
    idle[0] += 1_000_000
    run(engine, [asked(4)])
    run(engine, [Arrival(asked(5), cancelled_at=1)])
    idle[0] += 1_000_000
    run(engine, [asked(6)])
    snapshot = read_snapshot(engine.metrics.snapshot())
    assert snapshot is not None
    assert 25 <= snapshot.num_steps <= 27
    assert 0 < snapshot.step_seconds.sum < 1000


# ---- dropping everything


@pytest.mark.parametrize("is_late", [False, True])
def test_dropping_all_empties_seats_and_queue_and_the_engine_goes_on(is_late: bool) -> None:
    engine = engine_of(2, is_late=is_late)
    for number in range(4):
        engine.submit(asked(number))
    engine.step()
    engine.step()
    engine.drop_all()
    assert_nothing_inside(engine)
    ended = run(engine, [asked(number) for number in (4, 5, 6)])
    assert sorted(ended) == ["4", "5", "6"]
    for number in (4, 5, 6):
        [alone] = run(engine_of(1), [asked(number)]).values()
        assert_same_answer(ended[str(number)], alone)
