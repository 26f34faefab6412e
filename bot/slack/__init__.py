"""Slack: commands, buttons, forms and the Home tab over Socket Mode or HTTP."""
