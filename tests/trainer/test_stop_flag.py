"""Ctrl-C and SIGTERM: the first is patient while there is something to save, the second never is."""

import signal
import threading

import pytest

from trainer.run.stop_flag import SIGNALS, StopFlag


@pytest.mark.parametrize("number", SIGNALS)
def test_first_signal_is_noted_and_the_second_ends_at_once(number: signal.Signals) -> None:
    stop = StopFlag()
    with stop.listening(), stop.patiently():
        assert not stop()
        signal.raise_signal(number)
        assert stop()
        assert stop.signal == number
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(number)
    assert ended.value.code == 128 + number


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_with_nothing_to_save_ends_at_once(number: signal.Signals) -> None:
    stop = StopFlag()
    with stop.listening():
        with stop.patiently():
            pass
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(number)
    assert ended.value.code == 128 + number


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopFlag().listening():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_request_of_another_thread_is_noted_like_sigterm_and_interrupts_nothing() -> None:
    stop = StopFlag()
    with stop.listening():
        asker = threading.Thread(target=stop.request)
        asker.start()
        asker.join()
        assert stop()
        assert stop.signal == signal.SIGTERM


def test_a_request_after_a_signal_leaves_the_signal_as_it_was() -> None:
    stop = StopFlag()
    with stop.listening(), stop.patiently():
        signal.raise_signal(signal.SIGINT)
        stop.request()
    assert stop.signal == signal.SIGINT


def test_a_signal_after_a_request_ends_at_once() -> None:
    stop = StopFlag()
    with stop.listening(), stop.patiently():
        stop.request()
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGTERM)
