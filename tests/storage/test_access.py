"""Who may see what: decided by where it was asked and where the person is, told to nobody else."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ForeignId, NotFound
from core.records import Identity, Platform
from storage import access
from storage.access import Origin, may_see

PLACES = st.sampled_from([None, "a", "b"])
ORIGINS = st.builds(
    Origin,
    request_id=st.just("r"),
    user_id=st.sampled_from(["ann", "bob"]),
    platform=st.sampled_from(Platform),
    is_private=st.booleans(),
    workspace_external_id=PLACES,
    conversation_external_id=PLACES,
)
IDENTITIES = st.builds(
    Identity,
    platform=st.sampled_from(Platform),
    external_id=st.just("x"),
    workspace_external_id=PLACES,
    conversation_external_id=PLACES,
)


@given(origin=ORIGINS, identity=IDENTITIES)
def test_ones_own_is_seen_from_anywhere(origin: Origin, identity: Identity):
    assert may_see(origin, identity=identity, user_id=origin.user_id)


@given(origin=ORIGINS, identity=IDENTITIES, user_id=st.sampled_from([None, "cid"]))
def test_somebody_elses_is_seen_exactly_where_it_was_shown(origin: Origin, identity: Identity, user_id: str | None):
    asked_at = (origin.workspace_external_id, origin.conversation_external_id)
    is_at = (identity.workspace_external_id, identity.conversation_external_id)
    meets = any(there is not None and there == here for there, here in zip(asked_at, is_at, strict=True))
    is_everybodys = asked_at == (None, None) and origin.platform in (Platform.WEB, Platform.TERMINAL)
    expected = not origin.is_private and origin.platform == identity.platform and (meets or is_everybodys)
    assert may_see(origin, identity=identity, user_id=user_id) is expected


BOB = Identity(
    platform=Platform.DISCORD, external_id="bob", workspace_external_id="server", conversation_external_id="channel"
)
ELSEWHERE = replace(BOB, workspace_external_id="other", conversation_external_id="another")


async def require(world, request, identity: Identity) -> str:
    """Require access to a request and to one of its candidates; return what the latter tells."""
    user_id = await world.user(identity.external_id)
    async with world.database.read() as session:
        await access.require_access(session, request.id, identity=identity, user_id=user_id)
        candidate_id = request.candidates[0].id
        return await access.require_candidate_access(session, candidate_id, identity=identity, user_id=user_id)


@pytest.mark.parametrize(("workspace", "conversation"), [("server", "x"), (None, "channel"), ("server", "channel")])
async def test_a_request_is_open_to_those_who_are_where_it_was_asked(world, workspace, conversation):
    request = await world.answered("ann", workspace=workspace, conversation=conversation)
    assert await require(world, request, BOB) == request.id
    with pytest.raises(ForeignId):
        await require(world, request, ELSEWHERE)


async def test_a_private_request_is_open_to_its_person_only(world):
    request = await world.answered("ann", workspace="server", is_private=True)
    assert await require(world, request, replace(ELSEWHERE, external_id="ann")) == request.id
    with pytest.raises(ForeignId):
        await require(world, request, BOB)


async def test_a_direct_message_on_a_chat_platform_is_open_to_its_person_only(world):
    request = await world.answered("ann")
    with pytest.raises(ForeignId):
        await require(world, request, replace(BOB, workspace_external_id=None, conversation_external_id=None))


async def test_what_is_not_there_and_what_is_not_theirs_are_told_in_the_same_words(world):
    request = await world.answered("ann", workspace="server")
    candidate = request.candidates[0]
    for check, here in product((access.require_access, access.require_candidate_access), (True, False)):
        wanted = request.id if check is access.require_access else candidate.id
        asked_for = wanted if here else "X" * 26
        async with world.database.read() as session:
            with pytest.raises(NotFound) as refused:
                await check(session, asked_for, identity=ELSEWHERE, user_id=None)
        noun = "request" if check is access.require_access else "prompt"
        assert type(refused.value) is (ForeignId if here else NotFound)
        assert str(refused.value) == f"There is no {noun} {asked_for} here; it may have been deleted."
