"""Bolt's question for each request: which bot account answers it. No call to Slack, at most one look at the store.

Bolt's own way would ask Slack (`auth.test`) for each request where the token is not known to it.
"""

from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.async_context import AsyncBoltContext

from bot.slack.clients import Accounts, Workspace
from core.errors import MjpromptError
from core.logs import get_logger

log = get_logger(__name__)


class AuthorizeByAccount(AsyncAuthorize):
    """Authorizes requests of workspaces where the app is installed; of any other, Bolt tells the person so."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def __call__(
        self,
        *,
        context: AsyncBoltContext,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        actor_enterprise_id: str | None = None,
        actor_team_id: str | None = None,
        actor_user_id: str | None = None,
    ) -> AuthorizeResult | None:
        if team_id is None:
            return None
        try:
            account = await self._accounts.find(Workspace(team_id=team_id, enterprise_id=enterprise_id))
        except MjpromptError as error:
            log.error("slack.not_authorized", team_id=team_id, error=type(error).__name__, reason=str(error))
            return None
        if account is None:
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_id=account.bot_id,
            bot_user_id=account.user_id,
            bot_token=account.token,
            user_id=user_id,
        )
