"""What the gate compares: one model's figures as plain values, however they were measured.

It knows no model and no threshold. A figure that is not there, or is no finite number, is None; the gate decides what
that means.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.config_file import build_config

NUMBERS_OF_ANSWERS = (
    "jaccard_distance",
    "distinct_2",
    "self_bleu",
    "valid_parameters",
    "full_answers",
    "subject_kept",
    "ended_by_eos",
    "repeated_4grams",
    "copied",
    "seconds_p95",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedItem:
    """One held-out prompt that people judged, as a model sees it.

    `log_probability` is that of the whole answer in nats; `reward` is the same minus what the base model gives (DPO's
    implicit reward without its factor beta; Rafailov et al. 2023, arXiv 2305.18290, section 4), so it is 0 for the
    base itself. The mean over tokens would hide what a short answer gains by ending.
    """

    request_id: str
    is_liked: bool
    log_probability: float
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """One model's figures; `adapter` is None for the base alone.

    `rated` are the held-out judged prompts and `pair_nats` the cost of each validation answer, both in the same order
    for every model that is compared. The rest are as in `trainer.evaluate.AnswerMeasures`.
    """

    adapter: str | None = None
    nats_per_token: float | None = None
    pair_nats: tuple[float, ...] = ()
    rated: tuple[RatedItem, ...] = ()
    jaccard_distance: float | None = None
    distinct_2: float | None = None
    self_bleu: float | None = None
    valid_parameters: float | None = None
    full_answers: float | None = None
    subject_kept: float | None = None
    ended_by_eos: float | None = None
    repeated_4grams: float | None = None
    copied: float | None = None
    seconds_p95: float | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the figures as plain JSON values."""
        return asdict(self)


def measures_from(
    evaluation: Mapping[str, Any], *, rated: Sequence[RatedItem] = (), pair_nats: Sequence[float] = ()
) -> Measures:
    """Return the figures that the gate reads out of what `Evaluation.as_dict` returned."""
    answers: Mapping[str, Any] = evaluation.get("answers") or {}
    likelihood: Mapping[str, Any] = evaluation.get("likelihood") or {}
    adapter = evaluation.get("adapter")
    return Measures(
        adapter=None if adapter is None else str(adapter),
        nats_per_token=finite(likelihood.get("nats_per_token")),
        pair_nats=tuple(pair_nats),
        rated=tuple(rated),
        **{name: finite(answers.get(name)) for name in NUMBERS_OF_ANSWERS},
    )


def measures_of(table: Mapping[str, Any], *, where: str) -> Measures:
    """Return the figures that `Measures.as_dict` made `table` of, for a cycle that goes on.

    Raises:
        core.errors.ConfigError: another version of this program made it.
    """
    return build_config(Measures, table, where=where)


def finite(value: object) -> float | None:
    """Return `value` as a number, or None where it is none or not a finite one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]
