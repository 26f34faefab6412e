"""Workspaces that installed the app, their bot tokens encrypted at rest.

Of an installation only the bot is kept: the app asks for no user token and no incoming webhook. The first key of
TOKEN_ENCRYPTION_KEYS encrypts; the others still decrypt, and what they decrypt is written anew under the first one.
It does not know who asks for a token.
"""

import logging
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from slack_bolt.error import BoltError
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore

from core.errors import ConfigError, MjpromptError
from storage.faults import translated_faults

PLACE = "of Slack's installations"  # as sentences about its faults name it


class TokenCipher:
    """Encrypts with the first of several keys and decrypts with any."""

    def __init__(self, keys: str) -> None:
        """Take a comma list of Fernet keys, the newest first.

        Raises:
            ConfigError: there is no key, or one that is no Fernet key; the sentence tells how to make one.
        """
        parts = [part.strip() for part in keys.split(",") if part.strip()]
        try:
            fernets = [Fernet(part) for part in parts]
            self._newest, self._all = fernets[0], MultiFernet(fernets)
        except (ValueError, IndexError) as error:
            raise ConfigError(
                "TOKEN_ENCRYPTION_KEYS has to be one or more Fernet keys with commas between them; make one with "
                '`python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"`.'
            ) from error

    def encrypt(self, text: str) -> str:
        return self._newest.encrypt(text.encode()).decode()

    def decrypt(self, text: str) -> str:
        """Return the plain text.

        Raises:
            ConfigError: none of the keys made it.
        """
        try:
            return self._all.decrypt(text.encode()).decode()
        except InvalidToken as error:
            raise ConfigError(
                "A stored Slack token was encrypted with a key that TOKEN_ENCRYPTION_KEYS lacks; "
                "add the old key after the new one, or install the app again."
            ) from error

    def is_newest(self, text: str) -> bool:
        """Tell whether the first key made it."""
        try:
            self._newest.decrypt(text.encode())
        except InvalidToken:
            return False
        return True


class InstallationStore(AsyncInstallationStore):
    """Slack's own store of installations with tokens that nobody can read in the database."""

    def __init__(self, inner: AsyncSQLAlchemyInstallationStore, cipher: TokenCipher) -> None:
        self._inner = inner
        self._cipher = cipher

    @property
    def logger(self) -> logging.Logger:
        return self._inner.logger

    async def async_save(self, installation: Installation) -> None:
        """Keep the bot of a fresh installation in place of the workspace's earlier ones.

        Raises:
            BoltError: it is of a whole organisation, which the app is not made for, or it cannot be stored; the browser
                shows a page for that.
        """
        if installation.is_enterprise_install or installation.team_id is None or installation.bot_token is None:
            raise BoltError("The app can be installed in single workspaces only.")
        try:
            await self.async_delete_bot(enterprise_id=installation.enterprise_id, team_id=installation.team_id)
            await self.async_save_bot(installation.to_bot())
        except MjpromptError as error:
            raise BoltError("The installation could not be stored.") from error

    async def async_save_bot(self, bot: Bot) -> None:
        with translated_faults(PLACE):
            await self._inner.async_save_bot(self._changed(bot, self._cipher.encrypt))

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """Return the workspace's bot with its tokens in plain text, None when the app is not installed there.

        Raises:
            ConfigError: the tokens were encrypted with a key that is gone.
        """
        with translated_faults(PLACE):
            kept = await self._inner.async_find_bot(
                enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
            )
        if kept is None:
            return None
        bot = self._changed(kept, self._cipher.decrypt)
        if not self._cipher.is_newest(kept.bot_token):
            await self.async_save_bot(bot)
        return bot

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        with translated_faults(PLACE):
            await self._inner.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    @staticmethod
    def _changed(bot: Bot, change: Callable[[str], str]) -> Bot:
        copy = Bot(**bot.to_dict_for_copying())
        copy.bot_token = change(bot.bot_token)
        if bot.bot_refresh_token is not None:
            copy.bot_refresh_token = change(bot.bot_refresh_token)
        return copy
