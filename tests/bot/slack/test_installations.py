"""Many workspaces on Slack: installing, encrypted tokens, keeping workspaces apart, and taking the app out."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from pydantic import SecretStr
from slack_sdk.oauth.installation_store import Bot
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore
from structlog.testing import capture_logs

from bot.slack.installations import InstallationStore, TokenCipher
from bot.slack.start import SlackChat
from core.errors import ConfigError, NotFound, StorageBusy
from core.records import AuditAction
from core.settings import load_settings
from storage.database import Database, open_database
from tests.bot.audit_rows import audit_rows
from tests.bot.slack.conftest import IDEA, World, running_world
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.workspaces import Team

KEY = Fernet.generate_key().decode()


class BusyAtFirst:
    """A call that meets a busy database twice."""

    def __init__(self, call: Callable[..., Awaitable[None]]) -> None:
        self._call = call
        self._num_busy = 2

    async def call(self, *values: object) -> None:
        if self._num_busy:
            self._num_busy -= 1
            raise StorageBusy("locked")
        await self._call(*values)


@pytest_asyncio.fixture(loop_scope="session")
async def world(slack: FakeSlack, socket_settings: dict[str, object]) -> AsyncIterator[World]:
    """A bot for many workspaces, with one that installed it."""
    oauth = {
        "slack_bot_token": None,
        "slack_app_token": None,
        "slack_signing_secret": slack.signing_secret,
        "slack_port": 0,
        "slack_client_id": slack.client_id,
        "slack_client_secret": slack.client_secret,
        "token_encryption_keys": KEY,
    }
    team = slack.add_team("Snow club", is_installed=False)
    settings = load_settings(_env_file=None, **(socket_settings | oauth))
    slack.transport = "http"
    async with running_world(slack, team, settings, team.add_user("olga")) as world:
        slack.request_url = f"http://127.0.0.1:{world.chat.port}/slack/events"
        assert await install(world, team) == 200
        yield world


async def install(world: World, team: Team, *, state: str | None = None, cookie: str | None = None) -> int:
    """Install the app as a browser does; return the status of the last page."""
    world.slack.installer = team.add_user("ida", is_admin=True)
    site = f"http://127.0.0.1:{world.chat.port}"
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{site}/slack/install") as page:
            link = re.search(r'href="([^"]+authorize[^"]+)"', await page.text())
            cookie = cookie if cookie is not None else page.headers["Set-Cookie"].partition(";")[0]
        assert link is not None
        # Slack takes the address from the app's configuration where the link names none.
        address = link[1].replace("&amp;", "&") + "&" + urlencode({"redirect_uri": f"{site}/slack/oauth_redirect"})
        async with browser.get(address.replace("redirect_uri=&", ""), allow_redirects=False) as allowed:
            back = allowed.headers["Location"]
        if state is not None:
            back = re.sub(r"state=[^&]+", f"state={state}", back)
        async with browser.get(back, headers={"Cookie": cookie}) as last:
            return last.status


def everything_stored(world: World) -> bytes:
    """Return every byte of the database's files."""
    file = Path(world.settings.database_url.partition("///")[2])
    return b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))


async def test_installed_workspace_is_served_with_its_own_token(world: World) -> None:
    await world.asked(world.alice)


async def test_no_token_can_be_read_in_the_database(world: World) -> None:
    token = world.team.bot_token
    assert token is not None
    stored = everything_stored(world)
    assert b"slack_bots" in stored
    assert token.encode() not in stored
    assert b"xoxb-" not in stored
    assert world.slack.client_secret.encode() not in stored


async def test_workspaces_see_nothing_of_each_other(world: World) -> None:
    answer = await world.asked(world.alice)
    other = world.slack.add_team("Sun club", is_installed=False)
    assert await install(world, other) == 200
    eve = other.add_user("eve").at(other.add_channel("prompts"))
    theirs = await world.asked(eve, "a sunny beach")
    mark = answer.buttons[0][1]
    await eve.click_forged(theirs, mark, mark)
    refusal = await world.private(eve, "There is no")
    assert IDEA not in refusal.text
    assert answer.buttons[0][0] == "👍 0"
    assert (AuditAction.FOREIGN_ID, False) in await audit_rows(world.database)
    with pytest.raises(NotFound):
        await world.services.chat.view_shared(world.identity(eve), (await world.requests(world.alice))[0])


async def test_operator_of_one_workspace_is_nobody_in_another(world: World) -> None:
    other = world.slack.add_team("Sun club", is_installed=False)
    assert await install(world, other) == 200
    owner = other.add_user("otto", is_owner=True).at(other.add_channel("prompts"))
    await owner.slash("/retrain")
    await world.private(owner, "Only operators")


async def test_workspace_without_an_installation_is_told_so(world: World) -> None:
    other = world.slack.add_team("Sun club", is_installed=False)
    place = other.add_user("eve").at(other.add_channel("prompts"))
    sent = await place.slash("/mjprompt", IDEA)
    assert sent.status == 200
    assert "not installed" in str(sent.ack_payload or sent.responses)
    assert await world.requests(place) == []


