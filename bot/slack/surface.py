"""What the app asks Slack for, in one place: the manifests under configs/slack/ list the same, as a test compares."""

SCOPES = ("commands", "chat:write", "chat:write.public", "users:read")
MESSAGE_SHORTCUT = "make_prompt_of_this"

EVENTS_PATH = "/slack/events"
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"
