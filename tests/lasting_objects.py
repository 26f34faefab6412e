"""A plugin of the suite: what is imported for the tests stays, and the garbage collector need not look through it.

A million objects are there before the first test. To look at all of them again and again takes a tenth of the
suite's time.
"""

import gc


def pytest_configure() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()
