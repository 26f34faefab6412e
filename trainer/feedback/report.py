"""What became of the votes, as numbers and sentences: for the cycle's row, chat and the data card.

It holds no person's text; a phrase that was pushed is named, because it has to be looked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trainer.feedback.position import RankBias
from trainer.feedback.screening import DropReason, Suspect
from trainer.feedback.verdicts import Label

_REASONS = {
    DropReason.QUARANTINE: "their raters are new and have to wait",
    DropReason.BURST: "pressed faster than anybody reads",
    DropReason.SERIAL: "their raters press one thumb always",
    DropReason.PHRASE: "their raters push a phrase",
    DropReason.CONTRARIAN: "their raters vote against everybody else's taste",
    DropReason.CAP: "above what one person may have",
    DropReason.QUORUM: "too few people rated their prompt",
    DropReason.TIE: "those who rated their prompt disagree",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RankLine:
    """Thumbs at one place in the answer, and what a thumb there counts (1: as it is)."""

    rank: int
    num_up: int
    num_down: int
    up_weight: float
    down_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackReport:
    """Votes in, votes dropped, examples out.

    `num_votes`, `num_people` and `num_prompts` count what came in, corrections among the votes; `num_raters` the people
    whose votes count, `num_rated_prompts` the prompts with a verdict. `alpha` is Krippendorff's over everything that
    came in, None where no prompt has two raters. `bias_p` is the error probability of a position bias, None with too
    few votes. `max_votes` is the cap for one person by label.
    """

    num_votes: int
    num_people: int
    num_prompts: int
    num_raters: int
    num_rated_prompts: int
    num_pairs: int
    dropped: Mapping[DropReason, int]
    labels: Mapping[Label, int]
    suspects: Sequence[Suspect]
    alpha: float | None
    ranks: Sequence[RankLine]
    bias_p: float | None
    max_votes: Mapping[str, int]
    num_capped_raters: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        table = {name: getattr(self, name) for name in self.__slots__}
        return table | {
            "dropped": {str(reason): count for reason, count in self.dropped.items()},
            "labels": {str(label): count for label, count in self.labels.items()},
            "suspects": [asdict(suspect) | {"reason": str(suspect.reason)} for suspect in self.suspects],
            "ranks": [asdict(line) for line in self.ranks],
            "max_votes": dict(self.max_votes),
        }

    def as_markdown(self) -> str:
        """Return the report's section of a data card."""
        return "\n".join(["## Votes", "", *_overview(self), *_dropped(self), *_suspects(self), *_ranks(self)]) + "\n"


def rank_lines(bias: RankBias) -> tuple[RankLine, ...]:
    """Return the thumbs of each rank with their weights."""
    return tuple(
        RankLine(
            rank=rank,
            num_up=up,
            num_down=down,
            up_weight=bias.up_weights.get(rank, 1.0),
            down_weight=bias.down_weights.get(rank, 1.0),
        )
        for rank, (up, down) in bias.thumbs.items()
    )


def _overview(report: FeedbackReport) -> list[str]:
    labels = ", ".join(f"{count} {label}" for label, count in report.labels.items()) or "none"
    alpha = "no prompt has two raters who can be compared" if report.alpha is None else f"{report.alpha:.2f}"
    caps = " and ".join(f"{count} {label}" for label, count in report.max_votes.items())
    return [
        f"- Came in: {report.num_votes} votes of {report.num_people} people on {report.num_prompts} prompts.",
        f"- Count: the votes of {report.num_raters} people, on {report.num_rated_prompts} prompts.",
        f"- Examples: {labels}; {report.num_pairs} pairs that differ enough.",
        f"- Agreement (Krippendorff's alpha): {alpha}.",
        f"- Most that one person has: {caps}; {report.num_capped_raters} people had more.",
        "",
    ]


def _dropped(report: FeedbackReport) -> list[str]:
    if not report.dropped:
        return ["No vote was dropped.", ""]
    lines = [f"| {count} | {_REASONS[reason]} |" for reason, count in report.dropped.items()]
    return ["| dropped votes | why |", "|---|---|", *lines, ""]


def _suspects(report: FeedbackReport) -> list[str]:
    if not report.suspects:
        return []
    lines = [f"| {each.rater} | {each.reason} | {each.num_votes} | {each.evidence} |" for each in report.suspects]
    return ["| account | reason | votes | evidence |", "|---|---|---|---|", *lines, ""]


def _ranks(report: FeedbackReport) -> list[str]:
    if not report.ranks:
        return []
    lines = [
        f"| {line.rank} | {line.num_up} | {line.num_down} | {line.up_weight:.2f} | {line.down_weight:.2f} |"
        for line in report.ranks
    ]
    head = "| rank | up | down | weight of up | weight of down |"
    return [head, "|---|---|---|---|---|", *lines, ""]
