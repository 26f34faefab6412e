"""The training loop: steps, evaluations, checkpoints, and every way in which it can end.

It is the same for any model that is a `Learner`. What a step learns from follows from its number (trainer/schedule.py),
so going on from a checkpoint gives the weights that an uninterrupted run would have, to the bit.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor

from core.errors import TrainingFailed
from core.logs import get_logger
from trainer.learner import Learner
from trainer.likelihood import Likelihood, likelihood
from trainer.optimizer_step import Stepper, StepResult
from trainer.packing import plan_blocks
from trainer.run.checkpoints import Checkpoint, CheckpointStore
from trainer.run.state import LoopState
from trainer.schedule import Block, learning_rate, plan_steps
from trainer.train_config import TrainConfig
from trainer.training_set import TrainingSet

log = get_logger(__name__)


class Watcher(Protocol):
    """Whoever is told how training goes; called on the main process alone."""

    def start(self, *, step: int, num_steps: int) -> None:
        """Hear that steps begin, after `step` of `num_steps`."""

    def step(self, result: StepResult, *, step: int, lr: float, seconds: float) -> None:
        """Hear of a finished step that took `seconds`."""

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        """Hear of an evaluation after `step`."""


class Stop(Protocol):
    """Whoever may ask to end."""

    def __call__(self) -> bool:
        """Say whether to end."""

    def patiently(self) -> AbstractContextManager[None]:
        """Let the loop finish its step and save within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOutcome:
    """How training ended. `is_stopped` means that it was asked to end before it was done, and can go on.

    `best_step` is the step whose weights the learner has now, unless it was stopped: that of the best evaluation, or
    the last one where `kept` says so; `best_loss` is its validation loss. `num_tokens` counts without padding. Losses
    are in nats per answer token.
    """

    is_stopped: bool
    step: int
    num_steps: int
    best_step: int
    best_loss: float
    num_tokens: int
    seconds: float
    train_curve: Sequence[Sequence[float]]
    validation_curve: Sequence[Sequence[float]]


def train(
    learner: Learner,
    data: TrainingSet,
    config: TrainConfig,
    *,
    accelerator: Accelerator,
    store: CheckpointStore,
    watcher: Watcher,
    stop: Stop,
    is_resumed: bool = False,
    num_parts: int = 1,
    breathe: Callable[[], None] = lambda: None,
) -> TrainOutcome:
    """Train until the plan is done, nothing improves any more, or `stop` says so; leave the best weights in `learner`.

    `num_parts` is how many micro-batches a block has to be cut into to fit the device, as far as is known. `breathe` is
    called after each of them.

    Raises:
        TrainingFailed: it diverged, a checkpoint could not be written, or the GPU was lost; the checkpoints that were
            written before are kept.
        NotEnoughMemory: a single document is too much for the device.
    """
    loop = _Loop(
        learner,
        data,
        config,
        accelerator=accelerator,
        store=store,
        watcher=watcher,
        num_parts=num_parts,
        breathe=breathe,
    )
    if is_resumed:
        loop.resume()
    with stop.patiently():
        try:
            return loop.run(stop)
        except torch.AcceleratorError as error:
            last = max(store.steps(), default=None)
            cure = "go on with `mjprompt train --resume`" if last is not None else "start again"
            raise TrainingFailed(
                f"The GPU was lost after step {loop.state.step} ({str(error).splitlines()[0]}); the last checkpoint is "
                f"{'of step ' + str(last) if last is not None else 'none yet'}; {cure}."
            ) from error


