"""Some cycles of learning one after another: people vote, a cycle learns, held-out subjects are answered again.

It returns one row a cycle and judges none. What the API does not show comes from a ledger over the database.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from benchmarks import learning_measures as measures
from benchmarks.learning_chat import Chat
from benchmarks.learning_people import Answer, visitor_id_of
from benchmarks.learning_scenario import CANDIDATES_PER_ANSWER, Scenario
from benchmarks.raters import Crowd, PushesPhrase, Taste
from core.cycles import CycleState, CycleView

Row = dict[str, Any]


class Ledger(Protocol):
    """What is known of the cycles beside what the API shows."""

    async def latest_cycle(self) -> CycleView:
        """Return the newest cycle."""

    def user_ids(self) -> dict[str, str]:
        """Return the database's id of everybody, by visitor id."""


async def take_course(
    chat: Chat,
    crowd: Crowd,
    taste: Taste,
    scenario: Scenario,
    ledger: Ledger,
    *,
    report: Callable[[Row], None] = lambda _: None,
) -> list[Row]:
    """Go through the cycles of `scenario`, and return a row for each; `report` hears each as it is there.

    Raises:
        RuntimeError: a request was not answered, or a cycle does not end.
    """
    await chat.agree()
    start = answers = await chat.held_out_answers()
    serving: str | None = None
    rows: list[Row] = []
    for number in range(1, scenario.num_cycles + 1):
        started = time.monotonic()
        await _vote_until(chat, number * scenario.num_votes)
        asking_seconds, num_votes = round(time.monotonic() - started, 1), chat.num_votes
        await chat.start_cycle()
        await chat.follow()
        cycle = await ledger.latest_cycle()
        if cycle.state is CycleState.PROMOTED:
            serving = cycle.adapter
            await chat.await_serving(serving)
            answers = await chat.held_out_answers()
        row = {"cycle": number, "votes": num_votes, "asking_seconds": asking_seconds}
        row |= _learned(taste, start, answers, serving) | _as_row(cycle)
        row |= _accused(cycle, crowd, ledger) | _pushed(crowd, answers)
        rows.append(row)
        report(row)
    return rows


async def _vote_until(chat: Chat, num_votes: int) -> None:
    """Let people vote until there are so many votes; an answer may have fewer prompts than it should."""
    while (missing := num_votes - chat.num_votes) > 0:
        await chat.ask_and_vote(-(-missing // CANDIDATES_PER_ANSWER))


def _learned(taste: Taste, start: Sequence[Answer], answers: Sequence[Answer], serving: str | None) -> Row:
    before, after = measures.liked_of(taste, start), measures.liked_of(taste, answers)
    return {
        "liked_at_start": round(before, 4),
        "liked": round(after, 4),
        "gain_points": measures.points(before, after),
        "distance_at_start": round(measures.distance_among_candidates(start), 4),
        "distance": round(measures.distance_among_candidates(answers), 4),
        "answered_by_others": sum(answer.adapter != serving for answer in answers),
    }


def _as_row(cycle: CycleView) -> Row:
    feedback, canary = cycle.feedback or {}, cycle.canary or {}
    return {
        "state": cycle.state.value,
        "reason": cycle.reason,
        "objective": feedback.get("objective"),
        "num_learning": feedback.get("num_learning"),
        "num_held_out": feedback.get("num_held_out"),
        "gate": measures.gate_figures(cycle.gate),
        "canary": {side: canary.get(side) for side in ("champion", "challenger")} if canary else None,
        "seconds": measures.seconds_by_state(cycle.history),
    }


def _accused(cycle: CycleView, crowd: Crowd, ledger: Ledger) -> Row:
    users = ledger.user_ids()
    name_of = {users[visitor_id_of(rater.name)]: rater.name for rater in crowd.raters}
    return {
        "accused": list(measures.names_accused(cycle, name_of)),
        "attackers": sorted(rater.name for rater in crowd.attackers),
    }


def _pushed(crowd: Crowd, answers: Sequence[Answer]) -> Row:
    """Return how much of the answers has the phrase that attackers push; nothing where none is pushed."""
    phrase = next((rater.taste.phrase for rater in crowd.attackers if isinstance(rater.taste, PushesPhrase)), None)
    return {} if phrase is None else {"phrase_share": round(measures.phrase_share(answers, phrase), 4)}
