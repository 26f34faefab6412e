"""The settings and logs of one command, read when the command starts."""

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings import Settings


def read_settings(**overrides: object) -> "Settings":
    """Read the settings, `overrides` that are not None included, and set the logs up."""
    from core.logs import configure_logs
    from core.settings import load_settings

    settings = load_settings(**{name: value for name, value in overrides.items() if value is not None})
    configure_logs(level=settings.log_level, form=settings.log_format)
    return settings


def print_json(value: object) -> None:
    """Print one JSON value as one line."""
    sys.stdout.write(json.dumps(value) + "\n")
