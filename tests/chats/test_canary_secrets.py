"""A canary in every credential: after a conversation full of errors, nothing that was written holds one.

One run has Slack by its socket, another one by signed requests with an installation from a browser, because no run
takes every credential. Everything is logged, and all that the process leaves behind is searched.
"""

import base64
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from bot.actions import Action
from core.records import FeedbackReason, Thumb, WorkspaceSettings
from core.settings import Settings
from tests.chats.bot_process import BotProcess
from tests.chats.house import Credentials, House, open_house
from tests.parity.chat import ChatPerson
from tests.parity.protocol import Refused, Wish
from tests.parity.waiting import until

IDEA = "a boy running in the snow"
OF_THE_SOCKET = frozenset({"slack_bot_token", "slack_app_token"})
OF_INSTALLATIONS = frozenset({"slack_client_secret"})


def credential_names() -> frozenset[str]:
    """Return every setting that holds a credential, so that a new one is searched for as well."""
    return frozenset(name for name, field in Settings.model_fields.items() if SecretStr in _types(field.annotation))


def canaries() -> dict[str, str]:
    """Return a value for each credential that nothing else looks like."""
    forms = {
        "slack_bot_token": "xoxb-{}",
        "slack_app_token": "xapp-1-{}",
        "discord_token": "MTIzNDU2Nzg5MDEy.{}",
    }
    made = {
        name: forms.get(name, "{}").format(f"Canary{number}Of{name.replace('_', '')}")
        for number, name in enumerate(sorted(credential_names()))
    }
    return made | {"token_encryption_keys": Fernet.generate_key().decode()}


def test_every_credential_is_given_to_one_of_the_runs() -> None:
    names = credential_names()

    assert len(names) >= 7
    assert names > OF_THE_SOCKET | OF_INSTALLATIONS


async def test_no_credential_is_written_anywhere_with_slack_by_its_socket(migrated_file: Path, tmp_path: Path) -> None:
    secrets = canaries()
    given = {name: value for name, value in secrets.items() if name not in OF_INSTALLATIONS}
    async with open_house(migrated_file, tmp_path, credentials=_for_fakes(secrets)) as house:
        house.discord.expected_violations = ("50035", "50027")
        async with house.bot(**_environment(given)) as bot:
            await _talks_with_errors(house)
            await _meets_the_web_chat(bot, secrets["web_password"])
            tokens = _interaction_tokens(house)
            assert await bot.terminate() == 0
        _nothing_is_written(house, secrets, bot)
        _no_address_is_kept(house, bot, tokens)


async def test_no_credential_is_written_anywhere_with_slack_installed_from_a_browser(
    migrated_file: Path, tmp_path: Path
) -> None:
    secrets = canaries()
    given = {name: value for name, value in secrets.items() if name not in OF_THE_SOCKET}
    port = _free_port()
    async with open_house(migrated_file, tmp_path, credentials=_for_fakes(secrets), is_installed=False) as house:
        by_requests = {"SLACK_PORT": str(port), "SLACK_CLIENT_ID": house.slack.client_id}
        unset = {name.upper(): "" for name in OF_THE_SOCKET}
        house.slack.transport, house.slack.request_url = "http", f"http://127.0.0.1:{port}/slack/events"
        async with house.bot(**_environment(given), **by_requests, **unset) as bot:
            await _installs(house, f"http://127.0.0.1:{port}")
            assert house.team.bot_token == secrets["slack_bot_token"]
            await _talks_with_errors(house)
            tokens = _interaction_tokens(house)
            assert await bot.terminate() == 0
        assert house.core.truth.value("SELECT count(*) FROM slack_bots") == 1
        _nothing_is_written(house, secrets, bot)
        _no_address_is_kept(house, bot, tokens)


async def _talks_with_errors(house: House) -> None:
    """Talk on both platforms so that refusals, faults of the platforms and lost connections happen as well."""
    for person in house.people():
        answer = await person.asks(IDEA)
        await person.presses(answer.prompts[0].id, Thumb.DOWN)
        await person.explains(answer.prompts[0].id, reason=FeedbackReason.OFF_TOPIC)
        await person.asks(IDEA, Wish(is_private=True))
        await _is_refused(person)
    for operator in (house.on_discord.operator(), house.on_slack.operator()):
        with suppress(Refused):  # there is nobody to learn from
            assert await operator.retrains()
    _order_faults(house)
    people = [person for _ in range(3) for person in house.people()]  # each meets some of the faults
    asked = [(person, await person.begins(IDEA)) for person in people]
    for person, request_id in asked:
        assert (await person.sees_answer(request_id)).prompts
    await _loses_connections(house)
    await until(
        lambda: house.core.truth.value("SELECT count(*) FROM outbox WHERE state = 'pending'") == 0, "end of sending"
    )


