"""One test of the gate: what was compared, the bound, the verdict, and a sentence for people."""

from dataclasses import dataclass
from typing import Literal

from trainer.gate_measures import finite

Verdict = Literal["passed", "failed", "skipped"]
ABSENT = "–"  # noqa: RUF001 - a dash reads better than nothing
# Sums of floats reach a bound only nearly; within this they count as on it.
SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTest:
    """What serves and the new adapter on one scale; `bound` is the least or the most that the new one may have.

    A number is None where it is not there. `is_higher_better` says which side of the bound is the good one.
    """

    name: str
    label: str
    champion: float | None
    challenger: float | None
    bound: float | None
    is_higher_better: bool
    is_share: bool
    verdict: Verdict
    sentence: str

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the row of a table: label, champion, challenger, bound and verdict."""
        champion, challenger, bound = map(self._text, (self.champion, self.challenger, self.bound))
        sign = "≥ " if self.is_higher_better else "≤ "
        return self.label, champion, challenger, sign + bound if self.bound is not None else bound, self.verdict

    def _text(self, value: float | None) -> str:
        return ABSENT if value is None else text_of(value, is_share=self.is_share)


def compared(
    name: str,
    label: str,
    champion: float,
    challenger: float,
    *,
    bound: float,
    is_higher_better: bool,
    is_share: bool,
    sentence: str,
    is_bound_enough: bool = True,
) -> GateTest:
    """Return a test that passes on the good side of its bound, and on the bound itself where that is enough."""
    margin = challenger - bound if is_higher_better else bound - challenger
    is_passed = margin >= -SLACK if is_bound_enough else margin > SLACK
    return GateTest(
        name=name,
        label=label,
        champion=finite(champion),
        challenger=finite(challenger),
        bound=finite(bound),
        is_higher_better=is_higher_better,
        is_share=is_share,
        verdict="passed" if is_passed else "failed",
        sentence=sentence,
    )


def uncompared(
    name: str,
    label: str,
    verdict: Verdict,
    sentence: str,
    *,
    champion: float | None = None,
    challenger: float | None = None,
    is_higher_better: bool = True,
    is_share: bool = True,
) -> GateTest:
    """Return a test that had nothing to compare: it failed for that, or it does not apply."""
    return GateTest(
        name=name,
        label=label,
        champion=champion,
        challenger=challenger,
        bound=None,
        is_higher_better=is_higher_better,
        is_share=is_share,
        verdict=verdict,
        sentence=sentence,
    )


def text_of(value: float, *, is_share: bool) -> str:
    """Return a share as per cent, another number with three places."""
    return f"{100 * value:.1f} %" if is_share else f"{value:.3f}"
