"""A plugin of the suite: a logged traceback is what Python prints, as in the product.

structlog's own shows every frame's variables. Where the variables are large, one takes seconds to write.
"""

import structlog


def pytest_configure() -> None:
    *processors, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, renderer])
