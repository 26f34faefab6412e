"""The conditions under which votes and words may be learned from: one for each rule, for all who read them.

Consent is that of this moment. It only builds conditions, and reads nothing itself.
"""

from sqlalchemy import CTE, ColumnElement, ScalarSelect, SQLColumnExpression, Text, and_, func, or_, select, type_coerce
from sqlalchemy.orm import aliased

from core.records import FeedbackReason, RequestKind
from storage.tables import ConsentRow, FeedbackRow, RequestRow, VoteEventRow


def agreed(user_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return the condition that a person's latest decision about learning is a yes."""
    latest = select(func.max(ConsentRow.id)).group_by(ConsentRow.user_id)
    return user_id.in_(select(ConsentRow.user_id).where(ConsentRow.id.in_(latest), ConsentRow.is_given))


def is_open(request_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return the condition that the words of a request are those of one person, who agreed.

    A re-roll, variation or remix has the words of the request it goes on from. Where that one is somebody else's, or is
    gone, forgetting that person would not find it: it is left out, and so is what goes on from it in turn.
    """
    return request_id.not_in(select(_closed().c.id))


def is_safe(candidate_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return the condition that nobody called a candidate unsafe."""
    return candidate_id.not_in(select(FeedbackRow.candidate_id).where(FeedbackRow.reason == FeedbackReason.UNSAFE))


def last_press() -> ScalarSelect[int]:
    """Return the press that an author of feedback made last on its candidate, to be selected beside FeedbackRow."""
    return (
        select(func.max(VoteEventRow.id))
        .where(VoteEventRow.user_id == FeedbackRow.user_id, VoteEventRow.candidate_id == FeedbackRow.candidate_id)
        .correlate(FeedbackRow)
        .scalar_subquery()
    )


def correction_text() -> ColumnElement[str]:
    """Return what an author of feedback wrote in place of a prompt, for a SELECT of feedback that has it."""
    return type_coerce(FeedbackRow.correction, Text())


def _closed() -> CTE:
    parent = aliased(RequestRow)
    goes_on = RequestRow.kind != RequestKind.ASK
    is_foreign = or_(parent.id.is_(None), parent.user_id != RequestRow.user_id)
    closed = (
        select(RequestRow.id)
        .outerjoin(parent, parent.id == RequestRow.parent_id)
        .where(or_(~agreed(RequestRow.user_id), and_(goes_on, is_foreign)))
        .cte(recursive=True)
    )
    child = aliased(RequestRow)
    return closed.union(select(child.id).join(closed, child.parent_id == closed.c.id))
