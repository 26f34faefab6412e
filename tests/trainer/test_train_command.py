"""`mjprompt train` as a function, on a tiny Falcon: from a data file to an adapter that can be served, and its row."""

import json
import resource
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, register_tracker_class
from safetensors.torch import load_file
from structlog.testing import capture_logs

from core.errors import ConfigError, InvalidData, MjpromptError, ModelError, TrainingBusy, TrainingFailed
from core.records import RunState, TrainingRunView
from falcon.base_identity import identify
from falcon.loading import load_model
from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.trainer.tiny_training import TinyTraining, tiny_training
from trainer.adapters.folder import require_whole
from trainer.cleaning import NameFinder
from trainer.dataset import load_data
from trainer.fine_tuning import TrainReport, run_identity
from trainer.run.checkpoints import CheckpointStore
from trainer.run.plan import TrainRequest
from trainer.run.record import NewRun, RunBook, RunRecord
from trainer.train_command import run_training
from trainer.train_config import SourceConfig, read_train_config

ALARM_STEP = 3


class Alarm(GeneralTracker):
    """A tracker that sends this process a signal at a step, as somebody's Ctrl-C would come."""

    name = "alarm"
    requires_logging_directory = False
    number = signal.SIGINT

    def __init__(self, run_name: str, **_: Any) -> None:
        super().__init__()

    @property
    def tracker(self) -> None:
        return None

    def start(self) -> None:
        pass

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        pass

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        if step == ALARM_STEP and "train/lr" in values:
            signal.raise_signal(self.number)


class FullDisk(Alarm):
    """A tracker after whose end the disk is full: no file can grow any more."""

    name = "full_disk"
    is_full = True

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        pass

    def finish(self) -> None:
        if self.is_full:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.fixture(autouse=True)
def trackers() -> Iterator[None]:
    limit, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    for kind in (Alarm, FullDisk):
        register_tracker_class(kind)
    yield
    for kind in (Alarm, FullDisk):
        del LOGGER_TYPE_TO_CLASS[kind.name]
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_falcon(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def tiny(tmp_path: Path, tiny_model: Path, migrated_file: Path) -> TinyTraining:
    return tiny_training(tmp_path, model=tiny_model, migrated_file=migrated_file)


def typed(tiny: TinyTraining, **changes: Any) -> TrainRequest:
    request = TrainRequest(config_file=tiny.recipe, data=tiny.data, output=tiny.folder / "adapter", tracker="none")
    return replace(request, **changes)


def trained(tiny: TinyTraining, request: TrainRequest) -> TrainReport:
    report = run_training(tiny.settings, request)
    assert report is not None
    return report


def run_of(tiny: TinyTraining, run_id: str) -> TrainingRunView:
    with RunBook(tiny.settings.database_url) as book:
        return book.find(run_id)


def only_run(tiny: TinyTraining) -> TrainingRunView:
    with RunBook(tiny.settings.database_url) as book:
        return book.find(None)


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, migrated_file: Path
) -> tuple[TinyTraining, TrainReport]:
    """A training that came to its end, and what it reported."""
    tiny = tiny_training(tmp_path_factory.mktemp("whole"), model=tiny_model, migrated_file=migrated_file)
    return tiny, trained(tiny, typed(tiny))


def test_training_leaves_an_adapter_that_is_whole_and_can_be_served(whole: tuple[TinyTraining, TrainReport]) -> None:
    tiny, report = whole
    record = require_whole(report.adapter)
    assert (record.run_id, report.adapter, report.signal) == (report.run_id, tiny.folder / "adapter", None)
    assert record.curves.best == (report.outcome.best_step, report.outcome.best_loss)
    assert set(record.metrics) == {"base", "candidate"}
    losses = [record.metrics[name]["likelihood"]["nats_per_token"] for name in ("base", "candidate")]
    assert losses[1] < losses[0]
    assert losses[1] == pytest.approx(report.outcome.best_loss, rel=1e-4), "the loop measures as the evaluation does"
    served = load_model(tiny.settings.model_copy(update={"adapter": report.adapter}))
    assert served.info.adapter == "adapter"
    assert any(
        weight.abs().sum() > 0
        for name, weight in load_file(report.adapter / "adapter_model.safetensors").items()
        if "lora_B" in name
    )


def test_row_tells_how_it_went_and_the_adapter_is_a_candidate(whole: tuple[TinyTraining, TrainReport]) -> None:
    tiny, report = whole
    run = run_of(tiny, report.run_id)
    assert (run.state, run.base_model, run.error) == (RunState.DONE, "tiny", None)
    assert run.progress is not None
    assert (run.progress.step, run.progress.num_steps) == (report.outcome.num_steps, report.outcome.num_steps)
    assert run.progress.tokens_per_second > 0
    assert run.dataset_hash == require_whole(report.adapter).data_hash
    assert run.metrics["best"] == {"nats_per_token": report.outcome.best_loss, "step": report.outcome.best_step}


