"""Names and descriptions of the commands in every language that has texts; Discord shows each person their own.

English is what Discord falls back to. A language's file reaches all of Discord's locales of that language.
"""

from typing import Any

import discord
from discord import app_commands
from discord.app_commands import TranslationContextTypes, locale_str

from bot.catalog import FALLBACK_LANGUAGE, Catalogs

_KEY = "key"

Command = app_commands.Command[Any, ..., None]


class CommandWords:
    """The texts of the commands, each with its key for the translator."""

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs

    def name(self, command: str) -> locale_str:
        """Return the name of `mjprompt` or `model.show`."""
        return self.text(f"commands.{command}.name")

    def description(self, command: str) -> locale_str:
        """Return a command's description."""
        return self.text(f"commands.{command}.description")

    def option_name(self, command: str, option: str) -> locale_str:
        """Return the name of a command's option."""
        return self.text(f"commands.{command}.options.{option}.name")

    def option(self, command: str, option: str) -> locale_str:
        """Return the description of a command's option."""
        return self.text(f"commands.{command}.options.{option}.description")

    def text(self, key: str) -> locale_str:
        """Return any text, as a choice's name."""
        return locale_str(self._catalogs.text(FALLBACK_LANGUAGE, key), **{_KEY: key})


class CatalogTranslator(app_commands.Translator):
    """Translates what CommandWords made, from the catalogs."""

    def __init__(self, catalogs: Catalogs) -> None:
        super().__init__()
        self._catalogs = catalogs

    async def translate(
        self, string: locale_str, locale: discord.Locale, context: TranslationContextTypes
    ) -> str | None:
        """Return the text in `locale`; None where its language has no texts, and where there is nothing to look up."""
        key = string.extras.get(_KEY)
        language = self._catalogs.language(locale.value)
        is_known = language != FALLBACK_LANGUAGE or locale.value.startswith(f"{FALLBACK_LANGUAGE}-")
        return self._catalogs.text(language, str(key)) if key is not None and is_known else None
