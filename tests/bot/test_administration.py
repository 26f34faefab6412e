"""Settings for admins, the model for operators, and an audit row for each refusal and each confirmation."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from bot.administration import OPERATOR_ACTIONS
from core.errors import ConfigError, InvalidParameter, NotAllowed
from core.operators import read_operators
from core.records import AuditAction, Identity, Platform, WorkspaceSettings
from core.settings import load_settings
from storage import audit, clock
from storage.states import AdapterState
from storage.tables import AdapterRow
from tests.bot.audit_rows import audit_rows
from tests.bot.conftest import MakeSettings, Site, running_site
from tests.bot.people import ANNA, BEN, SLACK_ANNA

OPERATOR = Identity(platform=Platform.DISCORD, external_id="4242", locale="de")
DECIDED = WorkspaceSettings(
    midjourney_version="7", aspect_ratio="16:9", is_private=True, max_requests_per_day=20, language="de"
)


@pytest_asyncio.fixture(loop_scope="session")
async def ours(make_settings: MakeSettings) -> AsyncIterator[Site]:
    """Return a chat with one Discord operator and one adapter that could be promoted."""
    async with running_site(make_settings(operator_ids="discord:4242, slack:T9:U9")) as site:
        now = clock.utc_now()
        async with site.database.write() as session:
            session.add(
                AdapterRow(
                    id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
                    state=AdapterState.CANDIDATE,
                    base_model="models/pocket",
                    folder="adapters/one",
                    metrics={},
                    created_at=now,
                    updated_at=now,
                )
            )
        yield site


async def test_admin_changes_the_settings_of_their_own_workspace_alone(site: Site) -> None:
    administration = site.services.administration
    assert await administration.settings_of(ANNA) == WorkspaceSettings()
    assert await administration.change_settings(ANNA, DECIDED, is_workspace_admin=True) == DECIDED
    assert await administration.settings_of(BEN) == DECIDED
    assert await administration.settings_of(replace(ANNA, workspace_external_id="5002")) == WorkspaceSettings()
    assert await administration.settings_of(replace(ANNA, workspace_external_id=None)) == WorkspaceSettings()
    assert await audit_rows(site.database) == [(AuditAction.CHANGE_SETTINGS, True)]


async def test_settings_are_kept_in_their_canonical_spelling(site: Site) -> None:
    typed = WorkspaceSettings(midjourney_version="v8.2", aspect_ratio="016:9")
    changed = await site.services.administration.change_settings(ANNA, typed, is_workspace_admin=True)
    assert (changed.midjourney_version, changed.aspect_ratio) == ("8.2", "16:9")


async def test_whoever_is_no_admin_is_refused_and_recorded(site: Site) -> None:
    with pytest.raises(NotAllowed, match="Only admins"):
        await site.services.administration.change_settings(ANNA, DECIDED, is_workspace_admin=False)
    assert await site.services.administration.settings_of(ANNA) == WorkspaceSettings()
    assert await audit_rows(site.database) == [(AuditAction.CHANGE_SETTINGS, False)]


async def test_nobody_is_admin_outside_of_a_workspace(site: Site) -> None:
    nowhere = replace(ANNA, workspace_external_id=None)
    with pytest.raises(NotAllowed, match="belong to a server or workspace"):
        await site.services.administration.change_settings(nowhere, DECIDED, is_workspace_admin=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"midjourney_version": "99"}, "no Midjourney version '99'"),
        ({"aspect_ratio": "wide"}, "wide"),
        ({"aspect_ratio": "900:1"}, "900:1"),
        ({"aspect_ratio": "1:1 --stealth"}, "is not W:H"),
        ({"max_requests_per_day": 0}, "0 is no possible number"),
        ({"max_requests_per_day": 10_001}, "choose 1 to 10000"),
        ({"language": "tlh"}, "language 'tlh'; choose en, de"),
    ],
)
async def test_impossible_setting_is_refused_with_its_value_and_changes_nothing(
    site: Site, change: dict[str, object], sentence: str
) -> None:
    administration = site.services.administration
    await administration.change_settings(ANNA, DECIDED, is_workspace_admin=True)
    with pytest.raises(InvalidParameter, match=sentence):
        await administration.change_settings(ANNA, replace(DECIDED, **change), is_workspace_admin=True)
    assert await administration.settings_of(ANNA) == DECIDED


@pytest.mark.parametrize("action", OPERATOR_ACTIONS)
@pytest.mark.parametrize(
    "who",
    [
        ANNA,
        replace(OPERATOR, platform=Platform.SLACK),
        replace(OPERATOR, platform=Platform.WEB),
        replace(OPERATOR, external_id="42421"),
        replace(SLACK_ANNA, external_id="T1:U9"),
        Identity(platform=Platform.TERMINAL, external_id="4242"),
    ],
)
async def test_everybody_else_is_refused_with_an_audit_row_each(ours: Site, who: Identity, action: AuditAction) -> None:
    administration = ours.services.administration
    assert not administration.is_operator(who)
    with pytest.raises(NotAllowed, match="Only operators"):
        await administration.require_operator(who, action, details={"adapter": "what somebody typed"})
    with pytest.raises(NotAllowed):
        await administration.confirm(who, action, details={}, event_id="press-1")
    assert await audit_rows(ours.database) == [(action, False)] * 2
    async with ours.database.read() as session:
        kept = [entry.details for entry in await audit.recent(session, limit=5)]
    assert kept == [{}, {}]


async def test_refusal_keeps_the_name_of_an_adapter_that_there_is(ours: Site) -> None:
    administration = ours.services.administration
    (name,) = await administration.adapter_names()
    with pytest.raises(NotAllowed):
        await administration.require_operator(ANNA, AuditAction.PROMOTE, details={"adapter": name})
    async with ours.database.read() as session:
        assert [entry.details for entry in await audit.recent(session, limit=5)] == [{"adapter": name}]


async def test_nobody_is_operator_where_none_is_listed(site: Site) -> None:
    assert not site.services.administration.is_operator(OPERATOR)


async def test_model_status_says_what_serves(site: Site) -> None:
    status = await site.services.administration.model_status(ANNA)
    assert status.model is not None
    assert (status.model.base, status.is_ready, status.num_votes) == ("models/pocket", True, 0)


async def test_uninstalling_deletes_what_belongs_to_the_workspace(site: Site) -> None:
    await site.services.administration.change_settings(ANNA, DECIDED, is_workspace_admin=True)
    await site.service.ask(ANNA, "a boy")
    await site.services.administration.uninstalled(Platform.DISCORD, "5001")
    assert await site.service.history(ANNA, before=None, limit=5) == []
    assert await site.services.administration.settings_of(ANNA) == WorkspaceSettings()
    assert (await audit_rows(site.database))[-1] == (AuditAction.UNINSTALL, True)


def test_operators_are_read_from_a_comma_list() -> None:
    assert read_operators("") == frozenset()
    assert read_operators(" discord:1 , slack:T1:U1,web:abc,") == {
        (Platform.DISCORD, "1"),
        (Platform.SLACK, "T1:U1"),
        (Platform.WEB, "abc"),
    }


@pytest.mark.parametrize(
    "entry",
    ["4242", "discord", "discord:", "discord:anna", "irc:1", "slack:U1", "slack:T1:", "slack::U1", ":1", "Discord:1"],
)
def test_unreadable_operator_is_one_sentence_that_names_setting_and_entry(entry: str) -> None:
    with pytest.raises(ConfigError, match="OPERATOR_IDS: ") as raised:
        load_settings(_env_file=None, operator_ids=f"discord:1,{entry}")
    assert repr(entry) in str(raised.value)
