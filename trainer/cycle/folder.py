"""What a cycle keeps on disk while it goes on: the examples that it froze, which hold people's texts.

Votes go on coming in while a cycle trains, and a training that was killed goes on with what it began with. The folder
is deleted when the cycle ends, so that no text outlives the rows that it came from.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from core.config_file import build_config
from core.cycles import CycleState
from core.errors import ConfigError, TrainingFailed
from core.rated_pairs import PreferredPrompt, RatedPair
from core.settings import PROJECT_ROOT

CYCLES_FOLDER = PROJECT_ROOT / "var" / "cycles"
EXAMPLES = "examples.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPrompt:
    """One prompt that only measures: the request that it was shown for, and whether people liked it.

    `parameters` are the asker's own, which stand in the prompt as well; `vote_event_ids` are the presses behind it.
    """

    request_id: str
    subject: str
    prompt: str
    parameters: str
    is_liked: bool
    vote_event_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenExamples:
    """What a cycle learns from, and what it is measured on beside the base data."""

    rated: tuple[RatedPair, ...]
    preferred: tuple[PreferredPrompt, ...]
    held_out: tuple[JudgedPrompt, ...]

    @property
    def vote_event_ids(self) -> tuple[int, ...]:
        """Return every press behind what is learned from or measured on, each once and in order."""
        events = [each.vote_event_ids for each in self.rated]
        events += [each.vote_event_ids for each in self.preferred]
        events += [each.vote_event_ids for each in self.held_out]
        return tuple(sorted({event for some in events for event in some}))


def cycles_below(root: Path) -> list[str]:
    """Return the ids of the cycles that have a folder below `root`."""
    return sorted(folder.name for folder in root.iterdir()) if root.is_dir() else []


def needs_folder(state: CycleState) -> bool:
    """Say whether a cycle in this state still has use for its folder; a canary is decided by rows alone."""
    return state.is_open and state is not CycleState.CANARY


class CycleFolder:
    """The folder of one cycle below `root`."""

    def __init__(self, cycle_id: str, root: Path = CYCLES_FOLDER) -> None:
        self.path = root / cycle_id

    def freeze(self, examples: FrozenExamples) -> None:
        """Write the examples in one move, readable by this user alone.

        Raises:
            TrainingFailed: the disk is full or read-only.
        """
        file = self.path / EXAMPLES
        draft = file.with_suffix(".part")
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(json.dumps(asdict(examples)), encoding="utf-8")
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            draft.replace(file)
        except OSError as error:
            raise TrainingFailed(
                f"The cycle's examples cannot be written to {self.path} ({error.strerror}); free some disk space and "
                "start it again."
            ) from error

    def examples(self) -> FrozenExamples:
        """Return the examples as they were frozen.

        Raises:
            TrainingFailed: they are gone or damaged.
        """
        file = self.path / EXAMPLES
        try:
            return build_config(FrozenExamples, json.loads(file.read_text(encoding="utf-8")), where=str(file))
        except (OSError, ValueError, ConfigError) as error:
            raise TrainingFailed(f"The cycle's examples in {file} cannot be read; start a new cycle.") from error

    def delete(self) -> None:
        """Delete what is there."""
        shutil.rmtree(self.path, ignore_errors=True)
