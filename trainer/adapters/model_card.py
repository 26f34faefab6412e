"""The card of an adapter, written from its record: what it is, what it learned from, how good it is, what it cannot do.

Nothing in it is typed by hand and nothing is left blank for somebody to fill in.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from trainer.adapters.measure_table import as_markdown
from trainer.adapters.record import TrainingRecord

_TEMPLATE = """\
---
{{ card_data }}
---

# {{ name }}

A LoRA adapter for `{{ base }}` that writes Midjourney prompts. Made by `mjprompt train` on {{ day }}.

## Use

It fits this base model and no other; mjprompt refuses it on anything else.

```bash
MODEL_ID={{ model_id }} {{ revision_setting }}ADAPTER=<this folder> mjprompt run
```

| base | |
|---|---|
{{ base_rows }}

## How good it is

{{ metrics }}

![Loss of training and validation over the optimizer steps]({{ picture }})

{{ best }}

## What it learned from

Data `sha256:{{ data_hash }}`.

{{ data }}

## How it was trained

{{ run }}

{{ config }}

Made with {{ versions }}.

## Limits

It writes prompts in the manner of its data and knows no facts and no pictures. It can repeat what people typed, names
included. Its weights derive from the base model and its data, whose licences apply.
"""

_HOW_MEASURED = """\


Answers were decoded by the code and the settings that serve, for held-out subjects. Variety is counted on what the
model added to the subject; copied runs are those that stand in a training prompt as well. Seconds are on the machine
that trained."""


def make_model_card(name: str, record: TrainingRecord, *, picture: str) -> ModelCard:
    """Return the card of the adapter `name`; `picture` is the curves' file beside it."""
    base, metrics = record.base, record.metrics
    card: ModelCard = ModelCard.from_template(
        _card_data(name, record),
        template_str=_TEMPLATE,
        name=name,
        base=base.id,
        model_id=base.id if is_on_hub(base.id) else f"<folder of {base.id}>",
        day=record.created_at.date().isoformat(),
        revision_setting=f"MODEL_REVISION={base.revision} " if base.revision else "",
        base_rows=_table({"revision": base.revision or "a folder", "fingerprint": f"sha256:{base.fingerprint}"}),
        metrics=as_markdown(metrics) + _HOW_MEASURED if metrics else "It was not evaluated.",
        picture=picture,
        best=_best(record),
        data_hash=record.data_hash,
        data=_headed_table("data", record.data),
        run=_headed_table("run", record.run),
        config=_headed_table("setting", record.config),
        versions=", ".join(f"{library} {version}" for library, version in record.versions.items()),
    )
    return card


def _card_data(name: str, record: TrainingRecord) -> ModelCardData:
    """Return what the Hub indexes. A base that is a local folder has no address there and is left out."""
    return ModelCardData(
        language="en",
        library_name="peft",
        pipeline_tag="text-generation",
        tags=["lora", "midjourney", "mjprompt"],
        base_model=record.base.id if is_on_hub(record.base.id) else None,
        model_name=name,
        eval_results=_results(record) or None,
    )


def is_on_hub(base_id: str) -> bool:
    """Say whether a base's id is an address on the Hub; a folder goes by its bare name."""
    return "/" in base_id


def _results(record: TrainingRecord) -> list[EvalResult]:
    likelihood: Mapping[str, float] = record.metrics.get("candidate", {}).get("likelihood", {})
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type="midjourney-prompts",
            dataset_name="held-out Midjourney prompts",
            dataset_revision=record.data_hash,
            metric_type=metric,
            metric_value=round(likelihood[metric], 5),
        )
        for metric in ("nats_per_token", "bits_per_byte")
        if metric in likelihood
    ]


def _best(record: TrainingRecord) -> str:
    if record.curves.best is None:
        return "Validation loss was not measured during training."
    step, loss = record.curves.best
    return f"The weights are those of step {step}, where validation loss was lowest: {loss:.4f} nats per answer token."


def _headed_table(heading: str, values: Mapping[str, Any]) -> str:
    return f"| {heading} | |\n|---|---|\n{_table(dict(_flat(values)))}"


def _table(values: Mapping[str, Any]) -> str:
    return "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in values.items())


def _cell(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested values under dotted names, without those that are not set; plain lists stay in one cell."""
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value, 1):
                yield from _flat(item if isinstance(item, Mapping) else {"": item}, f"{prefix}{name}.{number}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{name}", value
