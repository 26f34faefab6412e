"""Rated prompts in a line each."""

from datetime import timedelta

from core.ratings import Correction, RatedPrompt, Rating
from core.records import Thumb
from tests.trainer.voting_crowd import NOW


def rated(
    number: int,
    thumbs: str,
    *,
    request: str | None = None,
    prompt: str = "a boy in the snow, soft light",
    subject: str = "a boy in the snow",
    rank: int = 1,
    corrected_by: str | None = None,
) -> RatedPrompt:
    """Return a prompt whose raters are the letters of `thumbs`: a capital likes it, a small letter does not."""
    ratings = tuple(
        Rating(
            vote_event_id=100 * number + place,
            rater=letter.lower(),
            rater_since=NOW - timedelta(days=9),
            pressed_at=NOW - timedelta(days=1) + timedelta(minutes=number),
            thumb=Thumb.UP if letter.isupper() else Thumb.DOWN,
        )
        for place, letter in enumerate(thumbs)
    )
    correction = Correction(
        vote_event_id=100 * number,
        rater=corrected_by or "",
        rater_since=NOW - timedelta(days=9),
        written_at=NOW - timedelta(hours=1),
        prompt="a boy in the snow, ink drawing",
    )
    return RatedPrompt(
        candidate_id=f"c{number}",
        request_id=request or f"r{number}",
        asker="a",
        subject=subject,
        prompt=prompt,
        parameters="",
        rank=rank,
        num_shown=4,
        adapter=None,
        score=-1.0,
        ratings=ratings,
        corrections=(correction,) if corrected_by else (),
    )
