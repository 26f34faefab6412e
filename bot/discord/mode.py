"""Whether Discord is wanted, as the settings decide it.

It knows no SDK, so that a bot without Discord need not import one.
"""

from core.settings import Settings


def is_configured(settings: Settings) -> bool:
    """Tell whether the settings ask for Discord."""
    return settings.discord_token is not None
