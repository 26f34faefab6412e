"""An answer as the terminal shows it, and as the one JSON object of `mjprompt ask --json`."""

from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from core.records import ModelInfo, RequestView


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A finished request and how long it took; `load_seconds` is 0 when a running worker answered."""

    view: RequestView
    load_seconds: float
    total_seconds: float

    @property
    def queued_seconds(self) -> float:
        view = self.view
        return (view.started_at - view.created_at).total_seconds() if view.started_at else 0.0

    @property
    def decoding_seconds(self) -> float:
        """How long the model wrote."""
        return self.view.decoding_seconds or 0.0


def as_json_object(answer: Answer) -> dict[str, object]:
    """Return the answer as plain JSON values; seconds are rounded to milliseconds."""
    view, model = answer.view, answer.view.model
    return {
        "request_id": view.id,
        "subject": view.subject,
        "model": {
            "base": model.base if model else None,
            "adapter": model.adapter if model else None,
            "precision": model.precision if model else None,
        },
        "candidates": [
            {"id": candidate.id, "text": candidate.text, "score": candidate.score} for candidate in view.candidates
        ],
        "seconds": {
            "load": round(answer.load_seconds, 3),
            "queued": round(answer.queued_seconds, 3),
            "decoding": round(answer.decoding_seconds, 3),
            "total": round(answer.total_seconds, 3),
        },
    }


def print_answer(console: Console, answer: Answer) -> None:
    """Print the numbered prompts, each on one line so that it can be copied, and what made them."""
    console.print(Text(answer.view.subject, style="bold"), soft_wrap=True)
    for number, candidate in enumerate(answer.view.candidates, start=1):
        line = Text.assemble((f" {number}  ", "bold cyan"), candidate.text)
        console.print(line, soft_wrap=True)
    console.print(Text(_footer(answer), style="dim"), soft_wrap=True)


def _footer(answer: Answer) -> str:
    parts = [_model_line(answer.view.model)] if answer.view.model else []
    parts.append(f"{answer.queued_seconds + answer.decoding_seconds:.1f} s")
    if answer.load_seconds:
        parts.append(f"{answer.load_seconds:.1f} s to load the model")
    return " · ".join(parts)


def _model_line(model: ModelInfo) -> str:
    adapter = f" + {model.adapter}" if model.adapter else ""
    return f"{model.base}{adapter} · {model.precision} · {model.device}"
