"""The slash commands: asking, lists and panels, the shared model, and the table of all."""
