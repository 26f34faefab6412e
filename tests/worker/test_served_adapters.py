"""Who answers which request."""

import pytest

from worker.served_adapters import Lineup, ServedAdapters

IDS = [f"request-{number}" for number in range(4000)]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_canary_answers_its_share_of_the_requests_and_the_active_adapter_the_others(share: float) -> None:
    lineup = Lineup(active="a", canary="c", canary_share=share)
    answered = [lineup.adapter_for(request_id) for request_id in IDS]
    assert set(answered) == {"a", "c"}
    assert answered.count("c") / len(IDS) == pytest.approx(share, abs=0.03)


def test_request_that_is_tried_again_gets_the_same_side() -> None:
    lineup = Lineup(active="a", canary="c", canary_share=0.5)
    assert [lineup.adapter_for(one) for one in IDS] == [lineup.adapter_for(one) for one in IDS]


def test_a_larger_share_takes_none_away_from_the_canary() -> None:
    small, large = (Lineup(canary="c", canary_share=share) for share in (0.1, 0.3))
    assert all(large.adapter_for(one) == "c" for one in IDS if small.adapter_for(one) == "c")


def test_another_canary_divides_the_requests_anew() -> None:
    one, other = (Lineup(canary=canary, canary_share=0.5) for canary in ("c", "d"))
    both = [request_id for request_id in IDS if one.adapter_for(request_id) and other.adapter_for(request_id)]
    assert len(both) / len(IDS) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("share", "expected"), [(0.0, {None}), (1.0, {"c"})])
def test_ends_of_the_share_are_nobody_and_everybody(share: float, expected: set[str | None]) -> None:
    assert {Lineup(canary="c", canary_share=share).adapter_for(one) for one in IDS} == expected


def test_adapter_is_used_until_the_block_ends_whatever_answers_meanwhile() -> None:
    served = ServedAdapters(Lineup(active="a"))
    with pytest.raises(RuntimeError), served.used_by(["1", "2"]) as chosen:
        served.lineup = Lineup(active="b")
        assert chosen == ["a", "a"]
        assert (served.num_users("a"), served.num_users("b")) == (2, 0)
        raise RuntimeError
    assert served.num_users("a") == 0
