"""Discord: the bot's commands, buttons and forms on it, and the gateway that delivers answers there."""
