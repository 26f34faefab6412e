"""The card of an adapter, and the table of figures in it and on a terminal."""

import io
from dataclasses import fields, replace
from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData
from rich.console import Console

from falcon.base_identity import BaseIdentity
from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.trainer.tiny_adapter import DATA_HASH, record_for
from trainer.adapters.curves import Curves
from trainer.adapters.measure_table import MEASURES, as_markdown, as_table, rows
from trainer.adapters.model_card import make_model_card
from trainer.adapters.record import TrainingRecord
from trainer.evaluate import AnswerMeasures
from trainer.likelihood import Likelihood

FIGURES: dict[str, Any] = {
    "likelihood": {"nats_per_token": 2.5, "bits_per_byte": 1.0625},
    "perplexity": 12.182,
    "precision": "bf16",
    "answers": {"subject_kept": 1, "copied": 0.125, "self_bleu": None, "seconds_p50": 1.5},
}
METRICS = {"base": {"likelihood": {"nats_per_token": 3.0}, "answers": None}, "candidate": FIGURES}
ON_HUB = BaseIdentity(id="owner/tiny", revision="a" * 40, fingerprint="f" * 64)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> TrainingRecord:
    return record_for(write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny"), metrics=METRICS)


def body_of(card: ModelCard) -> str:
    return str(ModelCard(str(card)).text)


def metadata_of(card: ModelCard) -> ModelCardData:
    """Return what the Hub reads in the card's head."""
    data = ModelCard(str(card)).data
    assert isinstance(data, ModelCardData)
    return data


def test_every_figure_has_a_row_and_a_missing_one_a_dash() -> None:
    heading, *body = rows(METRICS)
    assert heading == ("", "base", "candidate", "better")
    assert len(body) == len(MEASURES) == 18
    cells = {row[0]: row[1:] for row in body}
    assert cells["validation loss, nats/token"] == ("3.0000", "2.5000", "lower")
    assert cells["subject kept word for word"] == ("–", "100.0%", "higher")
    assert cells["runs of 8 words copied from training"] == ("–", "12.5%", "lower")
    assert cells["precision"] == ("–", "bf16", "")
    assert cells["self-BLEU among candidates"] == ("–", "–", "lower")


def test_measures_are_read_from_where_an_evaluation_keeps_them() -> None:
    """A figure that was renamed in evaluate.py would show as a dash for ever."""
    known: set[tuple[str, ...]] = {("perplexity",), ("precision",)}
    known |= {("answers", field.name) for field in fields(AnswerMeasures)}
    known |= {("likelihood", field.name) for field in fields(Likelihood)}
    assert {measure.path for measure in MEASURES} <= known


def test_terminal_and_markdown_show_the_same_cells() -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(as_table(METRICS))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue().splitlines()
    written = [[cell.strip() for cell in line.strip("|").split("|")] for line in as_markdown(METRICS).splitlines()]
    del written[1]  # the rule under the heading
    assert len(shown) == len(written) == len(MEASURES) + 1
    for line, cells in zip(shown, written, strict=True):
        assert line.split() == " ".join(cells).split()


def test_card_says_how_good_what_from_and_how(record: TrainingRecord) -> None:
    body = body_of(make_model_card("style-1", record, picture="curves.png"))
    for part in (
        "# style-1",
        "A LoRA adapter for `tiny`",
        "on 2026-11-25",
        "MODEL_ID=<folder of tiny> ADAPTER=<this folder>",
        f"| fingerprint | sha256:{record.base.fingerprint} |",
        as_markdown(METRICS),
        "](curves.png)",
        "those of step 2, where validation loss was lowest: 2.7500 nats per answer token",
        f"Data `sha256:{DATA_HASH}`.",
        "| dropped.repeats | 3 |",
        "| seconds | 1.25 |",
        "| optimizer.betas | 0.9, 0.999 |",
        "| data.sources.2.weight | 2 |",
        f"torch {record.versions['torch']}",
    ):
        assert part in body, part
    assert "{{" not in body
    assert "None" not in body


def test_metadata_is_what_the_hub_indexes(record: TrainingRecord) -> None:
    data = metadata_of(make_model_card("style-1", replace(record, base=ON_HUB), picture="curves.png"))
    assert data.base_model == "owner/tiny"
    assert data.library_name == "peft"
    assert {result.metric_type: result.metric_value for result in data.eval_results or []} == {
        "nats_per_token": 2.5,
        "bits_per_byte": 1.0625,
    }
    assert {result.dataset_revision for result in data.eval_results or []} == {DATA_HASH}
    local = metadata_of(make_model_card("style-1", record, picture="curves.png"))
    assert local.base_model is None, "a folder has no address on the Hub"


def test_hub_base_is_named_with_its_commit(record: TrainingRecord) -> None:
    body = body_of(make_model_card("style-1", replace(record, base=ON_HUB), picture="curves.png"))
    assert f"MODEL_ID=owner/tiny MODEL_REVISION={'a' * 40} ADAPTER=" in body


def test_card_of_a_training_without_evaluation_or_validation_says_so(record: TrainingRecord) -> None:
    bare = replace(record, metrics={}, curves=Curves(train=(), validation=()))
    card = make_model_card("style-1", bare, picture="curves.png")
    assert "It was not evaluated." in body_of(card)
    assert "Validation loss was not measured during training." in body_of(card)
    assert "Answers were decoded" not in body_of(card)
    assert metadata_of(card).eval_results is None


def test_values_cannot_break_the_tables_or_run_as_template(record: TrainingRecord) -> None:
    odd = replace(record, data={"a|b": "one\ntwo | {{ 7 * 7 }}", "licence": None})
    body = body_of(make_model_card("style-1", odd, picture="curves.png"))
    assert "| a\\|b | one two \\| {{ 7 * 7 }} |" in body
    assert "licence |" not in body, "what is not set has no row"
