"""Every slash command and what it runs; the manifests list the same names."""

from collections.abc import Mapping

from bot.slack.commands import asking, model, panels
from bot.slack.errors import Handler

COMMANDS: Mapping[str, Handler] = {
    "mjprompt": asking.mjprompt,
    "history": panels.history,
    "favorites": panels.favorites,
    "queue": panels.queue,
    "cancel": panels.cancel,
    "privacy": panels.privacy,
    "model": model.model,
    "retrain": model.retrain,
    "settings": panels.settings,
}
