"""People on Discord and Slack, and what is asked and answered for them without any platform."""

import asyncio
from dataclasses import replace

from core.records import Identity, Platform, RequestView
from tests.bot.conftest import Site

ANNA = Identity(
    platform=Platform.DISCORD,
    external_id="1001",
    workspace_external_id="5001",
    conversation_external_id="7001",
    locale="en-US",
)
BEN = replace(ANNA, external_id="1002")
ELSEWHERE = replace(BEN, workspace_external_id="5002", conversation_external_id="7002")
SLACK_ANNA = Identity(
    platform=Platform.SLACK,
    external_id="T1:U1",
    workspace_external_id="T1",
    conversation_external_id="C1",
)
CHANNEL = {"route": "channel", "channel_id": "7001", "language": "en"}


async def answered(site: Site, who: Identity, request: RequestView) -> RequestView:
    """Wait for a request's answer."""
    async with asyncio.timeout(20):
        while not (view := await site.service.view(who, request.id)).state.is_final:
            await asyncio.sleep(0.02)
    return view


async def asked(site: Site, who: Identity, text: str = "a boy") -> RequestView:
    """Ask and wait for the answer."""
    return await answered(site, who, await site.service.ask(who, text))