def test_checkpoints_are_gone_when_the_adapter_is_there_and_no_path_is_in_it(
    whole: tuple[TinyTraining, TrainReport],
) -> None:
    tiny, report = whole
    assert sorted(path.name for path in tiny.folder.iterdir() if path.is_dir()) == ["adapter"]
    for file in report.adapter.iterdir():
        assert str(tiny.folder).encode() not in file.read_bytes(), file.name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_and_the_resumed_run_gives_the_same_adapter(
    tiny: TinyTraining, whole: tuple[TinyTraining, TrainReport], number: signal.Signals
) -> None:
    Alarm.number = number
    stopped = trained(tiny, typed(tiny, tracker=Alarm.name))
    assert (stopped.signal, stopped.outcome.is_stopped) == (number, True)
    run = run_of(tiny, stopped.run_id)
    assert run.state is RunState.STOPPED
    assert run.progress is not None
    assert run.progress.step == stopped.outcome.step == ALARM_STEP + 1 < stopped.outcome.num_steps
    assert not (tiny.folder / "adapter").exists()

    resumed = trained(tiny, TrainRequest(is_resumed=True))
    assert resumed.run_id == stopped.run_id
    weights, expected = (load_file(report.adapter / "adapter_model.safetensors") for report in (resumed, whole[1]))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert resumed.outcome.validation_curve == whole[1].outcome.validation_curve


def test_run_killed_between_its_adapter_and_its_row_is_closed_by_a_resume(
    tiny: TinyTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder was there and the row said running, so that --resume refused the folder as somebody else's."""

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunRecord, "finish", killed)
        run_training(tiny.settings, typed(tiny))
    written = require_whole(tiny.folder / "adapter")
    assert only_run(tiny).state is RunState.STOPPED

    report = trained(tiny, TrainRequest(is_resumed=True))
    assert (report.run_id, report.adapter, report.signal) == (written.run_id, tiny.folder / "adapter", None)
    assert (report.outcome.best_step, report.outcome.best_loss) == written.curves.best
    assert require_whole(report.adapter) == written, "nothing was trained or written again"
    run = run_of(tiny, report.run_id)
    assert (run.state, set(run.metrics)) == (RunState.DONE, {"best", "base", "candidate"})
    assert sorted(path.name for path in tiny.folder.iterdir() if path.is_dir()) == ["adapter"]


def test_second_training_is_refused_and_leaves_no_row(tiny: TinyTraining) -> None:
    with RunBook(tiny.settings.database_url) as book:
        book.claim("r" * 26, tiny.folder, new=NewRun(base_model="tiny", base_revision=None, config={}, seed=0))
        with pytest.raises(TrainingBusy, match=r"The training run r+ is going on in process"):
            run_training(tiny.settings, typed(tiny))
        assert book.find(None).id == "r" * 26
    assert not (tiny.folder / "adapter").exists()


