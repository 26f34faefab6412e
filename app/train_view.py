"""How a finished or stopped training is printed."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from trainer.fine_tuning import TrainReport


def as_json_object(report: "TrainReport") -> dict[str, object]:
    """Return what `mjprompt train --json` prints."""
    outcome = asdict(report.outcome)
    for curve in ("train_curve", "validation_curve"):  # the adapter's own record has them
        del outcome[curve]
    return {"run_id": report.run_id, "adapter": str(report.adapter), **outcome, "metrics": dict(report.metrics)}


def print_report(report: "TrainReport") -> None:
    """Print what became of a training, and what to do next."""
    from trainer.adapters.measure_table import as_table  # noqa: PLC0415 - beside the models' libraries, which are loaded by now

    outcome, console = report.outcome, Console(highlight=False)
    if outcome.is_stopped:
        text = f"Stopped and saved after step {outcome.step} of {outcome.num_steps}; `mjprompt train --resume` goes on."
        console.print(text, soft_wrap=True)
        return
    if report.metrics:
        console.print(as_table(report.metrics))
    console.print(
        f"The adapter of step {outcome.best_step} ({outcome.best_loss:.4f} nats per token) is in {report.adapter}; "
        f"ADAPTER={report.adapter} mjprompt run serves it.",
        markup=False,
        soft_wrap=True,
    )
