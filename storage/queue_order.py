"""The fair order of the queue, shared by claiming and by telling a person their position.

Users take turns. First, a user's second waiting request comes after everybody's first. Second, a user's wait
begins anew when a request of theirs is claimed, so that a hundred requests that came early do not go before
one that came a moment later; and whoever comes after that moment is behind them, so that no stream of
newcomers starves anybody.
"""

from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, Select, Subquery, bindparam, case, func, select
from sqlalchemy.orm import aliased

from core.records import RequestState
from storage.tables import RequestRow


def queued_requests() -> Subquery:
    """Return the queued requests with the columns `id`, `deadline`, `turn` and `waits_since`.

    `turn` counts from 1 among the same user's.
    """
    turn = func.row_number().over(partition_by=RequestRow.user_id, order_by=(RequestRow.created_at, RequestRow.id))
    last_claim = _last_claim_of_user()
    waits_since = case((last_claim > RequestRow.created_at, last_claim), else_=RequestRow.created_at)
    return (
        select(RequestRow.id, RequestRow.deadline, turn.label("turn"), waits_since.label("waits_since"))
        .where(RequestRow.state == RequestState.QUEUED)
        .subquery("queued")
    )


def fair_order(queued: Subquery) -> tuple[ColumnElement[object], ...]:
    """Return what to sort `queued_requests` by."""
    return (queued.c.turn, queued.c.waits_since, queued.c.id)


@cache  # building it costs more than running it
def positions() -> Select[str, int]:
    """Return a SELECT of ids and positions, from 1 in the order of claiming, of those of `ids` that are queued."""
    queued = queued_requests()
    place = func.row_number().over(order_by=fair_order(queued)).label("place")
    line = select(queued.c.id, place).subquery("line")
    return select(line.c.id, line.c.place).where(line.c.id.in_(bindparam("ids", expanding=True)))


def _last_claim_of_user() -> ColumnElement[datetime | None]:
    """When a request of the same user was last claimed; one that went back to the queue does not count."""
    other = aliased(RequestRow)
    return select(func.max(other.started_at)).where(other.user_id == RequestRow.user_id).scalar_subquery()
