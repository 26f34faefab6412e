"""Which examples only measure: whole subjects, so that nothing alike stands on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer.feedback.settle import Settled
from trainer.feedback.verdicts import Label, Verdict
from trainer.pairs import split_key, split_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Examples and pairs to learn from, and the examples that only measure. Reports are those of the whole."""

    learning: Settled
    held_out: tuple[Verdict, ...]


def hold_out(settled: Settled, *, share: float) -> Division:
    """Hold out `share` of the subjects (0 to 1), by a hash of each: a subject keeps its side in every cycle.

    Where the held-out part would lack likes or dislikes, the subjects next in the hash's order join it until it has
    both, but never more than half of the subjects.
    """
    subjects = sorted({split_key(verdict.subject) for verdict in settled.verdicts}, key=split_number)
    chosen = {subject for subject in subjects if split_number(subject) < share}
    for subject in subjects if share > 0 else ():
        if _has_both(settled.verdicts, chosen) or 2 * (len(chosen | {subject})) > len(subjects):
            break
        chosen.add(subject)
    return Division(
        learning=replace(
            settled,
            verdicts=tuple(each for each in settled.verdicts if split_key(each.subject) not in chosen),
            pairs=tuple(each for each in settled.pairs if split_key(each.subject) not in chosen),
        ),
        held_out=tuple(each for each in settled.verdicts if split_key(each.subject) in chosen),
    )


def _has_both(verdicts: Sequence[Verdict], subjects: set[str]) -> bool:
    labels = {each.label for each in verdicts if split_key(each.subject) in subjects}
    return {Label.LIKED, Label.DISLIKED} <= labels
