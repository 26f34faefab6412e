"""What is remembered for a moment stays bounded, and tells a double click."""

from bot.recent import DOUBLE_CLICK_SECONDS, Recent, RecentPresses


def test_oldest_entry_makes_room_and_a_repeated_one_counts_as_new() -> None:
    recent: Recent[str, int] = Recent(2)
    assert [recent.remember("a", 1), recent.remember("b", 2), recent.remember("a", 3)] == [None, None, 1]
    recent.remember("c", 4)
    assert ("a" in recent, "b" in recent, "c" in recent) == (True, False, True)


def test_same_press_within_two_seconds_is_a_double_click_and_another_is_not() -> None:
    presses = RecentPresses()
    assert not presses.is_double("ann", "vary", at_seconds=10.0)
    assert not presses.is_double("bob", "vary", at_seconds=10.5)
    assert presses.is_double("ann", "vary", at_seconds=10.0 + DOUBLE_CLICK_SECONDS - 0.1)
    assert not presses.is_double("ann", "vary", at_seconds=20.0)
