"""The fake Slack's Web API: tokens, scopes, channels, triggers, faults, rates, and the installation flow."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack.people import Place
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.tiny_app import SCOPES, browser, client_of, form, oauth_app, socket_app
from tests.fakes.slack.workspaces import Team


@pytest.fixture
async def slack(request: pytest.FixtureRequest) -> AsyncIterator[FakeSlack]:
    async with FakeSlack(trigger_seconds=getattr(request, "param", None)) as slack:
        yield slack


@pytest.fixture
def team(slack: FakeSlack) -> Team:
    return slack.add_team("Snow club")


@pytest.fixture
def client(slack: FakeSlack, team: Team) -> AsyncWebClient:
    return client_of(slack, team.bot_token)


@pytest.fixture
def here(team: Team) -> Place:
    return team.add_user("alice", is_admin=True, locale="de-DE").at(team.add_channel("prompts"))


async def error_of(work: Awaitable[object]) -> str:
    with pytest.raises(SlackApiError) as caught:
        await work
    return str(caught.value.response["error"])


async def test_leaving_with_a_violation_fails() -> None:
    with pytest.raises(AssertionError, match="Slack's rules were broken:\n- no such thing"):
        async with FakeSlack() as slack:
            slack.world.violation("no such thing")


async def test_failure_of_the_test_itself_is_not_hidden_by_violations() -> None:
    with pytest.raises(ValueError, match="the test") as caught:
        async with FakeSlack() as slack:
            slack.world.violation("no such thing")
            raise ValueError("the test")
    assert "no such thing" in caught.value.__notes__[0]


async def test_unknown_method_is_a_violation(slack: FakeSlack, client: AsyncWebClient) -> None:
    assert await error_of(client.conversations_history(channel="C1")) == "unknown_method"
    slack.expect_violation("conversations.history")


@pytest.mark.parametrize(("token", "error"), [("xoxb-wrong", "invalid_auth"), ("", "not_authed")])
async def test_token_is_checked(slack: FakeSlack, token: str, error: str) -> None:
    assert await error_of(client_of(slack, token).auth_test()) == error


async def test_each_kind_of_token_has_its_methods(slack: FakeSlack, client: AsyncWebClient) -> None:
    assert await error_of(client_of(slack, slack.app_token).auth_test()) == "not_allowed_token_type"
    assert await error_of(client.apps_connections_open(app_token=client.token or "")) == "not_allowed_token_type"


async def test_missing_scope_is_a_violation(slack: FakeSlack, client: AsyncWebClient, here: Place) -> None:
    assert await error_of(client.conversations_open(users=here.person.id)) == "missing_scope"
    slack.expect_violation("conversations.open was called without the scope im:write")


async def test_answer_names_the_scopes_of_the_token(client: AsyncWebClient, team: Team) -> None:
    answer = await client.auth_test()
    assert answer.headers["x-oauth-scopes"] == "commands,chat:write,chat:write.public,users:read"
    assert (answer["team_id"], answer["bot_id"]) == (team.id, team.bot_id)


async def test_arguments_are_read_from_query_form_and_json(slack: FakeSlack, team: Team, here: Place) -> None:
    url, arguments = f"{slack.api_base}users.info", {"user": here.person.id}
    headers = {"Authorization": f"Bearer {team.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        requests: list[tuple[str, dict[str, Any]]] = [
            ("GET", {"params": arguments}),
            ("POST", {"data": arguments}),
            ("POST", {"json": arguments}),
        ]
        for method, more in requests:
            async with session.request(method, url, **more) as answer:
                assert (await answer.json())["user"]["is_admin"] is True


async def test_person_has_a_locale_only_when_asked_for(client: AsyncWebClient, team: Team, here: Place) -> None:
    assert "locale" not in (await client.users_info(user=here.person.id))["user"]
    assert (await client.users_info(user=here.person.id, include_locale=True))["user"]["locale"] == "de-DE"
    stranger = team.add_user("eve", is_stranger=True)
    user = (await client.users_info(user=stranger.id))["user"]
    assert user["is_stranger"] is False
    assert user["team_id"] != team.id
    assert "is_admin" not in user
    assert await error_of(client.users_info(user="U9999999")) == "user_not_found"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"is_bot_member": False}, None),
        ({"is_bot_member": False, "is_private": True}, "channel_not_found"),
        ({"is_archived": True}, "is_archived"),
        ({"is_private": True}, None),
    ],
)
async def test_posting_depends_on_the_channel(
    client: AsyncWebClient, team: Team, options: dict[str, bool], error: str | None
) -> None:
    channel = team.add_channel("other", **options)
    if error is None:
        await client.chat_postMessage(channel=channel.id, text="hello")
        assert [message.text for message in channel.messages] == ["hello"]
    else:
        assert await error_of(client.chat_postMessage(channel=channel.id, text="hello")) == error


async def test_public_channel_needs_membership_without_the_wider_scope() -> None:
    async with FakeSlack(bot_scopes=("chat:write",)) as slack:
        team = slack.add_team("Snow club")
        channel = team.add_channel("other", is_bot_member=False)
        client = client_of(slack, team.bot_token)
        assert await error_of(client.chat_postMessage(channel=channel.id, text="hello")) == "not_in_channel"


async def test_posting_to_a_person_is_a_direct_message(client: AsyncWebClient, team: Team, here: Place) -> None:
    answer = await client.chat_postMessage(channel=here.person.id, text="psst")
    assert answer["channel"].startswith("D")
    assert [message.text for message in team.direct_messages(here.person)] == ["psst"]
    assert here.channel.messages == []
    by_person = client.chat_update(channel=here.person.id, ts=answer["ts"], text="changed")
    assert await error_of(by_person) == "channel_not_found"


async def test_message_is_updated_and_deleted(client: AsyncWebClient, here: Place) -> None:
    ts = (await client.chat_postMessage(channel=here.channel.id, text="first"))["ts"]
    await client.chat_update(channel=here.channel.id, ts=ts, text="second")
    message = here.channel.messages[0]
    assert (message.text, [edit.fallback for edit in message.edits]) == ("second", ["first"])
    await client.chat_delete(channel=here.channel.id, ts=ts)
    assert message.is_deleted
    assert await error_of(client.chat_update(channel=here.channel.id, ts=ts, text="third")) == "message_not_found"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "<!channel>"}, "no_text"),
        ({"text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"text": "x", "link_names": True}, "no_text"),
    ],
)
async def test_bad_message_is_refused_and_a_violation(
    slack: FakeSlack, client: AsyncWebClient, here: Place, content: dict[str, Any], error: str
) -> None:
    assert await error_of(client.chat_postMessage(channel=here.channel.id, **content)) == error
    slack.expect_violation("chat.postMessage")
    assert here.channel.messages == []


async def test_trigger_opens_one_modal(slack: FakeSlack, client: AsyncWebClient, here: Place) -> None:
    trigger_id = (await here.slash("/form", wait=False)).trigger_id or ""
    await client.views_open(trigger_id=trigger_id, view=form())
    assert await error_of(client.views_open(trigger_id=trigger_id, view=form())) == "exchanged_trigger_id"
    assert await error_of(client.views_open(trigger_id="1.2", view=form())) == "invalid_trigger_id"
    for error in ("exchanged", "invalid"):
        slack.expect_violation(f"without a live trigger_id: {error}_trigger_id")


@pytest.mark.parametrize("slack", [0.05], indirect=True)
async def test_trigger_expires(slack: FakeSlack, client: AsyncWebClient, here: Place) -> None:
    trigger_id = (await here.slash("/form", wait=False)).trigger_id or ""
    await asyncio.sleep(0.06)
    assert await error_of(client.views_open(trigger_id=trigger_id, view=form())) == "expired_trigger_id"
    slack.expect_violation("without a live trigger_id: expired_trigger_id")


async def test_bad_view_is_refused_and_a_violation(slack: FakeSlack, client: AsyncWebClient, here: Place) -> None:
    trigger_id = (await here.slash("/form", wait=False)).trigger_id or ""
    view = form() | {"title": {"type": "plain_text", "text": "x" * 25}}
    assert await error_of(client.views_open(trigger_id=trigger_id, view=view)) == "invalid_arguments"
    slack.expect_violation("views.open: a modal's title has 25 characters")


async def test_modal_is_pushed_and_updated(slack: FakeSlack, client: AsyncWebClient, here: Place) -> None:
    triggers = [(await here.slash("/form", wait=False)).trigger_id or "" for _ in range(2)]
    await client.views_open(trigger_id=triggers[0], view=form())
    pushed = (await client.views_push(trigger_id=triggers[1], view=form()))["view"]
    assert pushed["previous_view_id"] == here.person.views[0].id
    title = {"type": "plain_text", "text": "Changed"}
    await client.views_update(view_id=pushed["id"], hash=pushed["hash"], view=form() | {"title": title})
    assert [view.title for view in here.person.views] == ["Remix", "Changed"]
    stale = client.views_update(view_id=pushed["id"], hash=pushed["hash"], view=form())
    assert await error_of(stale) == "hash_conflict"


async def test_limit_is_answered_with_retry_after_which_the_sdk_keeps(
    slack: FakeSlack, client: AsyncWebClient, here: Place
) -> None:
    slack.faults.add("chat.postMessage", status=429, headers={"Retry-After": "1"})
    started = time.monotonic()
    await client.chat_postMessage(channel=here.channel.id, text="hello")
    assert time.monotonic() - started >= 1
    assert len(here.channel.messages) == 1


async def test_second_post_within_a_second_is_refused_when_rates_are_enforced(
    slack: FakeSlack, client: AsyncWebClient, here: Place
) -> None:
    for _ in range(2):
        await client.chat_postMessage(channel=here.channel.id, text="hello")
    assert slack.rates.highest == {here.channel.id: 2}
    slack.enforce_rate_limits = True
    client.retry_handlers.clear()
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=here.channel.id, text="hello")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize(("drop", "num_posted"), [("before", 0), ("after", 1)])
async def test_connection_is_cut_before_or_after_the_effect(
    slack: FakeSlack, client: AsyncWebClient, here: Place, drop: Literal["before", "after"], num_posted: int
) -> None:
    client.retry_handlers.clear()
    slack.faults.add("chat.postMessage", drop=drop)
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=here.channel.id, text="hello")
    assert len(here.channel.messages) == num_posted


async def test_fault_answers_as_often_as_ordered(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.faults.add("auth.test", error="fatal_error", times=2, delay_seconds=0.01)
    assert [await error_of(client.auth_test()) for _ in range(2)] == ["fatal_error"] * 2
    await client.auth_test()


async def test_uninstalling_tells_the_app_and_kills_the_token(
    slack: FakeSlack, client: AsyncWebClient, team: Team
) -> None:
    async with socket_app(slack, team) as app:
        await team.uninstall_app()
        await slack.wait_for(lambda: sorted(app.seen) == ["app_uninstalled", "tokens_revoked"])
    assert not team.is_installed
    assert await error_of(client.auth_test()) == "account_inactive"


async def test_revoked_token_is_dead(client: AsyncWebClient, team: Team) -> None:
    assert (await client.auth_revoke())["revoked"]
    assert await error_of(client.auth_test()) == "token_revoked"


async def test_app_is_installed_through_the_browser_and_serves_the_team(slack: FakeSlack, tmp_path: Path) -> None:
    team = slack.add_team("Ski club", is_installed=False)
    bob = slack.installer = team.add_user("bob", is_admin=True)
    async with oauth_app(slack, str(tmp_path)) as (app, install_url), browser() as session:
        assert not team.is_installed
        async with session.get(install_url, allow_redirects=False) as answer:
            cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
            authorize_url = answer.headers["Location"]
        async with session.get(authorize_url, allow_redirects=False) as answer:
            callback_url = answer.headers["Location"]
        async with session.get(callback_url, cookies=cookies) as answer:
            assert answer.status == 200, await answer.text()
        assert team.scopes == tuple(SCOPES)
        here = bob.at(team.add_channel("slopes"))
        await here.slash("/ask", "a girl")
        await slack.wait_for(lambda: here.channel.messages)
        assert app.seen == ["a girl"]


async def test_code_is_exchanged_once_by_the_right_client(slack: FakeSlack, team: Team) -> None:
    slack.installer = team.add_user("bob")
    query = {"client_id": slack.client_id, "scope": "commands", "state": "s", "redirect_uri": "http://127.0.0.1/back"}
    async with browser() as session, session.get(slack.authorize_url, params=query, allow_redirects=False) as answer:
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["s"]
    client, code = client_of(slack, None), back["code"][0]

    def access(code: str = code, secret: str = slack.client_secret, client_id: str = slack.client_id) -> Awaitable[Any]:
        return client.oauth_v2_access(client_id=client_id, client_secret=secret, code=code)

    assert await error_of(access(client_id="other")) == "invalid_client_id"
    assert await error_of(access(secret="wrong")) == "bad_client_secret"
    assert await error_of(access(code="other")) == "invalid_code"
    assert (await access())["access_token"] == team.bot_token
    assert await error_of(access()) == "code_already_used"


async def test_installation_page_without_a_state_is_a_violation_and_denial_is_told(
    slack: FakeSlack, team: Team
) -> None:
    slack.installations.is_denied = True
    query = {"client_id": slack.client_id, "scope": "commands", "redirect_uri": "http://127.0.0.1/back"}
    async with browser() as session, session.get(slack.authorize_url, params=query, allow_redirects=False) as answer:
        assert "error=access_denied" in answer.headers["Location"]
    slack.expect_violation("without a state")