class _Loop:
    def __init__(
        self,
        learner: Learner,
        data: TrainingSet,
        config: TrainConfig,
        *,
        accelerator: Accelerator,
        store: CheckpointStore,
        watcher: Watcher,
        num_parts: int,
        breathe: Callable[[], None],
    ) -> None:
        self.state = LoopState(num_parts=num_parts)
        self._learner, self._config = learner, config
        self._accelerator, self._store, self._watcher = accelerator, store, watcher
        self._data = data
        # Validation documents come after what is learned from, so that one stepper knows both by number.
        examples = [*data.train, *data.validation]
        self._plan = plan_steps([len(example) for example in data.train], config)
        self._validation = _validation_blocks(data, config.tokens.block_tokens)
        self._num_validation_answers = sum(document.num_answer_tokens for document in data.validation)
        self._stepper = Stepper(
            learner,
            examples,
            config.optimizer,
            accelerator=accelerator,
            seed=config.loop.seed,
            num_parts=num_parts,
            breathe=breathe,
        )

    def resume(self) -> None:
        """Go on from the newest checkpoint that is whole, from the start where there is none."""
        checkpoint = self._store.newest()
        if checkpoint is None:
            log.warning("train.nothing_to_resume", cure="training starts from its first step")
            return
        self._load_weights(checkpoint)
        load_optimizer(self._stepper.optimizer, checkpoint.optimizer)
        self.state = LoopState.from_dict(checkpoint.state)
        self._stepper.num_parts = self.state.num_parts
        log.info("train.resumed", step=self.state.step, of=len(self._plan))

    def run(self, stop: Callable[[], bool]) -> TrainOutcome:
        """Take all steps that are left."""
        self._learner.switch(is_training=True)
        if self._accelerator.is_main_process:
            self._watcher.start(step=self.state.step, num_steps=len(self._plan))
        while self.state.step < len(self._plan) and not self._is_enough():
            result = self._step(stop)
            self._look_around()
            if result.is_stop_wanted and self.state.step < len(self._plan):
                self._save()
                return self._outcome(is_stopped=True)
        self._take_kept()
        return self._outcome(is_stopped=False)

    def _step(self, stop: Callable[[], bool]) -> StepResult:
        number = self.state.step
        lr = learning_rate(number, len(self._plan), self._config.optimizer)
        started = time.perf_counter()
        result = self._stepper.step(self._plan[number], number=number, lr=lr, is_stop_wanted=stop)
        seconds = time.perf_counter() - started
        self.state.seconds += seconds
        if not result.is_applied:
            log.warning("train.step_skipped", step=number + 1, reason="loss or gradient is no finite number")
        self.state.see_step(result.loss, is_applied=result.is_applied, num_tokens=result.num_tokens)
        if self._accelerator.is_main_process:
            self._watcher.step(result, step=self.state.step, lr=lr, seconds=seconds)
        return result

    def _look_around(self) -> None:
        """Evaluate and save where it is time."""
        loop, step = self._config.loop, self.state.step
        is_last = step == len(self._plan)
        is_best = (is_last or step % loop.evaluate_every_steps == 0) and self._evaluate()
        if is_best or is_last or (step % loop.save_every_steps == 0 and self.state.is_sound):
            self._save()

    def _is_enough(self) -> bool:
        loop = self._config.loop
        is_enough = loop.kept == "best" and self.state.num_worse_evaluations >= loop.patience
        if is_enough:
            log.info("train.early_stop", step=self.state.step, best_step=self.state.best_step)
        return is_enough

    def _evaluate(self) -> bool:
        """Measure on the validation documents; return whether it is the best measure so far."""
        nats = self._stepper.total_nats(self._validation)
        measured = likelihood(
            nats,
            num_tokens=self._num_validation_answers,
            num_bytes=self._data.num_validation_bytes,
            num_pairs=len(self._data.validation),
        )
        is_best = self.state.see_evaluation(measured.nats_per_token)
        if self._accelerator.is_main_process:
            self._watcher.evaluation(measured, step=self.state.step, is_best=is_best)
        return is_best

    def _save(self) -> None:
        self.state.num_parts = self._stepper.num_parts
        if self._accelerator.is_main_process:
            checkpoint = Checkpoint(
                step=self.state.step,
                weights={name: weight.detach().cpu() for name, weight in self._learner.parameters.items()},
                optimizer=optimizer_tensors(self._stepper.optimizer),
                state=self.state.as_dict(),
            )
            best = self.state.best_step
            self._store.save(checkpoint, keep=() if best is None else (best,))
        self._accelerator.wait_for_everyone()

    def _take_kept(self) -> None:
        """Load the weights of the best evaluation, where they are wanted; a damaged checkpoint leaves the present ones.

        Raises:
            TrainingFailed: no evaluation gave a number.
        """
        best = self.state.best_step
        if best is None:
            raise TrainingFailed("The validation loss was never a finite number; set a lower lr and start a new run.")
        if self._config.loop.kept == "last" or best == self.state.step:
            return
        try:
            self._load_weights(self._store.load(best))
        except ValueError as error:
            log.warning("checkpoint.damaged", step=best, reason=str(error), cure="the last weights are taken instead")

    def _load_weights(self, checkpoint: Checkpoint) -> None:
        load_weights(self._learner.parameters, checkpoint.weights)

    def _outcome(self, *, is_stopped: bool) -> TrainOutcome:
        state = self.state
        best_step, best_loss = state.best_step, state.best_loss
        if self._config.loop.kept == "last" and not is_stopped:
            best_step, best_loss = state.step, state.validation_curve[-1][1]
        return TrainOutcome(
            is_stopped=is_stopped,
            step=state.step,
            num_steps=len(self._plan),
            best_step=state.step if best_step is None else best_step,
            best_loss=best_loss,
            num_tokens=state.num_tokens,
            seconds=state.seconds,
            train_curve=state.train_curve,
            validation_curve=state.validation_curve,
        )


def _validation_blocks(data: TrainingSet, block_tokens: int) -> list[Block]:
    """Return blocks of validation documents, numbered from the last training document on; always the same ones."""
    lengths = [len(document) for document in data.validation]
    blocks = plan_blocks(lengths, block_tokens, torch.Generator().manual_seed(0))
    return [[number + len(data.train) for number in block] for block in blocks]


@torch.no_grad()
def load_weights(parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Copy `weights` into `parameters`.

    Raises:
        TrainingFailed: names or shapes differ.
    """
    shapes = ({name: tuple(tensor.shape) for name, tensor in some.items()} for some in (parameters, weights))
    if next(shapes) != next(shapes):
        raise TrainingFailed("The checkpoint is of another adapter shape than this run; start a new run.")
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's own tensors as `<number of the parameter>.<name>`."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{number}.{name}": tensor.cpu() for number, own in state.items() for name, tensor in own.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizer back what `optimizer_tensors` returned."""
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
