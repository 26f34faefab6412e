"""A strict Slack on loopback: the Web API, Socket Mode, signed requests and the installation flow."""
