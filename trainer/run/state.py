"""What a run has to remember beyond its weights, and what follows from it: is it sound, is it the best, is it enough.

Plain numbers that JSON keeps to the bit. It knows no model and no files.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from core.errors import TrainingFailed

SMOOTHING = 0.9  # of the last smoothed loss that stays in the next one
SUSPECT_NATS = 1.0  # above its lowest, the smoothed loss is no longer worth a checkpoint
DIVERGED_NATS = 2.0  # above its lowest, it will not come back
MAX_NUMBERLESS_STEPS = 3  # in a row


@dataclass(slots=True, kw_only=True)
class LoopState:
    """How far a run is. `step` counts finished steps; losses are in nats per answer token.

    `num_parts` is how many micro-batches a block had to be cut into. `train_curve` and `validation_curve` hold
    `[step, loss]`.
    """

    step: int = 0
    num_parts: int = 1
    num_tokens: int = 0
    seconds: float = 0.0
    smooth_loss: float | None = None
    lowest_smooth_loss: float = math.inf
    num_numberless: int = 0
    best_step: int | None = None
    best_loss: float = math.inf
    num_worse_evaluations: int = 0
    train_curve: list[list[float]] = field(default_factory=list)
    validation_curve: list[list[float]] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Say whether the weights are worth keeping: the loss is a number and has not begun to climb away."""
        loss = self.smooth_loss
        return self.num_numberless == 0 and (loss is None or loss <= self.lowest_smooth_loss + SUSPECT_NATS)

    def see_step(self, loss: float, *, is_applied: bool, num_tokens: int) -> None:
        """Count one more step.

        Raises:
            TrainingFailed: the loss is no number for the third time in a row, or has climbed away for good.
        """
        self.step += 1
        self.num_tokens += num_tokens
        if not is_applied:
            self.num_numberless += 1
            if self.num_numberless >= MAX_NUMBERLESS_STEPS:
                raise TrainingFailed(
                    f"The loss or its gradient was no finite number in {MAX_NUMBERLESS_STEPS} steps in a row, up to "
                    f"step {self.step}; set a lower lr and start a new run. {self.kept}"
                )
            return
        self.num_numberless = 0
        last = self.smooth_loss
        self.smooth_loss = loss if last is None else SMOOTHING * last + (1 - SMOOTHING) * loss
        self.lowest_smooth_loss = min(self.lowest_smooth_loss, self.smooth_loss)
        self.train_curve.append([self.step, loss])
        if self.smooth_loss > self.lowest_smooth_loss + DIVERGED_NATS:
            raise TrainingFailed(
                f"Training has diverged: at step {self.step} the loss is {self.smooth_loss:.2f} nats per token after "
                f"{self.lowest_smooth_loss:.2f}; set a lower lr and start a new run. {self.kept}"
            )

    def see_evaluation(self, loss: float) -> bool:
        """Count one evaluation; return whether it is the best so far."""
        self.validation_curve.append([self.step, loss])
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.num_worse_evaluations = loss, self.step, 0
            return True
        self.num_worse_evaluations += 1
        return False

    @property
    def kept(self) -> str:
        """Return a sentence that says which weights are kept."""
        if self.best_step is None:
            return "No checkpoint was measured yet."
        return f"The best checkpoint, of step {self.best_step}, is kept."

    def as_dict(self) -> dict[str, Any]:
        """Return the state as JSON values; what is infinite is left out."""
        return {name: value for name, value in asdict(self).items() if value != math.inf}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "LoopState":
        """Return the state that `as_dict` wrote.

        Raises:
            TypeError, ValueError: it was written by another version.
        """
        if unknown := set(values) - {item.name for item in fields(cls)}:
            raise ValueError(f"unknown {min(unknown)}")
        return cls(**values)
