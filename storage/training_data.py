"""What may be learned from: votes and corrections of people who agreed to it, on ideas of people who agreed to it.

Everything here only reads. Consent is that of this moment: who takes it back is in no later data set. What a run used
is kept by its vote events (`training_examples`), so that forgetting a person finds the adapters that learned from them;
therefore nothing is given out that no press stands for.
"""

from sqlalchemy import CTE, ColumnElement, SQLColumnExpression, and_, case, func, or_, select
from sqlalchemy.orm import aliased

from core.rated_pairs import RatedOrigin, RatedPair
from core.records import FeedbackReason, RequestKind, Thumb
from storage.database import Session
from storage.tables import CandidateRow, ConsentRow, FeedbackRow, RequestRow, VoteEventRow, VoteRow


async def rated_pairs(session: Session) -> tuple[RatedPair, ...]:
    """Return every candidate with the consenting people's votes on it, then every correction, each in order of ids."""
    return (*await _voted(session), *await _corrected(session))


async def _voted(session: Session) -> list[RatedPair]:
    """Return one pair for each candidate that has a vote, unless somebody called it unsafe."""
    unsafe = select(FeedbackRow.candidate_id).where(FeedbackRow.reason == FeedbackReason.UNSAFE)
    query = (
        select(
            CandidateRow.id,
            RequestRow.subject,
            CandidateRow.text,
            RequestRow.parameters,
            case((VoteRow.thumb == Thumb.UP, 1), else_=0),
            VoteRow.vote_event_id,
        )
        .join_from(VoteRow, CandidateRow, CandidateRow.id == VoteRow.candidate_id)
        .join(RequestRow, RequestRow.id == CandidateRow.request_id)
        .where(_agreed(VoteRow.user_id), _is_open(RequestRow.id), CandidateRow.id.not_in(unsafe))
        .order_by(CandidateRow.id, VoteRow.vote_event_id)
    )
    by_candidate: dict[str, list[tuple[str, str, str, int, int]]] = {}
    for candidate_id, *press in await session.execute(query):
        by_candidate.setdefault(candidate_id, []).append(tuple(press))
    return [_pair_of(presses) for presses in by_candidate.values()]


def _pair_of(presses: list[tuple[str, str, str, int, int]]) -> RatedPair:
    subject, prompt, parameters, _, _ = presses[0]
    num_up = sum(up for *_, up, _ in presses)
    return RatedPair(
        subject=subject,
        prompt=prompt,
        parameters=parameters,
        origin=RatedOrigin.VOTE,
        num_up=num_up,
        num_down=len(presses) - num_up,
        vote_event_ids=tuple(event for *_, event in presses),
    )


async def _corrected(session: Session) -> list[RatedPair]:
    """Return the corrections whose authors pressed a thumb there; the press that they made last stands for it."""
    press = (
        select(func.max(VoteEventRow.id))
        .where(VoteEventRow.user_id == FeedbackRow.user_id, VoteEventRow.candidate_id == FeedbackRow.candidate_id)
        .correlate(FeedbackRow)
        .scalar_subquery()
    )
    query = (
        select(RequestRow.subject, FeedbackRow.correction, RequestRow.parameters, press)
        .join_from(FeedbackRow, CandidateRow, CandidateRow.id == FeedbackRow.candidate_id)
        .join(RequestRow, RequestRow.id == CandidateRow.request_id)
        .where(_agreed(FeedbackRow.user_id), _is_open(RequestRow.id), FeedbackRow.correction.is_not(None))
        .where(press.is_not(None))
        .order_by(press)
    )
    return [
        RatedPair(
            subject=subject,
            prompt=correction,
            parameters=parameters,
            origin=RatedOrigin.CORRECTION,
            num_up=1,
            num_down=0,
            vote_event_ids=(event,),
        )
        for subject, correction, parameters, event in await session.execute(query)
    ]


def _agreed(user_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return the condition that a person's latest decision about learning is a yes."""
    latest = select(func.max(ConsentRow.id)).group_by(ConsentRow.user_id)
    return user_id.in_(select(ConsentRow.user_id).where(ConsentRow.id.in_(latest), ConsentRow.is_given))


def _is_open(request_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return the condition that the words of a request are those of one person, who agreed.

    A re-roll, variation or remix has the words of the request it goes on from. Where that one is somebody else's, or is
    gone, forgetting that person would not find it: it is left out, and so is what goes on from it in turn.
    """
    return request_id.not_in(select(_closed().c.id))


def _closed() -> CTE:
    parent = aliased(RequestRow)
    goes_on = RequestRow.kind != RequestKind.ASK
    is_foreign = or_(parent.id.is_(None), parent.user_id != RequestRow.user_id)
    closed = (
        select(RequestRow.id)
        .outerjoin(parent, parent.id == RequestRow.parent_id)
        .where(or_(~_agreed(RequestRow.user_id), and_(goes_on, is_foreign)))
        .cte(recursive=True)
    )
    child = aliased(RequestRow)
    return closed.union(select(child.id).join(closed, child.parent_id == closed.c.id))
