"""Strict stand-ins for Discord and Slack, on loopback."""
