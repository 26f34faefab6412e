"""The fake Slack's transports: reconnecting, late and double acknowledgements, retries, signatures."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.fakes.slack.people import Person, Place
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.tiny_app import client_of, http_app, socket_app
from tests.fakes.slack.workspaces import Team

impatient = pytest.mark.parametrize("slack", [0.3], indirect=True)


@pytest.fixture
async def slack(request: pytest.FixtureRequest) -> AsyncIterator[FakeSlack]:
    async with FakeSlack(ack_seconds=getattr(request, "param", None)) as slack:
        slack.retry_delays_seconds[:] = [0.0, 0.02, 0.02]
        yield slack


@pytest.fixture
def team(slack: FakeSlack) -> Team:
    return slack.add_team("Snow club")


@pytest.fixture
def alice(team: Team) -> Person:
    return team.add_user("alice")


@pytest.fixture
def here(team: Team, alice: Person) -> Place:
    return alice.at(team.add_channel("prompts"))


@pytest.mark.parametrize("abruptly", [False, True])
async def test_client_comes_back_and_gets_what_it_missed(
    slack: FakeSlack, team: Team, here: Place, abruptly: bool
) -> None:
    async with socket_app(slack, team) as app:
        await slack.drop_connections(abruptly=abruptly)
        assert not slack.is_connected
        await here.person.opens_home(wait=False)
        await slack.wait_for(lambda: app.seen == ["home"])
        assert slack.sockets.num_connected == 2


async def test_client_opens_a_new_socket_when_asked_to(slack: FakeSlack, team: Team, here: Place) -> None:
    async with socket_app(slack, team) as app:
        await slack.disconnect("refresh_requested")
        await slack.wait_for(lambda: slack.sockets.num_connected == 2 and len(slack.sockets.connections) == 1)
        assert (await here.slash("/ephemeral", "after")).is_acknowledged
        assert app.seen == ["after"]


@impatient
async def test_command_is_refused_when_no_socket_opens(slack: FakeSlack, here: Place) -> None:
    sent = await here.slash("/ask", "nobody there")
    await slack.wait_for(lambda: sent.error)
    assert sent.error == "app_did_not_respond"
    assert not sent.is_acknowledged


async def test_envelope_cut_off_before_its_acknowledgement_comes_again(slack: FakeSlack, alice: Person) -> None:
    async with aiohttp.ClientSession() as session, await _raw_socket(slack, session) as socket:
        await alice.opens_home(wait=False)
        first = await _next(socket, "events_api")
    async with aiohttp.ClientSession() as session, await _raw_socket(slack, session) as socket:
        second = await _next(socket, "events_api")
        await socket.send_json({"envelope_id": second["envelope_id"]})
        await slack.wait_for(lambda: slack.deliveries[0].is_acknowledged)
    assert first["payload"] == second["payload"]
    assert first["envelope_id"] != second["envelope_id"]
    assert (first["retry_attempt"], second["retry_attempt"]) == (0, 1)


@impatient
async def test_missing_acknowledgement_of_an_event_is_a_violation_and_makes_a_retry(
    slack: FakeSlack, alice: Person
) -> None:
    async with aiohttp.ClientSession() as session, await _raw_socket(slack, session) as socket:
        await alice.opens_home()
        numbers = [(await _next(socket, "events_api"))["retry_attempt"] for _ in range(4)]
        await slack.wait_for(lambda: len(slack.violations) == 4)
    assert numbers == [0, 1, 2, 3]
    for _ in numbers:
        slack.expect_violation("not acknowledged in time")


@impatient
async def test_missing_acknowledgement_of_a_command_is_shown_and_not_sent_again(slack: FakeSlack, here: Place) -> None:
    async with aiohttp.ClientSession() as session, await _raw_socket(slack, session) as socket:
        sent = await here.slash("/ask")
        await slack.wait_for(lambda: sent.error == "operation_timeout")
        await _next(socket, "slash_commands")
        await asyncio.sleep(0.1)
    slack.expect_violation("slash_commands was not acknowledged in time")
    assert sent.num_attempts == 1


async def test_second_acknowledgement_and_noise_are_violations(slack: FakeSlack, here: Place) -> None:
    async with aiohttp.ClientSession() as session, await _raw_socket(slack, session) as socket:
        await here.slash("/ask", wait=False)
        identity = (await _next(socket, "slash_commands"))["envelope_id"]
        for frame in ({"envelope_id": identity}, {"envelope_id": identity}, {"envelope_id": "other"}, {"x": 1}):
            await socket.send_json(frame)
        await slack.wait_for(lambda: len(slack.violations) == 3)
    slack.expect_violation("acknowledged twice")
    slack.expect_violation("is not open on this socket")
    slack.expect_violation("is no acknowledgement")


async def test_several_sockets_take_turns_and_an_address_opens_one(slack: FakeSlack, here: Place) -> None:
    async with aiohttp.ClientSession() as session:
        sockets = [await _raw_socket(slack, session) for _ in range(2)]
        for _ in sockets:
            await here.slash("/ask", wait=False)
        for socket in sockets:
            await socket.send_json({"envelope_id": (await _next(socket, "slash_commands"))["envelope_id"]})
        await slack.wait_for(lambda: all(each.is_acknowledged for each in slack.deliveries))
        async with session.get(f"{slack.world.base_url}/link?ticket=W0000000") as answer:
            assert answer.status == 404
        for socket in sockets:
            await socket.close()


@pytest.mark.parametrize("signature", ["wrong", "stale", "missing"])
async def test_request_with_a_bad_signature_is_refused_by_the_app(
    slack: FakeSlack, team: Team, here: Place, signature: str
) -> None:
    async with http_app(slack, team) as app:
        slack.signature = signature
        sent = await here.slash("/ephemeral", "let me in")
        assert (sent.status, sent.error, sent.is_acknowledged) == (401, "http_error", False)
        assert app.seen == []
        slack.signature = "valid"
        assert (await here.slash("/ephemeral", "now")).is_acknowledged


async def test_app_answers_the_challenge_of_its_request_url(slack: FakeSlack, team: Team) -> None:
    async with http_app(slack, team):
        assert await slack.challenge() == "a challenge"


async def test_failed_event_is_sent_three_times_more_over_http(slack: FakeSlack, alice: Person) -> None:
    async with _answering(slack, [500, 500, 500, 500, 200]) as requests:
        sent = await alice.opens_home()
        await slack.wait_for(lambda: len(requests) == 4)
        await asyncio.sleep(0.1)
    assert not sent.is_acknowledged
    assert [each.get("x-slack-retry-num") for each in requests] == [None, "1", "2", "3"]
    assert requests[1]["x-slack-retry-reason"] == "http_error"


async def test_event_is_acknowledged_by_a_retry_and_a_command_is_not_retried(
    slack: FakeSlack, alice: Person, here: Place
) -> None:
    async with _answering(slack, [500, 200]) as requests:
        event = await alice.opens_home()
        await slack.wait_for(lambda: event.is_acknowledged)
    async with _answering(slack, [500, 200]) as requests:
        assert (await here.slash("/ask")).error == "http_error"
        await asyncio.sleep(0.1)
    assert len(requests) == 1


async def test_app_may_ask_for_no_retry(slack: FakeSlack, alice: Person) -> None:
    async with _answering(slack, [500, 200], {"X-Slack-No-Retry": "1"}) as requests:
        await alice.opens_home()
        await asyncio.sleep(0.1)
    assert len(requests) == 1


@impatient
async def test_slow_answer_over_http_is_a_violation_and_a_dead_app_is_not(slack: FakeSlack, here: Place) -> None:
    async with _answering(slack, [200], delay_seconds=0.6):
        assert (await here.slash("/ask")).error == "timeout"
    slack.expect_violation("slash_commands was not acknowledged in time")
    assert (await here.slash("/ask")).error == "connection_failed"


async def test_long_run_keeps_only_the_latest_deliveries(slack: FakeSlack, here: Place) -> None:
    async with aiohttp.ClientSession() as session, await _raw_socket(slack, session) as socket:
        for _ in range(50):
            await asyncio.gather(*(here.slash("/ask", wait=False) for _ in range(100)))
            for _ in range(100):
                await socket.send_json({"envelope_id": (await _next(socket, "slash_commands"))["envelope_id"]})
        await slack.wait_for(lambda: slack.deliveries[-1].is_acknowledged)
        assert len(slack.deliveries) == 2_000
        assert slack.sockets.connections[0].unacknowledged == {}


async def _raw_socket(slack: FakeSlack, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    client = client_of(slack, None)
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    socket = await session.ws_connect(url)
    assert (await socket.receive_json())["type"] == "hello"
    return socket


async def _next(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    frame: dict[str, Any] = await socket.receive_json(timeout=2)
    assert frame["type"] == kind
    return frame


@asynccontextmanager
async def _answering(
    slack: FakeSlack, statuses: list[int], headers: dict[str, str] | None = None, *, delay_seconds: float = 0
) -> AsyncIterator[list[Mapping[str, str]]]:
    """Serve as an app that answers with `statuses` in turn; yield the headers of its requests."""
    requests: list[Mapping[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        requests.append(request.headers)
        await asyncio.sleep(delay_seconds)
        return web.Response(status=statuses[len(requests) - 1], headers=headers)

    app = web.Application()
    app.router.add_post("/slack/events", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.transport, slack.request_url = "http", f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    try:
        yield requests
    finally:
        await runner.cleanup()
