"""`mjprompt adapters` and `mjprompt tune`: look at what trainings left, hand it on, and search for better settings.

Everything heavy is imported inside the command that needs it.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.command_settings import print_json, read_settings

if TYPE_CHECKING:
    from storage.adapters import Lineage
    from trainer.adapters.record import TrainingRecord
    from trainer.tune import Found

adapters_cli = typer.Typer(help="Look at adapters and copy them to where others find them.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="An adapter's name, or its folder.")]
FolderOption = Annotated[Path | None, typer.Option(help="Where adapters lie, in place of var/adapters.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@adapters_cli.command(name="list")
def list_adapters(*, folder: FolderOption = None, is_json: JsonOption = False) -> None:
    """List the adapters on this machine, the newest first."""
    from rich.console import Console
    from rich.table import Table

    from app.adapter_lineage import num_forgotten
    from trainer.adapters.folder import ADAPTERS_FOLDER, adapters_in

    settings = read_settings(log_level="WARNING")
    serving = settings.adapter.resolve() if settings.adapter else None
    gone = num_forgotten(settings)
    lines = [_line(path, record, serving, gone) for path, record in adapters_in(folder or ADAPTERS_FOLDER)]
    if is_json:
        print_json({"adapters": lines})
        return
    if not lines:
        sys.stdout.write(f"There are no adapters below {folder or ADAPTERS_FOLDER}; make one with `mjprompt train`.\n")
        return
    table = Table("name", "base", "made at (UTC)", "loss", "data", "serves", "votes gone", box=None, pad_edge=False)
    for line in lines:
        loss = "" if line["nats_per_token"] is None else f"{line['nats_per_token']:.4f}"
        made_at = line["created_at"][:16].replace("T", " ")
        facts = loss, line["data_hash"][:12], "yes" * line["is_serving"], str(line["num_forgotten"] or "")
        table.add_row(line["name"], line["base"], made_at, *facts)
    Console().print(table)


def _line(path: Path, record: "TrainingRecord", serving: Path | None, gone: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": path.name,
        "folder": str(path),
        "base": record.base.id,
        "created_at": record.created_at.isoformat(),
        "nats_per_token": record.best_loss,
        "data_hash": record.data_hash,
        "is_serving": path.resolve() == serving,
        "num_forgotten": gone.get(record.run_id, 0),
    }


@adapters_cli.command()
def show(name: NameArgument, *, folder: FolderOption = None, is_json: JsonOption = False) -> None:
    """Check an adapter's files and show what it is, what it learned from and how good it is."""
    from rich.console import Console

    from app.adapter_lineage import lineage_of
    from trainer.adapters.folder import ADAPTERS_FOLDER, find_adapter, require_whole
    from trainer.adapters.measure_table import as_table

    settings = read_settings(log_level="WARNING")
    path = find_adapter(name, folder or ADAPTERS_FOLDER)
    record = require_whole(path)
    lineage = lineage_of(settings, record.run_id)
    if is_json:
        learned = asdict(lineage) if lineage else None
        print_json({"name": path.name, "folder": str(path), "lineage": learned, **record.as_dict()})
        return
    console = Console(highlight=False)
    for label, value in _facts(path, record, lineage).items():
        console.print(f"{label:<12} {value}", markup=False, soft_wrap=True)
    console.print()
    console.print(as_table(record.metrics) if record.metrics else "It was not evaluated.")


def _facts(path: Path, record: "TrainingRecord", lineage: "Lineage | None") -> dict[str, str]:
    from app.adapter_lineage import gone_since, learned_from

    lora, optimizer, loop = (record.config.get(section, {}) for section in ("lora", "optimizer", "loop"))
    return {
        "adapter": path.name,
        "folder": f"{path} (every file is as its checksum says)",
        "made": f"{record.created_at:%Y-%m-%d %H:%M} UTC by run {record.run_id}",
        "base": f"{record.base.id} at {record.base.revision or 'no revision, a folder'}",
        "fingerprint": record.base.fingerprint,
        "data": record.data_hash,
        "learned from": learned_from(lineage),
        "gone since": gone_since(lineage),
        "settings": ", ".join(
            f"{label} {section[label]}"
            for section, labels in ((lora, ("r", "lora_alpha")), (optimizer, ("lr",)), (loop, ("epochs",)))
            for label in labels
            if label in section
        ),
        "run": ", ".join(f"{label} {value}" for label, value in record.run.items()),
    }


@adapters_cli.command()
def push(
    name: NameArgument,
    target: Annotated[str, typer.Argument(help="A Hub repository (owner/name) or a URL such as s3://bucket/style-1.")],
    *,
    folder: FolderOption = None,
    is_public: Annotated[bool, typer.Option("--public", help="Make a new Hub repository public.")] = False,
) -> None:
    """Copy an adapter to a Hub repository or to any storage that fsspec knows; nothing there is overwritten."""
    from trainer.adapters.folder import ADAPTERS_FOLDER, find_adapter
    from trainer.adapters.push import push_adapter

    read_settings(log_level="WARNING")
    path = find_adapter(name, folder or ADAPTERS_FOLDER)
    is_new = push_adapter(path, target, is_public=is_public)
    sys.stdout.write(f"{path.name} {'is now' if is_new else 'was already'} at {target}.\n")


def tune(
    *,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to search.")] = 60.0,
    max_trials: Annotated[int | None, typer.Option("--trials", min=1, help="End after so many trials.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings to start from, in place of the shipped ones.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Shipped settings by name, such as pocket or seed.")] = None,
    search: Annotated[Path | None, typer.Option(help="What to search, in place of configs/tune.toml.")] = None,
    study: Annotated[Path | None, typer.Option(help="The search's SQLite file; one that is there goes on.")] = None,
    output: Annotated[Path | None, typer.Option(help="The winner's settings, in place of var/tune/train.toml.")] = None,
    is_json: JsonOption = False,
) -> None:
    """Search for a better learning rate, adapter shape and number of epochs."""
    from trainer.tune_command import TUNE_CONFIG, TUNE_FOLDER, TuneRequest, run_search

    request = TuneRequest(
        minutes=minutes,
        config_file=config,
        recipe=recipe,
        search_file=search or TUNE_CONFIG,
        study_file=study or TUNE_FOLDER / "study.db",
        output=output or TUNE_FOLDER / "train.toml",
        max_trials=max_trials,
    )
    found = run_search(read_settings(), request)
    lines = [
        {"number": trial.number, "state": trial.state.name.lower(), "nats_per_token": trial.value, **trial.params}
        for trial in found.trials
        if trial.state.is_finished()
    ]
    if is_json:
        print_json({"best": found.best.number, "output": str(request.output), "trials": lines})
    else:
        _print_search(found, lines, request.output)


def _print_search(found: "Found", lines: list[dict[str, Any]], output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("trial", "loss", "lr", "r", "lora_alpha", "epochs", box=None, pad_edge=False)
    for line in sorted(lines, key=lambda line: (line["state"] != "complete", line["nats_per_token"] or 0.0)):
        loss = f"{line['nats_per_token']:.4f}" if line["state"] == "complete" else line["state"]
        lr = f"{line['lr']:.3g}" if "lr" in line else ""
        table.add_row(
            str(line["number"]), loss, lr, *(str(line.get(name, "")) for name in ("r", "lora_alpha", "epochs"))
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"Trial {found.best.number} is the best ({found.loss:.4f} nats per token); `mjprompt train --config {output}` "
        "trains with its settings.",
        markup=False,
        soft_wrap=True,
    )