def write(file: Path, *rows: dict[str, str]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def one_row(tiny: TinyTraining) -> None:
    write(tiny.data, {"text": "a red fox in a quiet garden, soft light, early morning haze"})


def no_rows(tiny: TinyTraining) -> None:
    write(tiny.data)


def wrong_columns(tiny: TinyTraining) -> None:
    write(tiny.data, {"prompt": "a red fox"}, {"prompt": "a blue owl"})


def wrong_encoding(tiny: TinyTraining) -> None:
    tiny.data.write_bytes(b'{"text": "a caf\xe9 in a quiet garden, soft light"}\n' * 3)


def no_file(tiny: TinyTraining) -> None:
    tiny.data.unlink()


def no_room(tiny: TinyTraining) -> None:
    text = tiny.recipe.read_text(encoding="utf-8")
    tiny.recipe.write_text(text.replace("max_document_tokens = 128", "max_document_tokens = 8"), encoding="utf-8")


def no_names(tiny: TinyTraining) -> None:
    text = tiny.recipe.read_text(encoding="utf-8")
    tiny.recipe.write_text(text.replace("[data]\n", "[data]\nnames_file = 'gone.txt'\n", 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (one_row, InvalidData, "1 usable prompt"),
        (no_rows, InvalidData, "prompts.jsonl"),
        (wrong_columns, InvalidData, "text"),
        (wrong_encoding, InvalidData, "UTF-8"),
        (no_file, InvalidData, "prompts.jsonl"),
        (no_room, ConfigError, "max_document_tokens = 8 is less than any subject needs"),
        (no_names, ConfigError, "names_file = 'gone.txt' cannot be read"),
    ],
)
def test_bad_input_is_one_sentence_that_the_row_has_as_well(
    tiny: TinyTraining, spoil: Any, kind: type[MjpromptError], said: str
) -> None:
    spoil(tiny)
    with pytest.raises(kind) as caught:
        run_training(tiny.settings, typed(tiny))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    run = only_run(tiny)
    assert (run.state, run.error) == (RunState.FAILED, str(caught.value))
    assert not (tiny.folder / "adapter").exists()


def test_run_whose_data_changed_cannot_go_on(tiny: TinyTraining) -> None:
    trained(tiny, typed(tiny, tracker=Alarm.name))
    lines = tiny.data.read_text(encoding="utf-8").splitlines(keepends=True)
    tiny.data.write_text("".join(lines[:-40]), encoding="utf-8")
    with pytest.raises(TrainingFailed, match=r"The data has changed since the training run .* began"):
        run_training(tiny.settings, TrainRequest(is_resumed=True))
    assert only_run(tiny).state is RunState.FAILED


def test_run_whose_base_changed_cannot_go_on(tiny: TinyTraining, tiny_model: Path, tmp_path: Path) -> None:
    trained(tiny, typed(tiny, tracker=Alarm.name))
    other = write_tiny_falcon(tmp_path / "other" / tiny_model.name, num_hidden_layers=1)
    settings = tiny.settings.model_copy(update={"model_id": str(other)})
    with pytest.raises(TrainingFailed, match="made with other data or settings"):
        run_training(settings, TrainRequest(is_resumed=True))


def test_adapter_that_cannot_be_written_is_written_by_a_resume(
    tiny: TinyTraining, whole: tuple[TinyTraining, TrainReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with capture_logs(), pytest.raises(TrainingFailed) as caught:  # what pytest captures is a file as well
        run_training(tiny.settings, typed(tiny, tracker=FullDisk.name))
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "The adapter could not be written to" in str(caught.value)
    assert "File too large" in str(caught.value)
    assert "free some disk space, then `mjprompt train --resume` writes it" in str(caught.value)
    assert sorted(path.name for path in tiny.folder.iterdir() if path.is_dir()) == ["adapter.checkpoints"]

    assert only_run(tiny).state is RunState.RUNNING, "the database is on the same disk"
    with closing(sqlite3.connect(tiny.database_file)) as connection, connection:  # as if its process had ended
        connection.execute("UPDATE training_runs SET heartbeat_at = '2026-01-01 00:00:00.000000'")
    monkeypatch.setattr(FullDisk, "is_full", False)
    resumed = trained(tiny, TrainRequest(is_resumed=True))
    weights, expected = (load_file(report.adapter / "adapter_model.safetensors") for report in (resumed, whole[1]))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_comparison_that_fails_costs_its_figures_and_never_the_adapter(tiny: TinyTraining) -> None:
    settings = tiny.settings.model_copy(update={"decode_config": tiny.folder / "gone.toml"})
    with capture_logs() as logs:
        report = run_training(settings, typed(tiny, max_steps=2))
    assert report is not None
    assert (report.metrics, report.outcome.num_steps) == ({}, 2)
    assert require_whole(report.adapter).metrics == {}
    assert run_of(tiny, report.run_id).state is RunState.DONE
    assert "train.not_compared" in [line["event"] for line in logs]


def test_folder_without_a_model_is_refused(tiny: TinyTraining, tmp_path: Path) -> None:
    settings = tiny.settings.model_copy(update={"model_id": str(tmp_path / "gone")})
    with pytest.raises(ModelError, match="is missing; set MODEL_ID"):
        run_training(settings, typed(tiny))


def test_checkpoint_of_another_precision_is_refused(tiny: TinyTraining) -> None:
    """With precision "auto" and less free memory, NF4 went on from the checkpoint of a bf16 run without a word."""
    trained(tiny, typed(tiny, tracker=Alarm.name))
    config = read_train_config(tiny.recipe)
    source = SourceConfig(kind="file", id=str(tiny.data))
    config = replace(
        config, data=replace(config.data, sources=(source,)), loop=replace(config.loop, tracker=Alarm.name)
    )
    data = load_data(config.data, version=tiny.settings.midjourney_version, names=NameFinder(()))
    base = identify(tiny.settings.model_id, Path(tiny.settings.model_id))
    folder = tiny.folder / "adapter.checkpoints"
    same, other = (CheckpointStore(folder, identity=run_identity(config, data, base, name)) for name in ("fp32", "nf4"))
    assert same.newest() is not None
    with pytest.raises(TrainingFailed, match="in another precision, which free memory decides; free as much"):
        other.newest()
