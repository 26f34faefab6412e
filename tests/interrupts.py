"""A plugin of the suite: the commands that tests start can be interrupted, also in a suite that runs in the background.

A shell without job control has what it starts with `&` ignore SIGINT, and every child inherits that. SIGHUP is left as
it is: where it is ignored, somebody asked for that with nohup.
"""

import signal


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
