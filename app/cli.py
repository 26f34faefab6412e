"""The `mjprompt` command: reads the settings, starts what was asked for, and turns errors into exit statuses.

Exit status 0 is success, 1 a failure, 2 something typed that cannot be taken, 128 and a signal's number an
end by that signal. Everything heavy is imported inside the command that needs it, so that `mjprompt --help`
stays quick.
"""

import importlib.metadata
import io
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.command_settings import print_json as _print_json
from app.command_settings import read_settings as _settings
from app.retrain_cli import export, retrain
from app.training_cli import adapters_cli, tune
from core.errors import MjpromptError, UserError

if TYPE_CHECKING:
    from app.doctor import Check
    from core.settings import Settings
    from falcon.generator import Generator

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130
MAX_CANDIDATES = 8
PrecisionName = Literal["auto", "bf16", "nf4", "fp32"]
PortOption = Annotated[int | None, typer.Option(min=0, max=65535, help="In place of WEB_PORT.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

cli = typer.Typer(
    name="mjprompt",
    help="Writes Midjourney prompts with a Falcon model and learns from its community's votes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
database_cli = typer.Typer(help="Look after the database.", no_args_is_help=True)
cli.add_typer(database_cli, name="db")
cli.add_typer(adapters_cli, name="adapters")
cli.command()(tune)
cli.command()(retrain)
cli.command()(export)


def _load_falcon(settings: "Settings") -> "Generator":
    from falcon.serving import load_generator

    return load_generator(settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """How a model is loaded, and the module whose `main` does so, for the worker process to run."""

    load: Callable[["Settings"], "Generator"]
    module: str


def main(model: Model | None = None) -> None:
    """Run the command line; an error of the product's own becomes one sentence on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a character must not end an answer
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="mjprompt", obj=model or Model(load=_load_falcon, module="app.cli"))
    except MjpromptError as error:
        sys.exit(_say_why(error))


def _say_why(error: BaseException) -> int:
    """Write why there is no answer to standard error; return the exit status that goes with it."""
    match error:
        case MjpromptError():
            sys.stderr.write(f"{error}\n")
            return BAD_INPUT if isinstance(error, UserError) else FAILED
        case KeyboardInterrupt():
            return INTERRUPTED
        case SystemExit(code=int(status)):
            return status
        case _:
            traceback.print_exception(error)
            return FAILED


def _print_version(is_wanted: bool) -> None:
    if not is_wanted:
        return
    try:
        version = importlib.metadata.version("mjprompt")
    except importlib.metadata.PackageNotFoundError:
        version = "(a checkout that is not installed)"
    sys.stdout.write(f"mjprompt {version}\n")
    raise typer.Exit


@cli.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    del version  # its callback did everything


@cli.command()
def run(context: typer.Context, *, port: PortOption = None) -> None:
    """Start the web chat and one worker, and show a first answer."""
    from app.cycle_process import cycle_command
    from app.supervisor import worker_command

    _serve(port, worker_command(context.obj.module), cycle_command(context.obj.module))


@cli.command()
def bot(*, port: PortOption = None) -> None:
    """Start the web chat alone, for workers that are started with `mjprompt worker`."""
    _serve(port, None)


def _serve(port: int | None, worker_command: Sequence[str] | None, cycle_command: Sequence[str] | None = None) -> None:
    from rich.console import Console

    from app.serve import serve

    serve(_settings(web_port=port), Console(), worker_command=worker_command, cycle_command=cycle_command)


@cli.command()
def worker(
    context: typer.Context, *, supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False
) -> None:
    """Start one worker, which answers what is asked in the same database until SIGTERM or Ctrl-C."""
    from worker.process import run_worker_process

    settings = _settings()
    raise typer.Exit(run_worker_process(settings, context.obj.load, is_supervised=supervised))


@cli.command(context_settings={"ignore_unknown_options": True})  # "--ar 16:9" is a bad idea, not a bad option
def ask(
    context: typer.Context,
    idea: Annotated[str, typer.Argument(help='For example "a boy running in the snow --ar 16:9".')],
    *,
    count: Annotated[int, typer.Option(help=f"How many prompts, 1 to {MAX_CANDIDATES}.")] = 4,
    precision: Annotated[PrecisionName | None, typer.Option(help="In place of PRECISION.")] = None,
    is_json: JsonOption = False,
) -> None:
    """Print prompts for one idea."""
    from rich.console import Console

    from app.answer_view import as_json_object, print_answer
    from app.ask import ask as ask_idea
    from worker.engine_thread import EngineThread
    from worker.process import exit_at_once

    if not 1 <= count <= MAX_CANDIDATES:
        raise UserError(f"--count {count} is out of range; ask for 1 to {MAX_CANDIDATES} prompts.")
    settings = _settings(log_level="WARNING", precision=precision)
    alone = settings.model_copy(update={"max_batch_requests": 1})  # a model that is loaded here has one question

    def load_with(adapter: Path | None) -> "Generator":
        generator: Generator = context.obj.load(alone.model_copy(update={"adapter": adapter}))
        return generator

    engine = EngineThread(partial(load_with, settings.adapter))
    try:
        answer = ask_idea(settings, idea, num_candidates=count, precision=precision, engine=engine, load_with=load_with)
        if is_json:
            _print_json(as_json_object(answer))
        else:
            print_answer(Console(), answer)
    except BaseException as error:
        if engine.is_alive:  # within a long step: the interpreter could not end by itself
            exit_at_once(_say_why(error))
        raise
    if engine.is_alive:  # a worker came back and answered first
        exit_at_once(0)


@cli.command()
def doctor(*, is_json: JsonOption = False) -> None:
    """Check everything that a start needs and say what to do."""
    from app.doctor import Level, examine

    checks: list[Check] = []
    for check in examine(_settings(log_level="ERROR")):
        checks.append(check)
        if not is_json:
            sys.stdout.write(f"{check.level:<4} {check.name:<12} {check.message}\n")
    is_healthy = all(check.level is not Level.FAIL for check in checks)
    if is_json:
        lines = [{"name": check.name, "level": check.level, "message": check.message} for check in checks]
        _print_json({"is_healthy": is_healthy, "checks": lines})
    raise typer.Exit(0 if is_healthy else FAILED)


@database_cli.command()
def upgrade() -> None:
    """Make the database, or bring it to this version's tables."""
    from storage import migrations

    settings = _settings()
    migrations.upgrade(settings.database_url)
    sys.stdout.write(f"The database is at revision {migrations.current_revision(settings.database_url)}.\n")


@cli.command()
def pretrain(
    *,
    prepared: Annotated[Path, typer.Option(help="Folder of the encoded corpus.")] = Path("var/pretrain"),
    data: Annotated[Path | None, typer.Option(help="Folder of raw prompt files; encodes them first.")] = None,
    output: Annotated[Path | None, typer.Option(help="Model folder to write; only prepare without it.")] = None,
    config: Annotated[Path | None, typer.Option(help="In place of configs/pretrain.toml.")] = None,
) -> None:
    """Train the pocket Falcon from scratch."""
    from core.settings import PROJECT_ROOT
    from trainer.pretraining.command import prepare, train
    from trainer.pretraining.config import read_pretrain_config

    settings = _settings()
    shape = read_pretrain_config(config or PROJECT_ROOT / "configs" / "pretrain.toml")
    if data is not None:
        prepare(data, prepared, shape, version=settings.midjourney_version)
    if output is not None:
        _print_json(train(prepared, output, shape))


@cli.command()
def train(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings, in place of the shipped ones.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Shipped settings by name, such as pocket or seed.")] = None,
    is_resumed: Annotated[bool, typer.Option("--resume", help="Go on with the last run that did not end.")] = False,
    run_id: Annotated[
        str | None, typer.Option("--run", help="Go on with this run, or begin it where it waits.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The adapter's folder, in place of var/adapters/<run>.")] = None,
    data: Annotated[Path | None, typer.Option(help="A csv, json, jsonl or parquet file, in place of all data.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="End after so many optimizer steps.")] = None,
    tracker: Annotated[str | None, typer.Option(help="auto, none, tensorboard, trackio, mlflow, wandb, …")] = None,
    is_json: JsonOption = False,
) -> None:
    """Fine-tune a LoRA adapter for the base model; also under `accelerate launch -m app.cli train`."""
    from app.train_view import as_json_object, print_report
    from trainer.run.plan import TrainRequest
    from trainer.train_command import run_training

    request = TrainRequest(
        config_file=config,
        recipe=recipe,
        run_id=run_id,
        is_resumed=is_resumed,
        output=output,
        data=data,
        max_steps=max_steps,
        tracker=tracker,
    )
    report = run_training(_settings(), request)
    if report is None:  # not the main process of several
        return
    if is_json:
        _print_json(as_json_object(report))
    else:
        print_report(report)
    if report.signal is not None:
        raise typer.Exit(128 + report.signal)


if __name__ == "__main__":
    main()