async def test_uninstalling_deletes_token_and_rows(world: World) -> None:
    await world.asked(world.alice)
    await world.team.uninstall_app()
    async with asyncio.timeout(5):
        while (AuditAction.UNINSTALL, True) not in await audit_rows(world.database):
            await asyncio.sleep(0.02)
    assert await world.requests(world.alice) == []
    store = world_store(world.database, KEY)
    assert await store.async_find_bot(enterprise_id=None, team_id=world.team.id) is None
    again = await world.alice.slash("/mjprompt", IDEA)
    assert again.status == 200
    assert await world.requests(world.alice) == []


async def test_uninstalling_waits_for_a_busy_database(world: World) -> None:
    """Slack is answered first and does not ask again, so that the workspace's rows stayed for ever."""
    await world.asked(world.alice)
    administration = world.services.administration
    administration.uninstalled = BusyAtFirst(administration.uninstalled).call
    await world.team.uninstall_app()
    async with asyncio.timeout(5):
        while (AuditAction.UNINSTALL, True) not in await audit_rows(world.database):
            await asyncio.sleep(0.02)
    assert await world.requests(world.alice) == []


async def test_revoked_tokens_of_people_leave_the_bot_installed(world: World) -> None:
    await world.team.send_event({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}})
    await world.asked(world.alice)


async def test_workspace_installs_again_after_taking_the_app_out(world: World) -> None:
    await world.team.uninstall_app()
    assert await install(world, world.team) == 200
    await world.asked(world.alice)


async def test_late_repeat_of_an_uninstall_leaves_the_installation_that_came_after_it(world: World) -> None:
    """Slack may tell an event again much later, and it used to delete what the workspace had installed meanwhile."""
    events = await world.team.uninstall_app()
    assert await install(world, world.team) == 200
    answer = await world.asked(world.alice)
    with capture_logs() as logs:  # Slack is answered before anything is done
        for event in events:
            event.payload["event_time"] -= 60
            await world.slack.replay(event)
        await world.slack.wait_for(lambda: [log["event"] for log in logs].count("slack.late_event_ignored") == 2)
    store = world_store(world.database, KEY)
    assert await store.async_find_bot(enterprise_id=None, team_id=world.team.id) is not None
    await world.alice.click(answer, "👍 0")
    assert len(await world.requests(world.alice)) == 1


async def test_repeated_uninstall_changes_nothing_more(world: World) -> None:
    for event in await world.team.uninstall_app():
        await world.slack.replay(event)
        assert event.status == 200


@pytest.mark.parametrize(("state", "cookie"), [("forged", None), (None, "slack-app-oauth-state=forged"), (None, "")])
async def test_installation_that_another_browser_began_is_refused(
    world: World, state: str | None, cookie: str | None
) -> None:
    other = world.slack.add_team("Sun club", is_installed=False)
    assert await install(world, other, state=state, cookie=cookie) in (400, 401)
    assert not other.is_installed


async def test_refused_installation_leaves_nothing(world: World) -> None:
    other = world.slack.add_team("Sun club", is_installed=False)
    world.slack.installations.is_denied = True
    assert await install(world, other) == 200
    world.slack.installations.is_denied = False
    assert not other.is_installed


def world_store(database: Database, keys: str) -> InstallationStore:
    inner = AsyncSQLAlchemyInstallationStore(client_id="111.222", engine=database.engine_for_sdk())
    return InstallationStore(inner, TokenCipher(keys))


async def test_token_is_written_anew_under_the_first_key(database_file: Path) -> None:
    database = open_database(f"sqlite+aiosqlite:///{database_file}")
    try:
        old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
        secrets = {"bot_token": "xoxb-9", "bot_refresh_token": "xoxe-1"}
        bot = Bot(app_id="A", team_id="T1", bot_id="B", bot_user_id="U", installed_at=1.0, **secrets)
        await world_store(database, old).async_save_bot(bot)
        found = await world_store(database, f"{new}, {old}").async_find_bot(enterprise_id=None, team_id="T1")
        assert found is not None
        assert (found.bot_token, found.bot_refresh_token) == ("xoxb-9", "xoxe-1")
        again = await world_store(database, new).async_find_bot(enterprise_id=None, team_id="T1")
        assert again is not None
        assert again.bot_token == "xoxb-9"
        with pytest.raises(ConfigError, match="add the old key"):
            await world_store(database, old).async_find_bot(enterprise_id=None, team_id="T1")
    finally:
        await database.close()


@pytest.mark.parametrize("keys", ["", " , ", "short", f"{KEY},broken"], ids=["empty", "comma", "short", "one broken"])
def test_keys_that_are_no_fernet_keys_are_refused_without_quoting_them(keys: str) -> None:
    with pytest.raises(ConfigError, match="TOKEN_ENCRYPTION_KEYS") as refusal:
        TokenCipher(keys)
    assert KEY not in str(refusal.value)


async def test_wrong_keys_stop_the_start(world: World) -> None:
    settings = world.settings.model_copy(update={"token_encryption_keys": SecretStr("broken")})
    with pytest.raises(ConfigError, match="TOKEN_ENCRYPTION_KEYS"):
        await SlackChat(world.services, settings, world.database).start()
