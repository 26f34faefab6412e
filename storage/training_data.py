"""What may be learned from: votes and corrections of people who agreed to it, on ideas of people who agreed to it.

Everything here only reads. Consent is that of this moment: who takes it back is in no later data set. What a run used
is kept by its vote events (`training_examples`), so that forgetting a person finds the adapters that learned from them;
therefore nothing is given out that no press stands for.
"""

from sqlalchemy import case, select

from core.rated_pairs import RatedOrigin, RatedPair
from core.records import Thumb
from storage.database import Session
from storage.learnable import agreed, correction_text, is_open, is_safe, last_press
from storage.tables import CandidateRow, FeedbackRow, RequestRow, VoteRow


async def rated_pairs(session: Session) -> tuple[RatedPair, ...]:
    """Return every candidate with the consenting people's votes on it, then every correction, each in order of ids."""
    return (*await _voted(session), *await _corrected(session))


async def _voted(session: Session) -> list[RatedPair]:
    """Return one pair for each candidate that has a vote, unless somebody called it unsafe."""
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
        .where(agreed(VoteRow.user_id), is_open(RequestRow.id), is_safe(CandidateRow.id))
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
    press = last_press()
    query = (
        select(RequestRow.subject, correction_text(), RequestRow.parameters, press)
        .join_from(FeedbackRow, CandidateRow, CandidateRow.id == FeedbackRow.candidate_id)
        .join(RequestRow, RequestRow.id == CandidateRow.request_id)
        .where(agreed(FeedbackRow.user_id), is_open(RequestRow.id), FeedbackRow.correction.is_not(None))
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