async def _is_refused(person: ChatPerson) -> None:
    with pytest.raises(Refused):
        await person.begins("a boy --ar banana")
    with pytest.raises(Refused):
        await person.forges(Action.UP, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    with pytest.raises(Refused):
        await person.changes_settings(WorkspaceSettings(midjourney_version="7"))
    with pytest.raises(Refused):
        await person.forges(Action.DELETE, "01ARZ3NDEKTSV4RRFFQ69G5FAV")


def _order_faults(house: House) -> None:
    """Let each way of sending an answer fail in each way once."""
    original = "/messages/@original"
    house.discord.rate_limit(original, method="PATCH")
    house.discord.faults.add(original, method="PATCH", status=500)
    house.discord.faults.add(original, method="PATCH", status=400, body={"code": 50035, "message": "Invalid Form Body"})
    house.discord.rate_limit("/messages", method="POST")
    house.discord.faults.add("/messages", method="POST", drop="before")
    house.slack.faults.add("chat.postMessage", drop="before")
    house.slack.faults.add("chat.postMessage", status=429, headers={"Retry-After": "1"})
    house.slack.faults.add("chat.update", status=500)
    house.slack.faults.add("chat.update", error="internal_error")


async def _loses_connections(house: House) -> None:
    await house.discord.drop_connections()
    await house.slack.drop_connections(abruptly=True)
    for person in house.people():
        assert (await person.asks(IDEA)).prompts


async def _meets_the_web_chat(bot: BotProcess, password: str) -> None:
    async with aiohttp.ClientSession(bot.address()) as browser:
        for given, status in (("wrong", 401), (password, 200)):
            headers = {"Authorization": aiohttp.encode_basic_auth("anybody", given)}
            async with browser.get("/api/status", headers=headers) as reply:
                assert reply.status == status


async def _installs(house: House, site: str) -> None:
    """Install the app as a browser does."""
    house.slack.installer = house.team.add_user("ida", is_admin=True)
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{site}/slack/install") as page:
            link = re.search(r'href="([^"]+authorize[^"]+)"', await page.text())
            cookie = page.headers["Set-Cookie"].partition(";")[0]
        assert link is not None
        address = link[1].replace("&amp;", "&").replace("redirect_uri=&", "")
        returning = urlencode({"redirect_uri": f"{site}/slack/oauth_redirect"})
        async with browser.get(f"{address}&{returning}", allow_redirects=False) as allowed:
            back = allowed.headers["Location"]
        async with browser.get(back, headers={"Cookie": cookie}) as last:
            assert last.status == 200


def _nothing_is_written(house: House, secrets: Mapping[str, str], bot: BotProcess) -> None:
    """Search every byte of every file that the run left, after seeing that there is something to search."""
    files = [file for file in house.folder.rglob("*") if file.is_file()]
    written = {file: file.read_bytes() for file in files}
    assert {house.core.file, bot.stdout, bot.stderr} <= set(written)
    assert IDEA.encode() in written[house.core.file] + written.get(Path(f"{house.core.file}-wal"), b"")
    assert b'"level": "debug"' in written[bot.stderr]
    found = [
        (name, file.name)
        for name, secret in secrets.items()
        for file, content in written.items()
        if any(form in content for form in _forms_of(secret))
    ]
    assert found == []


def _no_address_is_kept(house: House, bot: BotProcess, tokens: frozenset[str]) -> None:
    """Check that no interaction's token and no response_url is in the log, or in a row after its message is sent."""
    assert len(tokens) > 20
    log = bot.stderr.read_text(encoding="utf-8") + bot.stdout.read_text(encoding="utf-8")
    rows = "\n".join(house.core.truth.dump())
    assert IDEA in rows
    assert [token for token in tokens if token in log] == []
    assert [token for token in tokens if token in rows] == []


def _interaction_tokens(house: House) -> frozenset[str]:
    of_discord = {interaction.token for interaction in house.discord.interactions}
    of_slack = {delivery.response_url for delivery in house.slack.deliveries if delivery.response_url is not None}
    return frozenset(of_discord | of_slack)


def _forms_of(secret: str) -> Iterator[bytes]:
    """Return a credential as it is, and as URLs and headers carry it."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    for start in range(3):  # base64 of whatever stands before it
        yield base64.b64encode(b" " * start + secret.encode())[4:-4]


def _for_fakes(secrets: Mapping[str, str]) -> Credentials:
    return Credentials(
        discord_token=secrets["discord_token"],
        slack_bot_token=secrets["slack_bot_token"],
        slack_app_token=secrets["slack_app_token"],
        slack_signing_secret=secrets["slack_signing_secret"],
        slack_client_secret=secrets["slack_client_secret"],
    )


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in given.items()} | {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _types(annotation: object) -> tuple[object, ...]:
    return getattr(annotation, "__args__", (annotation,))
