"""How far people agree about the prompts that several of them rated: Krippendorff's alpha. It knows no texts."""

from collections import defaultdict
from collections.abc import Iterable

from trainer.feedback.vote import Vote


def nominal_alpha(votes: Iterable[Vote]) -> float | None:
    """Return alpha of thumbs up and down, any number of raters a prompt: 1 is full agreement, 0 is chance.

    By coincidences, as in Krippendorff 2011 ("Computing Krippendorff's Alpha-Reliability", section C). Prompts with one
    rater and corrections say nothing here. None means that no prompt has two raters, or that all thumbs are the same.
    """
    thumbs: defaultdict[str, list[bool]] = defaultdict(list)
    for vote in votes:
        if not vote.is_correction:
            thumbs[vote.candidate_id].append(vote.is_up)
    shared = [each for each in thumbs.values() if len(each) > 1]
    total, total_up = sum(map(len, shared)), sum(map(sum, shared))
    expected = 2 * total_up * (total - total_up)
    if not expected:
        return None
    observed = sum(2 * sum(each) * (len(each) - sum(each)) / (len(each) - 1) for each in shared)
    return 1 - (total - 1) * observed / expected
