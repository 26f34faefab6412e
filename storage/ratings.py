"""What people think of single prompts, for those who learn from it, and how much of that is new.

Everything here only reads, and only what consenting people said (storage/learnable.py has the conditions). It knows no
objective: whether a prompt counts as liked is decided elsewhere.
"""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.engine import Row
from sqlalchemy.orm import aliased

from core.ratings import Correction, RatedPrompt, Rating
from core.records import Thumb
from storage.database import Session
from storage.learnable import agreed, correction_text, is_open, is_safe, last_press
from storage.tables import CandidateRow, FeedbackRow, RequestRow, UserRow, VoteEventRow, VoteRow


async def rated_prompts(session: Session) -> tuple[RatedPrompt, ...]:
    """Return every prompt that consenting people voted on or corrected, in order of candidate ids.

    Votes on a prompt that anybody called unsafe are left out; its corrections are not.
    """
    ratings, corrections = await _ratings(session), await _corrections(session)
    prompts = await session.execute(_prompts())
    return tuple(_prompt_of(row, tuple(ratings[row.id]), tuple(corrections[row.id])) for row in prompts)


async def votes_since(session: Session, moment: datetime | None) -> int:
    """Count the standing votes of consenting people that were pressed after `moment`, or ever where that is None."""
    query = select(func.count()).select_from(VoteRow).where(agreed(VoteRow.user_id))
    return (await session.scalars(query if moment is None else query.where(VoteRow.updated_at > moment))).one()


async def num_votes_not_agreed(session: Session) -> int:
    """Count the standing votes of people who have not agreed to be learned from."""
    query = select(func.count()).select_from(VoteRow).where(~agreed(VoteRow.user_id))
    return (await session.scalars(query)).one()


async def last_vote_at(session: Session) -> datetime | None:
    """Return when a consenting person last pressed a thumb that stands; None without any."""
    return await session.scalar(select(func.max(VoteRow.updated_at)).where(agreed(VoteRow.user_id)))


def _is_rated() -> ColumnElement[bool]:
    """Return the condition that a candidate has a vote that counts."""
    votes = select(VoteRow.candidate_id).where(agreed(VoteRow.user_id))
    return CandidateRow.id.in_(votes) & is_safe(CandidateRow.id)


def _is_corrected() -> ColumnElement[bool]:
    corrections = select(FeedbackRow.candidate_id).where(
        agreed(FeedbackRow.user_id), FeedbackRow.correction.is_not(None), last_press().is_not(None)
    )
    return CandidateRow.id.in_(corrections)


def _prompts() -> Select[str, str, str, str, str, str, int, int, str | None, float]:
    shown = aliased(CandidateRow)
    num_shown = select(func.count()).where(shown.request_id == CandidateRow.request_id).correlate(CandidateRow)
    return (
        select(
            CandidateRow.id,
            CandidateRow.request_id,
            RequestRow.user_id,
            RequestRow.subject,
            CandidateRow.text,
            RequestRow.parameters,
            CandidateRow.rank,
            num_shown.scalar_subquery().label("num_shown"),
            CandidateRow.adapter,
            CandidateRow.score,
        )
        .join(RequestRow, RequestRow.id == CandidateRow.request_id)
        .where(is_open(RequestRow.id), _is_rated() | _is_corrected())
        .order_by(CandidateRow.id)
    )


def _prompt_of(
    row: Row[str, str, str, str, str, str, int, int, str | None, float],
    ratings: tuple[Rating, ...],
    corrections: tuple[Correction, ...],
) -> RatedPrompt:
    return RatedPrompt(
        candidate_id=row.id,
        request_id=row.request_id,
        asker=row.user_id,
        subject=row.subject,
        prompt=row.text,
        parameters=row.parameters,
        rank=row.rank,
        num_shown=row.num_shown,
        adapter=row.adapter,
        score=row.score,
        ratings=ratings,
        corrections=corrections,
    )


async def _ratings(session: Session) -> dict[str, list[Rating]]:
    """Return the standing votes by candidate, each candidate's in order of presses."""
    pressed_at = func.coalesce(VoteEventRow.occurred_at, VoteEventRow.created_at)
    query = (
        select(
            VoteRow.candidate_id, VoteRow.vote_event_id, VoteRow.user_id, UserRow.created_at, pressed_at, VoteRow.thumb
        )
        .join(VoteEventRow, VoteEventRow.id == VoteRow.vote_event_id)
        .join(UserRow, UserRow.id == VoteRow.user_id)
        .where(agreed(VoteRow.user_id), is_safe(VoteRow.candidate_id))
        .order_by(VoteRow.vote_event_id)
    )
    found: dict[str, list[Rating]] = defaultdict(list)
    for candidate_id, event, rater, since, moment, thumb in await session.execute(query):
        rating = Rating(vote_event_id=event, rater=rater, rater_since=since, pressed_at=moment, thumb=Thumb(thumb))
        found[candidate_id].append(rating)
    return found


async def _corrections(session: Session) -> dict[str, list[Correction]]:
    """Return the corrections by candidate whose authors pressed a thumb there, in order of their last presses."""
    press = last_press()
    query = (
        select(
            FeedbackRow.candidate_id,
            press,
            FeedbackRow.user_id,
            UserRow.created_at,
            FeedbackRow.updated_at,
            correction_text(),
        )
        .join(UserRow, UserRow.id == FeedbackRow.user_id)
        .where(agreed(FeedbackRow.user_id), FeedbackRow.correction.is_not(None), press.is_not(None))
        .order_by(press)
    )
    found: dict[str, list[Correction]] = defaultdict(list)
    for candidate_id, event, rater, since, moment, prompt in await session.execute(query):
        correction = Correction(vote_event_id=event, rater=rater, rater_since=since, written_at=moment, prompt=prompt)
        found[candidate_id].append(correction)
    return found
