"""How long the fakes wait for an acknowledgement: the platforms' own three seconds, or longer where a suite says so.

The limit runs in real time. A machine that does much else may stop the whole process for seconds, bot and fake
alike; what a test states is that the bot does not wait for something slow, and that holds with a longer limit too.
"""

import os

PLATFORM_SECONDS = 3.0  # Discord's and Slack's
VARIABLE = "FAKES_PATIENCE"  # times longer than the platforms


def acknowledgement_seconds() -> float:
    """Return the limit that holds in this process."""
    return PLATFORM_SECONDS * float(os.environ.get(VARIABLE, "1"))
