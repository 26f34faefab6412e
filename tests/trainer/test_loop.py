"""The loop over a toy model: every way to end, and going on to the bit."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from structlog.testing import capture_logs
from torch import Tensor

from core.errors import TrainingFailed
from tests.trainer.toy_learner import ToyLearner, toy_config, toy_set
from trainer.likelihood import Likelihood
from trainer.loop import TrainOutcome, train
from trainer.optimizer_step import StepResult
from trainer.run.checkpoints import CheckpointStore
from trainer.tokens import Document
from trainer.train_config import TrainConfig

SHARE = 0.2  # of dropout, so that random numbers matter


@dataclass(slots=True)
class Notes:
    """A watcher that writes down what it is told."""

    steps: list[int] = field(default_factory=list)
    lrs: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float, bool]] = field(default_factory=list)
    began_at: int | None = None
    num_steps: int = 0

    def start(self, *, step: int, num_steps: int) -> None:
        self.began_at, self.num_steps = step, num_steps

    def step(self, result: StepResult, *, step: int, lr: float, seconds: float) -> None:
        assert seconds >= 0
        self.steps.append(step)
        self.lrs.append(lr)

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        self.evaluations.append((step, measured.nats_per_token, is_best))


@dataclass(slots=True)
class StopAfter:
    """Wants to stop when it is asked for the `steps`-th time, which is once a step, and from then on."""

    steps: float = float("inf")
    num_asked: int = 0
    is_patient: bool = False

    def __call__(self) -> bool:
        assert self.is_patient
        self.num_asked += 1
        return self.num_asked >= self.steps

    @contextmanager
    def patiently(self) -> Iterator[None]:
        self.is_patient = True
        yield
        self.is_patient = False


class Runs:
    """Trains in one folder of checkpoints, again and again."""

    def __init__(self, folder: Path) -> None:
        self.store = CheckpointStore(folder, identity="toy")
        self.notes = Notes()

    def __call__(
        self,
        learner: ToyLearner | None = None,
        *,
        config: TrainConfig | None = None,
        is_resumed: bool = False,
        stop_after: float = float("inf"),
    ) -> tuple[TrainOutcome, ToyLearner]:
        learner = learner or ToyLearner(share=SHARE)
        self.notes = Notes()
        outcome = train(
            learner,
            toy_set(),
            config or toy_config(),
            accelerator=Accelerator(cpu=True),
            store=self.store,
            watcher=self.notes,
            stop=StopAfter(stop_after),
            is_resumed=is_resumed,
        )
        return outcome, learner


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "checkpoints")


@pytest.fixture
def new_runs(tmp_path: Path) -> Callable[[str], Runs]:
    return lambda name: Runs(tmp_path / name)


def is_equal(one: ToyLearner, two: ToyLearner) -> bool:
    return all(torch.equal(weight, two.weights()[name]) for name, weight in one.weights().items())


def test_loop_learns_measures_and_keeps_its_best_weights(runs: Runs) -> None:
    outcome, learner = runs(ToyLearner())
    assert (outcome.step, outcome.is_stopped) == (outcome.num_steps, False)
    assert runs.notes.steps == list(range(1, outcome.num_steps + 1))
    assert [step for step, _, _ in runs.notes.evaluations] == [3, 6, 9, outcome.num_steps]
    assert runs.notes.lrs[-1] < max(runs.notes.lrs)
    losses = [loss for _, loss in outcome.validation_curve]
    assert losses[-1] < losses[0] - 0.2
    assert outcome.best_loss == min(losses)
    assert outcome.num_tokens == 2 * sum(len(document) for document in toy_set().train)
    measured = learner.loss(toy_set().validation).detach() / sum(len(d) - 2 for d in toy_set().validation)
    assert float(measured) == pytest.approx(outcome.best_loss)


def test_equal_seeds_give_equal_curves_and_weights_and_another_seed_does_not(new_runs: Callable[[str], Runs]) -> None:
    (one, first), (two, second), (other, _) = (
        new_runs(name)(config=toy_config(loop__seed=seed)) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert is_equal(first, second)
    assert (one.train_curve, one.validation_curve) == (two.train_curve, two.validation_curve)
    assert one.train_curve != other.train_curve


@pytest.mark.parametrize("stop_after", [1, 3, 7])
def test_stopped_anywhere_and_resumed_equals_uninterrupted_to_the_bit(
    new_runs: Callable[[str], Runs], stop_after: int
) -> None:
    expected, whole = new_runs("whole")()
    runs = new_runs("stopped")
    stopped, _ = runs(stop_after=stop_after)
    assert (stopped.is_stopped, stopped.step) == (True, stop_after)
    outcome, learner = runs(is_resumed=True)
    assert runs.notes.began_at == stop_after
    assert runs.notes.steps == list(range(stop_after + 1, expected.num_steps + 1))
    assert is_equal(whole, learner)
    assert outcome.train_curve == expected.train_curve
    assert outcome.validation_curve == expected.validation_curve
    assert (outcome.best_step, outcome.num_tokens) == (expected.best_step, expected.num_tokens)


def test_damaged_newest_checkpoint_goes_on_from_the_one_before_to_the_same_bits(
    new_runs: Callable[[str], Runs], tmp_path: Path
) -> None:
    _, whole = new_runs("whole")()
    runs = new_runs("damaged")
    runs(stop_after=7)
    (tmp_path / "damaged" / "step-00000007" / "weights.safetensors").write_bytes(b"")
    with capture_logs() as logs:
        _, learner = runs(is_resumed=True)
    assert runs.notes.began_at == 6
    assert is_equal(whole, learner)
    assert "checkpoint.damaged" in [line["event"] for line in logs]


def test_resuming_before_the_first_checkpoint_begins_anew_and_says_so(new_runs: Callable[[str], Runs]) -> None:
    _, whole = new_runs("whole")()
    with capture_logs() as logs:
        _, learner = new_runs("nothing")(is_resumed=True)
    assert is_equal(whole, learner)
    assert "train.nothing_to_resume" in [line["event"] for line in logs]


def test_resuming_a_run_that_had_taken_its_last_step_only_takes_its_best_weights(runs: Runs) -> None:
    """It was killed after its last step and before its adapter was written."""
    _, whole = runs()
    outcome, learner = runs(is_resumed=True)
    assert runs.notes.steps == []
    assert outcome.step == outcome.num_steps
    assert is_equal(whole, learner)


def test_size_of_micro_batches_is_remembered(runs: Runs) -> None:
    class Small(ToyLearner):
        def loss(self, documents: Sequence[Document]) -> Tensor:
            if sum(map(len, documents)) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().loss(documents)

    runs(Small(), stop_after=4)
    learner = ToyLearner()
    runs(learner, is_resumed=True)
    assert max(learner.sizes) <= 20


def test_training_ends_early_when_nothing_improves_and_the_best_weights_come_back(runs: Runs) -> None:
    config = toy_config(loop__epochs=40.0, loop__evaluate_every_steps=1, loop__patience=3, optimizer__lr=0.5)
    outcome, learner = runs(ToyLearner(), config=config)
    assert outcome.step < outcome.num_steps
    assert outcome.best_step == outcome.step - 3
    assert [is_best for *_, is_best in runs.notes.evaluations[-4:]] == [True, False, False, False]
    best = runs.store.load(outcome.best_step)
    assert all(torch.equal(best.weights[name], weight) for name, weight in learner.weights().items())
    again, resumed = runs(ToyLearner(), config=config, is_resumed=True)
    assert (again.step, runs.notes.steps) == (outcome.step, []), "a run that had enough has enough"
    assert is_equal(learner, resumed)


def test_damaged_best_checkpoint_leaves_the_last_weights_and_says_so(runs: Runs, tmp_path: Path) -> None:
    config = toy_config(loop__epochs=40.0, loop__evaluate_every_steps=1, loop__patience=3, optimizer__lr=0.5)
    outcome, best = runs(ToyLearner(), config=config)
    shutil.rmtree(tmp_path / "checkpoints" / f"step-{outcome.best_step:08d}")
    with capture_logs() as logs:
        _, learner = runs(ToyLearner(), config=config, is_resumed=True)
    assert not is_equal(best, learner)
    assert [line["cure"] for line in logs if line["event"] == "checkpoint.damaged"] == [
        "the last weights are taken instead"
    ]


class Sick(ToyLearner):
    """Its loss is no number in the micro-batches of these counts."""

    def __init__(self, *sick: int) -> None:
        super().__init__()
        self._sick = sick
        self._count = 0

    def loss(self, documents: Sequence[Document]) -> Tensor:
        self._count += torch.is_grad_enabled()
        return super().loss(documents) * (float("nan") if self._count in self._sick else 1.0)


def test_step_without_a_number_is_skipped_and_said(runs: Runs) -> None:
    with capture_logs() as logs:
        outcome, _ = runs(Sick(3))
    assert [line["step"] for line in logs if line["event"] == "train.step_skipped"] == [2]
    assert [step for step, _ in outcome.train_curve] == [1, *range(3, outcome.num_steps + 1)]


def test_loss_that_stays_no_number_ends_the_run_and_keeps_the_last_good_checkpoint(runs: Runs) -> None:
    with pytest.raises(TrainingFailed, match="was no finite number in 3 steps in a row, up to step 8"):
        runs(Sick(*range(11, 100)))
    assert runs.store.steps() == [3, 4], "the steps after it were not saved"
    newest = runs.store.newest()
    assert newest is not None
    assert all(weight.isfinite().all() for weight in newest.weights.values())


def test_training_that_diverges_ends_and_keeps_what_was_sound(runs: Runs) -> None:
    class Climbing(ToyLearner):
        def loss(self, documents: Sequence[Document]) -> Tensor:
            return super().loss(documents) * 1.1 ** len(self.sizes)

    with pytest.raises(TrainingFailed, match=r"diverged: at step \d+ .* set a lower lr .* of step 3, is kept\."):
        runs(Climbing(), config=toy_config(loop__epochs=10.0))
    assert runs.store.steps() == [3, 4], "what was saved is from before it climbed away"


def test_validation_that_is_never_a_number_ends_in_a_sentence(runs: Runs) -> None:
    class Blind(ToyLearner):
        def loss(self, documents: Sequence[Document]) -> Tensor:
            return super().loss(documents) * (1.0 if torch.is_grad_enabled() else float("nan"))

    with pytest.raises(TrainingFailed, match="The validation loss was never a finite number; set a lower lr"):
        runs(Blind())


def test_lost_gpu_is_one_sentence_that_names_the_last_checkpoint(runs: Runs) -> None:
    class Lost(ToyLearner):
        def loss(self, documents: Sequence[Document]) -> Tensor:
            if len(self.sizes) > 12:
                raise torch.AcceleratorError("CUDA error: GPU is lost\nmore words")
            return super().loss(documents)

    with pytest.raises(TrainingFailed) as caught:
        runs(Lost())
    step = max(runs.store.steps())
    assert f"(CUDA error: GPU is lost); the last checkpoint is of step {step}; go on with" in str(caught.value)


def test_checkpoint_of_another_adapter_shape_is_refused(runs: Runs) -> None:
    class Other(ToyLearner):
        def __init__(self) -> None:
            super().__init__()
            del self._parameters["bias"]

    runs(stop_after=2)
    with pytest.raises(TrainingFailed, match="of another adapter shape"):
        runs(Other(), is_resumed=True)


def test_stop_on_the_very_last_step_is_an_end(runs: Runs) -> None:
    num_steps = runs()[0].num_steps
    outcome, _ = runs(stop_after=num_steps)
    assert not outcome.is_stopped


def test_last_weights_are_kept_where_another_measure_judges_them(new_runs: Callable[[str], Runs]) -> None:
    """What people like may cost validation loss from the first step on."""
    found = {}
    for kept in ("best", "last"):
        config = toy_config(optimizer__lr=0.9, loop__patience=1, loop__evaluate_every_steps=1, loop__kept=kept)
        found[kept] = new_runs(kept)(config=config)
    (best, _), (last, learner) = found["best"], found["last"]
    assert (last.best_step, last.step) == (last.num_steps, last.num_steps)
    assert best.step < best.num_steps, "patience ends the one that keeps its best"
    assert last.best_loss == last.validation_curve[-1][1] > min(loss for _, loss in last.validation_curve)
    learner.switch(is_training=False)
    measured = learner.loss(toy_set().validation).detach() / sum(len(d) - 2 for d in toy_set().validation)
    assert float(measured) == pytest.approx(last.best_loss)
