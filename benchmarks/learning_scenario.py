"""What a simulation of learning is made of: the subjects, how many votes and cycles, and the settings it runs under.

Pure but for the files of settings that it writes. It knows no process and no address.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.raters import share_of
from core.settings import PROJECT_ROOT

SUBJECTS_FILE = PROJECT_ROOT / "configs" / "subjects.txt"
CANDIDATES_PER_ANSWER = 4
# Later rounds over the same subjects ask something new, so that no answer comes twice.
SETTINGS = ("", " in winter", " at night", " by the sea", " in the rain", " long ago", " seen from above", " in spring")

Sections = Mapping[str, Mapping[str, object]]

BENCHMARK_CYCLE: Sections = {
    "feedback": {"quarantine_hours": 0.0, "max_burst_votes": 0},  # simulated people are new, and quick
    "canary": {"share": 0.5, "min_votes": 20, "max_votes": 240},
    "policy": {"is_automatic": False},
}
# So that a few votes go the whole way: figures of such a run say only that the parts fit together.
SMOKE_CYCLE: Sections = {
    "objective": {"min_rated_prompts": 10},
    "training": {"num_subjects": 4, "replay_rounds": 1},
    "canary": {"min_votes": 4, "max_votes": 24},
}
SMOKE_GATE: Sections = {
    "loss": {"max_rise_share": 0.9},
    "ranking": {"is_needed": False, "min_rated": 1000},
    "diversity": {"max_jaccard_fall_share": 0.9, "max_distinct_2_fall_share": 0.9, "max_self_bleu_rise": 0.9},
    "answers": {
        "max_valid_fall": 0.9,
        "max_full_fall": 0.9,
        "max_subject_fall": 0.9,
        "max_eos_fall": 0.9,
        "max_repeated_rise": 0.9,
        "max_copied_rise": 0.9,
    },
    "latency": {"max_p95_ratio": 9.0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How much is asked and voted: `num_votes` before each of `num_cycles`, those of the last canary among them."""

    asked: tuple[str, ...]
    held_out: tuple[str, ...]
    num_cycles: int = 3
    num_votes: int = 300
    is_smoke: bool = False

    def subject(self, number: int) -> str:
        """Return what is asked in the `number`-th request, from 0."""
        rounds, place = divmod(number, len(self.asked))
        return self.asked[place] + SETTINGS[rounds % len(SETTINGS)]

    def num_asks(self) -> int:
        """Return how many answered requests give the votes of one cycle."""
        return -(-self.num_votes // CANDIDATES_PER_ANSWER)


def read_subjects(file: Path = SUBJECTS_FILE) -> tuple[str, ...]:
    """Return the lines of a text file that are not empty, each once."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def divide(subjects: Sequence[str], *, num_held_out: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the subjects that are asked about and the ones held out, chosen by their hash: files may grow.

    Raises:
        ValueError: nothing would be left to ask.
    """
    if num_held_out >= len(subjects):
        raise ValueError(f"{len(subjects)} subjects cannot have {num_held_out} held out; give more subjects.")
    ordered = sorted(subjects, key=lambda subject: share_of("held out", subject))
    return tuple(ordered[num_held_out:]), tuple(ordered[:num_held_out])


def changed(base: Sections, *changes: Sections) -> dict[str, dict[str, object]]:
    """Return the sections of `base` with the values that later changes have in their place."""
    merged = {name: dict(section) for name, section in base.items()}
    for change in changes:
        for name, section in change.items():
            merged.setdefault(name, {}).update(section)
    return merged


def as_toml(sections: Sections) -> str:
    """Return sections of plain numbers, texts and flags as TOML, which writes those as JSON does."""
    blocks = []
    for name, section in sections.items():
        lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in section.items())
        blocks.append("\n".join([f"[{name}]", *lines]) + "\n")
    return "\n".join(blocks)


def write_settings(folder: Path, *, is_smoke: bool = False) -> None:
    """Write cycle.toml and gate.toml into `folder`: the shipped ones, but for what a simulation needs otherwise."""
    cycle = changed(_shipped("cycle"), BENCHMARK_CYCLE, SMOKE_CYCLE if is_smoke else {})
    gate = changed(_shipped("gate"), SMOKE_GATE if is_smoke else {})
    (folder / "cycle.toml").write_text(as_toml(cycle), encoding="utf-8")
    (folder / "gate.toml").write_text(as_toml(gate), encoding="utf-8")


def _shipped(name: str) -> Sections:
    return tomllib.loads((PROJECT_ROOT / "configs" / f"{name}.toml").read_text(encoding="utf-8"))
