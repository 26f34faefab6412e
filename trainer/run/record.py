"""A training run's row in the database, written from the loop, which is not asynchronous.

The row is what a chat message shows of a training and what keeps two from going on at once. A database that cannot be
written for a moment does not stop a training: the next figures come soon.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import StorageBusy, StorageError, TrainingFailed
from core.logs import get_logger
from core.rated_pairs import RatedPair
from core.records import RunState, TrainingRunView
from falcon.adapter_files import ADAPTER_WEIGHTS
from storage import training_data, training_runs
from storage.database import Session
from trainer.adapters.folder import sha256_of
from trainer.likelihood import Likelihood
from trainer.preferences.pairs import UsedVote
from trainer.run.database_loop import DatabaseLoop
from trainer.run.owner import is_alive, own_process
from trainer.run.progress import Moment

log = get_logger(__name__)
SECONDS_BETWEEN_REPORTS = 2.0
RESUMABLE_STATES = (RunState.STOPPED, RunState.FAILED, RunState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What the row of a run that is about to begin says of it."""

    base_model: str
    base_revision: str | None
    config: Mapping[str, object]
    seed: int


class RunBook(DatabaseLoop):
    """The runs of one database; close it when done. Only one process of a training has it."""

    def find(self, run_id: str | None) -> TrainingRunView:
        """Return the run of this id, or the last one that can go on where it is None; never that of a cycle.

        Raises:
            TrainingFailed: there is none, or it is that of a cycle, whose examples only the cycle knows.
        """

        async def find(session: Session) -> TrainingRunView | None:
            if run_id is not None:
                return await training_runs.view(session, run_id)
            by_hand = await training_runs.latest(session, *RESUMABLE_STATES)
            return by_hand or await training_runs.latest(session, *RESUMABLE_STATES, is_of_cycle=True)

        run = self.read(find)
        if run is not None:
            self._require_no_cycle(run.id)
        if run is None:
            raise TrainingFailed("There is no training run to go on with; leave --resume out for a new one.")
        return run

    def _require_no_cycle(self, run_id: str) -> None:
        cycle_id = self.read(lambda session: training_runs.cycle_of(session, run_id))
        if cycle_id is not None:
            raise TrainingFailed(
                f"The training run {run_id} is that of the cycle {cycle_id}; `mjprompt retrain` goes on with it, or "
                "begins a new one."
            )

    def claim(self, run_id: str, folder: Path, *, new: NewRun | None = None) -> "RunRecord":
        """Become the process that trains a run, whose adapter goes to `folder`; a `new` one is added first.

        Raises:
            TrainingBusy: another process trains now; nothing is added then.
            TrainingFailed: the run is done, or there is none of this id.
        """

        async def claim(session: Session) -> None:
            if new is not None:
                await training_runs.create(
                    session,
                    run_id=run_id,
                    base_model=new.base_model,
                    base_revision=new.base_revision,
                    config=new.config,
                    seed=new.seed,
                )
            await training_runs.claim(
                session,
                run_id,
                host=own_process().host,
                process_id=own_process().process_id,
                folder=str(folder),
                is_alive=is_alive,
            )

        self.write(claim)
        return RunRecord(run_id, self.write)

    def require_idle(self) -> None:
        """Refuse where a training is going on.

        Raises:
            TrainingBusy: another process trains now.
        """

        async def require_idle(session: Session) -> None:
            await training_runs.require_idle(session, is_alive=is_alive)

        self.write(require_idle)

    def rated_pairs(self) -> Sequence[RatedPair]:
        """Return what people liked and corrected, of those who agreed to it."""
        return self.read(training_data.rated_pairs)


class RunRecord:
    """The row of the run that this process trains; a listener of its progress."""

    def __init__(
        self, run_id: str, write: Callable[[Callable[[Session], Awaitable[bool | None]]], bool | None]
    ) -> None:
        self.run_id = run_id
        self._write = write
        self._unsaid: Moment | None = None
        self._last_report = -SECONDS_BETWEEN_REPORTS

    def describe(self, *, base_revision: str | None, dataset_hash: str, used_votes: Sequence[UsedVote]) -> None:
        """Keep what the run learns from."""
        examples = [
            training_runs.UsedVote(vote_event_id=vote.vote_event_id, label=vote.label, example=vote.example)
            for vote in used_votes
        ]

        async def describe(session: Session) -> None:
            await training_runs.describe(
                session, self.run_id, base_revision=base_revision, dataset_hash=dataset_hash, examples=examples
            )

        self._write(describe)

    def start(self, *, step: int, num_steps: int) -> None:
        """The first step is soon enough."""

    def moment(self, moment: Moment) -> None:
        """Write where training is, every two seconds.

        Raises:
            TrainingFailed: another process took the run, since this one was not heard of for too long.
        """
        self._unsaid = moment
        if time.monotonic() - self._last_report >= SECONDS_BETWEEN_REPORTS:
            self._report()

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        """Evaluations are written with the run's end."""

    def close(self) -> None:
        """Write the last step's figures."""
        self._report()

    def finish(self, *, metrics: Mapping[str, object], adapter_folder: Path) -> None:
        """Mark the run as done, with its adapter.

        Raises:
            TrainingFailed: the run counts as another process's, or as gone, since this one was silent for too long.
        """
        weights = adapter_folder / ADAPTER_WEIGHTS
        is_ours = self._write(
            lambda session: training_runs.finish(
                session,
                self.run_id,
                metrics=metrics,
                adapter_folder=str(adapter_folder),
                owner=own_process(),
                sha256=sha256_of(weights) if weights.is_file() else None,
            )
        )
        if is_ours is False:
            raise TrainingFailed(
                f"The run {self.run_id} was given up, since this process was silent for too long; its adapter is "
                f"whole in {adapter_folder}, and `mjprompt train --resume --run {self.run_id}` puts it on the list."
            )

    def stop(self) -> None:
        """Mark the run as ended for now."""
        self._attempt(lambda session: training_runs.stop(session, self.run_id, owner=own_process()))

    def fail(self, reason: str) -> None:
        """Mark the run as failed; `reason` is one sentence."""
        self._attempt(lambda session: training_runs.fail(session, self.run_id, reason, owner=own_process()))

    def _report(self) -> None:
        if self._unsaid is None:
            return
        progress = self._unsaid.progress
        is_ours = self._attempt(
            lambda session: training_runs.report(session, self.run_id, progress, owner=own_process())
        )
        self._unsaid, self._last_report = None, time.monotonic()
        if is_ours is False:
            raise TrainingFailed(
                f"Another process has taken the run {self.run_id}, since this one was silent for too long; see there."
            )

    def _attempt(self, act: Callable[[Session], Awaitable[bool | None]]) -> bool | None:
        """Write, and only warn where that fails; return what was written, None where nothing was."""
        try:
            return self._write(act)
        except (StorageBusy, StorageError) as error:
            log.warning("train.row_not_written", run=self.run_id, reason=str(error))
            return None
