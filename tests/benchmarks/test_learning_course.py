"""A whole course at a stand-in for the chat: people agree, vote, see a cycle through, and the gain is measured."""

import asyncio

import pytest

from benchmarks import learning_people
from benchmarks.learning_chat import MEASURER, OPERATOR, open_chat
from benchmarks.learning_course import take_course
from benchmarks.learning_pace import Pacer, steadily
from benchmarks.learning_people import Refused, visitor_id_of
from benchmarks.learning_scenario import Scenario
from benchmarks.raters import LikesShort, crowd
from tests.benchmarks.stand_in_chat import ADAPTER, StandInChat, stand_in

TASTE = LikesShort("short", 4)
PEOPLE = crowd(TASTE, num_honest=3)
SCENARIO = Scenario(asked=("a fox", "an owl"), held_out=("a whale", "a robot"), num_cycles=1, num_votes=10)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr("benchmarks.learning_people.RETRY_SECONDS", 0.0)
    monkeypatch.setattr("benchmarks.learning_chat.LOOK_SECONDS", 0.0)


def everybody(*, num_busy: int = 0) -> StandInChat:
    return StandInChat(OPERATOR, MEASURER, *(rater.name for rater in PEOPLE.raters), num_busy=num_busy)


async def test_course_measures_what_a_promoted_cycle_changed_on_subjects_that_nobody_asked():
    site, told = everybody(), []
    async with stand_in(site) as address, open_chat(address, PEOPLE, SCENARIO) as chat:
        rows = await take_course(chat, PEOPLE, TASTE, SCENARIO, site, report=told.append)
    row = rows[0]
    assert rows == told
    assert (row["state"], row["votes"], row["accused"], row["answered_by_others"]) == ("promoted", 12, [], 0)
    assert (row["liked_at_start"], row["liked"], row["gain_points"]) == (0.0, 1.0, 100.0)
    assert row["seconds"] == {"planned": 3.0, "training": 3.0, "canary": 3.0}
    assert site.agreed == {rater.name for rater in PEOPLE.raters}
    assert {subject for name, subject in site.asked if name == MEASURER} == set(SCENARIO.held_out)
    assert not {subject for name, subject in site.asked if name != MEASURER} & set(SCENARIO.held_out)
    assert len(site.votes) == 12 + 16  # before the cycle, and while it had a canary
    assert {name for name, _ in site.votes} == site.agreed


async def test_busy_server_is_asked_again_under_the_same_key():
    site = everybody(num_busy=2)
    async with stand_in(site) as address, open_chat(address, PEOPLE, SCENARIO) as chat:
        answer = await chat.measurer.ask("a fox")
    assert len(answer.prompts) == 4
    assert len(site.keys) == 3
    assert len(set(site.keys)) == 1


async def test_server_that_stays_busy_is_given_up(monkeypatch):
    monkeypatch.setattr(learning_people, "PATIENCE_SECONDS", 0.0)
    site = everybody(num_busy=1_000_000)
    async with stand_in(site) as address, open_chat(address, PEOPLE, SCENARIO) as chat:
        with pytest.raises(Refused, match="503: busy"):
            await chat.measurer.ask("a fox")


async def test_chat_serves_what_the_cycle_brought_before_it_is_measured():
    site = everybody()
    site.adapter = ADAPTER
    async with stand_in(site) as address, open_chat(address, PEOPLE, SCENARIO) as chat:
        await chat.await_serving(ADAPTER)
        assert (await chat.held_out_answers())[0].adapter == ADAPTER


async def test_requests_come_steadily_and_all_are_waited_for():
    site = everybody()
    async with (
        stand_in(site) as address,
        open_chat(address, PEOPLE, SCENARIO) as chat,
        steadily(chat.measurer, SCENARIO.held_out, requests_per_second=500) as pacer,
    ):
        while len(pacer.answers) < 3:
            await asyncio.sleep(0)
    assert len(pacer.answers) == len(site.asked)
    assert {subject for _, subject in site.asked} == set(SCENARIO.held_out)
    assert not pacer.lost


async def test_request_that_is_not_answered_is_told_as_lost(monkeypatch):
    monkeypatch.setattr(learning_people, "PATIENCE_SECONDS", 0.0)
    site, pacer = everybody(num_busy=1), Pacer()
    async with stand_in(site) as address, open_chat(address, PEOPLE, SCENARIO) as chat:
        await pacer.send(chat.measurer, "a fox")
        await pacer.send(chat.measurer, "an owl")
    assert pacer.lost == ["Refused: 503: busy"]
    assert [answer.subject for answer in pacer.answers] == ["an owl"]


def test_visitors_id_is_that_of_the_cookie_in_its_chats_form():
    assert len(learning_people.secret_of("ann")) == 22
    assert len(visitor_id_of("ann")) == 64
    assert visitor_id_of("ann") != visitor_id_of("bob")
