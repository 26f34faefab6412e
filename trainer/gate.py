"""Whether a new adapter may be shown to people: its figures beside those of what serves, test by test.

Pure: it reads no file and measures nothing. A figure that is missing fails its test, since an adapter that cannot be
measured is not known to be sound.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.config_file import build_config
from trainer.gate_config import GateConfig, LossBounds
from trainer.gate_measures import Measures, finite
from trainer.gate_ranking import ranking_tests
from trainer.gate_verdict import GateTest, compared, text_of, uncompared
from trainer.statistics import ratio_estimate

HEADING = ("test", "serves now", "new", "bound", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """All tests of one new adapter; `is_passed` when none failed."""

    tests: tuple[GateTest, ...]
    is_passed: bool

    @property
    def failed(self) -> tuple[GateTest, ...]:
        """Return the tests that refuse the adapter."""
        return tuple(test for test in self.tests if test.verdict == "failed")

    @property
    def reason(self) -> str | None:
        """Return what the first failed test says; None where none failed."""
        return self.failed[0].sentence if self.failed else None

    def as_dict(self) -> dict[str, object]:
        """Return the gate as plain JSON values."""
        return asdict(self)

    def as_table(self) -> list[tuple[str, ...]]:
        """Return a heading and one row a test, as text."""
        return [HEADING, *(test.cells() for test in self.tests)]


def gate_of(table: Mapping[str, Any], *, where: str) -> Gate:
    """Return the gate that `Gate.as_dict` made `table` of.

    Raises:
        core.errors.ConfigError: another version of this program made it.
    """
    return build_config(Gate, table, where=where)


def judge(champion: Measures, challenger: Measures, config: GateConfig) -> Gate:
    """Compare the new adapter `challenger` with what serves, by every test of `config`."""
    tests = (
        _loss_test(champion, challenger, config),
        *ranking_tests(champion, challenger, config.ranking),
        *(_bounded(rule, champion, challenger, config) for rule in RULES),
    )
    return Gate(tests=tests, is_passed=all(test.verdict != "failed" for test in tests))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A figure of `Measures` that may get worse by so much: `limit` makes a bound of the champion's value."""

    name: str
    label: str
    is_higher_better: bool
    limit: Callable[[float, GateConfig], float]
    is_share: bool = False


LOSS = Rule(
    name="nats_per_token",
    label="held-out loss, nats/token",
    is_higher_better=False,
    limit=lambda old, config: old * (1 + config.loss.max_rise_share),
)
RULES = (
    Rule(
        name="jaccard_distance",
        label="word distance among candidates",
        is_higher_better=True,
        limit=lambda old, config: old * (1 - config.diversity.max_jaccard_fall_share),
    ),
    Rule(
        name="distinct_2",
        label="distinct-2",
        is_higher_better=True,
        limit=lambda old, config: old * (1 - config.diversity.max_distinct_2_fall_share),
    ),
    Rule(
        name="self_bleu",
        label="self-BLEU among candidates",
        is_higher_better=False,
        limit=lambda old, config: old + config.diversity.max_self_bleu_rise,
    ),
    Rule(
        name="valid_parameters",
        label="only valid parameters",
        is_higher_better=True,
        limit=lambda old, config: old - config.answers.max_valid_fall,
        is_share=True,
    ),
    Rule(
        name="full_answers",
        label="answers with every candidate asked for",
        is_higher_better=True,
        limit=lambda old, config: old - config.answers.max_full_fall,
        is_share=True,
    ),
    Rule(
        name="subject_kept",
        label="subject kept word for word",
        is_higher_better=True,
        limit=lambda old, config: old - config.answers.max_subject_fall,
        is_share=True,
    ),
    Rule(
        name="ended_by_eos",
        label="ended by itself (EOS)",
        is_higher_better=True,
        limit=lambda old, config: old - config.answers.max_eos_fall,
        is_share=True,
    ),
    Rule(
        name="repeated_4grams",
        label="repeats four words",
        is_higher_better=False,
        limit=lambda old, config: old + config.answers.max_repeated_rise,
        is_share=True,
    ),
    Rule(
        name="copied",
        label="runs of 8 words copied from training",
        is_higher_better=False,
        limit=lambda old, config: old + config.answers.max_copied_rise,
        is_share=True,
    ),
    Rule(
        name="seconds_p95",
        label="seconds to an answer, 95 %",
        is_higher_better=False,
        limit=lambda old, config: old * config.latency.max_p95_ratio,
    ),
)


def _bounded(rule: Rule, champion: Measures, challenger: Measures, config: GateConfig) -> GateTest:
    old, new = finite(getattr(champion, rule.name)), finite(getattr(challenger, rule.name))
    if old is None or new is None:
        return _missing(rule, old, new)
    bound = rule.limit(old, config)
    before, after, limit = (text_of(value, is_share=rule.is_share) for value in (old, new, bound))
    border = f"at least {limit} is needed" if rule.is_higher_better else f"at most {limit} is allowed"
    words = f"{before} with what serves, {after} with the new adapter, and {border}."
    return _judged(rule, old, new, bound, sentence=f"{_capital(rule.label)}: {words}")


def _loss_test(champion: Measures, challenger: Measures, config: GateConfig) -> GateTest:
    old, new = finite(champion.nats_per_token), finite(challenger.nats_per_token)
    if old is None or new is None or old <= 0:
        return _missing(LOSS, old, new)
    rise, allowed = new / old - 1, text_of(config.loss.max_rise_share, is_share=True)
    moved = f"{'rose' if rise > 0 else 'fell'} by {text_of(abs(rise), is_share=True)}" if rise else "did not change"
    doubt = _at_most(champion, challenger, config.loss)
    words = f"Held-out loss {moved}{doubt}, and a rise of {allowed} is allowed."
    return _judged(LOSS, old, new, LOSS.limit(old, config), sentence=words)


def _at_most(champion: Measures, challenger: Measures, bounds: LossBounds) -> str:
    """Return the loss's confidence bound in brackets, where both were measured pair by pair."""
    old, new = (np.array(model.pair_nats, dtype=np.float64) for model in (champion, challenger))
    if not len(old) or len(old) != len(new):
        return ""
    upper = finite(ratio_estimate(old, new, confidence=bounds.confidence).upper)
    if upper is None:
        return ""
    return f" ({100 * (upper - 1):+.1f} % at most, with {100 * bounds.confidence:.0f} % confidence)"


def _judged(rule: Rule, old: float, new: float, bound: float, *, sentence: str) -> GateTest:
    return compared(
        rule.name,
        rule.label,
        old,
        new,
        bound=bound,
        is_higher_better=rule.is_higher_better,
        is_share=rule.is_share,
        sentence=sentence,
    )


def _missing(rule: Rule, old: float | None, new: float | None) -> GateTest:
    whose = "the new adapter" if new is None else "what serves"
    words = f"there is no usable figure of {whose}, and what cannot be measured does not pass."
    return uncompared(
        rule.name,
        rule.label,
        "failed",
        f"{_capital(rule.label)}: {words}",
        champion=old,
        challenger=new,
        is_higher_better=rule.is_higher_better,
        is_share=rule.is_share,
    )


def _capital(label: str) -> str:
    return label[:1].upper() + label[1:]
