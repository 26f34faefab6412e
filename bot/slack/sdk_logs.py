"""What Slack's SDK may log: warnings and errors, without credentials and without what people typed.

At INFO and DEBUG the SDK writes whole payloads, and its errors may quote an address that is a credential itself.
"""

import logging
import re
from functools import cache

LOGGER_NAME = "slack"
_CREDENTIAL = re.compile(
    r"xox[a-z]-[\w.-]+|xapp-[\w.-]+|xoxe\.[\w.-]+|(?:https?|wss?)://[^\s'\"]+|(?<=code: )\S+|\{.*\}", re.DOTALL
)


class _Redact(logging.Filter):
    """Keep the sentence of a record; drop addresses, tokens, payloads and the traceback that may quote them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _CREDENTIAL.sub("(removed)", record.getMessage()), ()
        record.exc_info = record.exc_text = None
        return True


@cache
def sdk_logger() -> logging.Logger:
    """Return the logger for all of Slack's SDK; it never goes below WARNING, whatever LOG_LEVEL says."""
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(max(logging.WARNING, logging.getLogger().getEffectiveLevel()))
    logger.addFilter(_Redact())
    return logger
