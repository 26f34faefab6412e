"""What belongs to a person: one condition for each kind of row, for showing, exporting and deleting alike.

Whatever else hangs below these rows (everybody's votes on their prompts, messages on their way out) goes with them by
ON DELETE CASCADE. Audit rows, cycles and promotions stay, without the person's id.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from storage.columns import Row
from storage.cycle_tables import CycleMessageRow
from storage.tables import (
    CandidateRow,
    ConsentRow,
    FavoriteRow,
    FeedbackRow,
    OutboxRow,
    RequestRow,
    SeenEventRow,
    VoteEventRow,
    VoteRow,
)

Condition = Callable[[str], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Belonging:
    """Rows of one kind; `of` gives the condition under which they are a user's."""

    name: str
    row: type[Row]
    of: Condition


def _is_theirs(
    row: type[
        ConsentRow | CycleMessageRow | FavoriteRow | FeedbackRow | RequestRow | SeenEventRow | VoteEventRow | VoteRow
    ],
) -> Condition:
    return lambda user_id: row.user_id == user_id


def _is_of_their_requests(row: type[CandidateRow | OutboxRow]) -> Condition:
    return lambda user_id: row.request_id.in_(select(RequestRow.id).where(REQUESTS.of(user_id)))


REQUESTS = Belonging("requests", RequestRow, _is_theirs(RequestRow))
CANDIDATES = Belonging("candidates", CandidateRow, _is_of_their_requests(CandidateRow))
MESSAGES = Belonging("messages", OutboxRow, _is_of_their_requests(OutboxRow))
VOTES = Belonging("votes", VoteRow, _is_theirs(VoteRow))
VOTE_EVENTS = Belonging("vote_events", VoteEventRow, _is_theirs(VoteEventRow))
FEEDBACK = Belonging("feedback", FeedbackRow, _is_theirs(FeedbackRow))
FAVORITES = Belonging("favorites", FavoriteRow, _is_theirs(FavoriteRow))
CONSENTS = Belonging("consents", ConsentRow, _is_theirs(ConsentRow))
CYCLE_MESSAGES = Belonging("cycle_messages", CycleMessageRow, _is_theirs(CycleMessageRow))
SEEN_EVENTS = Belonging("seen_events", SeenEventRow, _is_theirs(SeenEventRow))

# In an order of deletion that never leaves a row without the one it refers to.
BELONGINGS = (
    SEEN_EVENTS,
    CYCLE_MESSAGES,
    MESSAGES,
    FAVORITES,
    FEEDBACK,
    VOTES,
    VOTE_EVENTS,
    CANDIDATES,
    REQUESTS,
    CONSENTS,
)
