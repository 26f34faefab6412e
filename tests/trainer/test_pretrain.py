"""Training from scratch: schedule, measure, and the whole of it on invented data."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, FalconForCausalLM

from core.errors import ConfigError
from core.settings import PROJECT_ROOT
from falcon.template import render_question
from tests.trainer.invented_data import VERSION
from trainer.pairs import Pair
from trainer.pretraining.command import load_prepared, prepare, write_model
from trainer.pretraining.config import PretrainConfig, read_pretrain_config
from trainer.pretraining.corpus import PAD_ID, EncodedPairs, encode, render, train_tokenizer
from trainer.pretraining.pretrain import (
    Optimizers,
    PreparedData,
    bits_per_byte,
    build_model,
    concatenate,
    draw,
    lr_factor,
    pretrain,
)

CPU = torch.device("cpu")
TIMES = {"seconds"}


def encoded(*texts: list[int]) -> EncodedPairs:
    return EncodedPairs(
        np.asarray([token for text in texts for token in text], dtype=np.uint16),
        np.cumsum([0, *map(len, texts)]).astype(np.int64),
        np.asarray([10 * len(text) for text in texts], dtype=np.int64),
    )


def listed(pairs: EncodedPairs) -> list[list[int]]:
    return [pairs.tokens[start:end].tolist() for start, end in zip(pairs.offsets, pairs.offsets[1:], strict=False)]


def test_learning_rate_warms_up_in_a_line_and_falls_in_a_cosine() -> None:
    def factor(step: int) -> float:
        return lr_factor(step, total=104, warmup=4, final=0.1)

    assert [factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert factor(4) == 1.0
    assert factor(54) == pytest.approx(0.55)
    assert factor(104) == pytest.approx(0.1)
    assert factor(500) == pytest.approx(0.1)
    falling = [factor(step) for step in range(4, 105)]
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (1, 4), (0, 0), (4, 4)])
def test_learning_rate_of_a_very_short_stage_stays_within_bounds(total: int, warmup: int) -> None:
    assert all(0 <= lr_factor(step, total=total, warmup=warmup, final=0) <= 1 for step in range(6))


def test_joined_documents_keep_their_order_tokens_and_bytes() -> None:
    parts = [encoded([5, 6], [7]), encoded([8, 9, 10])]
    joined = concatenate(parts)
    assert listed(joined) == [[5, 6], [7], [8, 9, 10]]
    assert joined.text_bytes.tolist() == [20, 10, 30]


def test_drawn_documents_are_whole_distinct_and_as_many_as_asked() -> None:
    source = encoded(*[[number, number, number] for number in range(2, 40)])
    drawn = draw(source, 10, torch.Generator().manual_seed(0))
    assert len(drawn) == 10
    assert len({tuple(text) for text in listed(drawn)}) == 10
    assert all(text in listed(source) for text in listed(drawn))
    assert listed(drawn) != listed(draw(source, 10, torch.Generator().manual_seed(1)))


def test_drawing_more_than_there_are_takes_all_and_drawing_none_takes_none() -> None:
    source = encoded([2, 3], [4])
    assert sorted(listed(draw(source, 9, torch.Generator()))) == [[2, 3], [4]]
    assert len(draw(source, 0, torch.Generator())) == 0


def test_bits_per_byte_are_those_of_a_token_by_token_reference(tiny_config: PretrainConfig) -> None:
    torch.manual_seed(0)
    model = build_model(tiny_config.model)
    texts = [[5, 6, 7, 0], [300, 20, 9, 11, 0], [*range(2, 60), 0]]
    bits = 0.0
    model.eval()
    for text in texts:
        for end in range(1, len(text)):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([text[:end]])).logits[0, -1].double()
            bits -= float(logits.log_softmax(-1)[text[end]]) / math.log(2)
    model.train()
    measured = bits_per_byte(model, encoded(*texts), device=CPU, batch_rows=2)
    assert measured == pytest.approx(bits / (10 * sum(map(len, texts))), rel=1e-5)
    assert model.training, "measuring must not end training"


def test_step_moves_every_weight_by_its_factor_and_clears_the_gradients(tiny_config: PretrainConfig) -> None:
    torch.manual_seed(0)
    model = build_model(tiny_config.model)
    optimizers = Optimizers(model, tiny_config)
    weights = dict(model.named_parameters())

    def moved(factor: float) -> set[str]:
        before = {name: weight.detach().clone() for name, weight in weights.items()}
        model(input_ids=torch.arange(2, 60)[None], labels=torch.arange(2, 60)[None]).loss.backward()
        optimizers.step(factor)
        assert all(weight.grad is None for weight in weights.values())
        return {name for name, weight in weights.items() if not torch.equal(weight, before[name])}

    assert moved(0.0) == set()
    assert moved(1.0) == set(weights)


def test_shape_is_a_multi_query_falcon_without_biases(tiny_config: PretrainConfig) -> None:
    model = build_model(tiny_config.model)
    attention = model.transformer.h[0].self_attention
    assert attention.query_key_value.out_features == 64 + 2 * 32
    assert attention.query_key_value.bias is None
    assert model.lm_head.weight is model.transformer.word_embeddings.weight
    assert (model.config.eos_token_id, model.config.pad_token_id) == (0, 1)


@pytest.fixture(scope="module")
def prepared(data_folder: Path, tiny_config: PretrainConfig, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(data_folder, folder, tiny_config, version=VERSION)
    return load_prepared(folder)


@pytest.fixture(scope="module")
def trained(prepared: PreparedData, tiny_config: PretrainConfig) -> tuple[FalconForCausalLM, dict[str, float]]:
    return pretrain(prepared, tiny_config, device=CPU)


def test_training_lowers_the_loss_on_text_that_was_held_out(
    prepared: PreparedData,
    tiny_config: PretrainConfig,
    trained: tuple[FalconForCausalLM, dict[str, float]],
) -> None:
    model, metrics = trained
    untrained = bits_per_byte(build_model(tiny_config.model), prepared.midjourney_validation, device=CPU)
    before, after = (metrics[f"midjourney_bits_per_byte{when}"] for when in ("_before_last_stage", ""))
    assert after < before < 0.9 * untrained
    assert after == pytest.approx(bits_per_byte(model, prepared.midjourney_validation, device=CPU))
    assert not model.training


def test_padding_is_never_taught(prepared: PreparedData, trained: tuple[FalconForCausalLM, dict[str, float]]) -> None:
    """What follows a document's end within its batch is padding, which must stay as unlikely as any unseen token."""
    model, _ = trained
    for document in listed(prepared.general_train)[:5]:
        with torch.no_grad():
            likely = model(input_ids=torch.tensor([document])).logits[0].softmax(-1)[:, PAD_ID]
        assert float(likely.max()) < 0.01


def test_metrics_count_parameters_and_tokens(
    prepared: PreparedData, trained: tuple[FalconForCausalLM, dict[str, float]]
) -> None:
    model, metrics = trained
    assert metrics["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    real = 2 * len(prepared.general_train.tokens) + 2 * len(prepared.midjourney_train.tokens)
    assert real < metrics["trained_tokens"] < 4 * real
    assert all(math.isfinite(value) for value in metrics.values())


def test_same_seed_gives_the_same_curve_and_another_seed_another(
    prepared: PreparedData, tiny_config: PretrainConfig
) -> None:
    short = replace(
        tiny_config,
        general=replace(tiny_config.general, epochs=1),
        midjourney=replace(tiny_config.midjourney, epochs=1),
    )

    side = prepared.midjourney_validation
    few = PreparedData(side, side, side, side)

    def metrics(seed: int) -> dict[str, float]:
        config = replace(short, train=replace(short.train, seed=seed))
        return {name: v for name, v in pretrain(few, config, device=CPU)[1].items() if name not in TIMES}

    assert metrics(0) == metrics(0)
    assert metrics(0) != metrics(1)


MEMORISED = (
    Pair("a red fox", "a red fox, soft light, early dusk --ar 16:9"),
    Pair("an old owl", "an old owl, misty dawn, tall quiet trees"),
    Pair("two lamps", "two lamps in a dark harbour, heavy rain, cold glow"),
    Pair("a paper ship", "a paper ship on a still pond, long shadows --ar 3:2"),
    Pair("the clockmaker", "the clockmaker, dusty attic, brass wheels, narrow beam of light"),
    Pair("a sleeping bear", "a sleeping bear, thick snow, pale morning --no text"),
    Pair("a stone bridge", "a stone bridge, green valley, wide view --ar 21:9"),
    Pair("kites", "kites over a beach, strong wind, faded colours"),
)


def test_small_model_learns_eight_documents_by_heart_and_stops_where_they_stop_once_it_is_loaded_again(
    tiny_config: PretrainConfig, tmp_path: Path, ending: Callable[[Path, str], tuple[str, bool]]
) -> None:
    config = replace(
        tiny_config,
        model=replace(tiny_config.model, hidden_dropout=0.0),
        train=replace(tiny_config.train, weight_decay=0.0),
        general=replace(tiny_config.general, epochs=60),
        midjourney=replace(tiny_config.midjourney, epochs=20),
    )
    tokenizer = train_tokenizer(map(render, MEMORISED), vocab_size=400)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    pairs = encode(list(MEMORISED), tokenizer, max_tokens=160)
    config = replace(config, model=replace(config.model, vocab_size=tokenizer.get_vocab_size()))
    model, metrics = pretrain(PreparedData(pairs, pairs, pairs, pairs), config, device=CPU)
    write_model(model, tmp_path / "tokenizer.json", tmp_path / "model", metrics)
    for pair in MEMORISED:
        assert ending(tmp_path / "model", pair.subject) == (f" {pair.prompt}", True)


@pytest.fixture
def ending() -> Callable[[Path, str], tuple[str, bool]]:
    """Return what a model folder writes for a subject, greedily, and whether it ended by itself."""

    def write(folder: Path, subject: str) -> tuple[str, bool]:
        model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        question = tokenizer(render_question(subject), return_tensors="pt")
        output = model.generate(**question, max_new_tokens=80, do_sample=False)[0]
        written = output[question["input_ids"].shape[1] :].tolist()
        return tokenizer.decode(written, skip_special_tokens=True), written[-1] == tokenizer.eos_token_id

    return write


@pytest.mark.parametrize(
    ("section", "changes", "named"),
    [
        ("model", {"vocab_size": 50_000}, "vocab_size = 50000"),
        ("model", {"num_attention_heads": 7}, "num_attention_heads = 7"),
        ("train", {"max_document_tokens": 400}, "max_document_tokens = 400"),
        ("train", {"tokens_per_step": -1}, "tokens_per_step = -1"),
        ("train", {"lr": float("nan")}, "lr = nan"),
    ],
)
def test_impossible_hyper_parameters_are_refused_before_anything_runs(
    section: str, changes: dict[str, object], named: str
) -> None:
    config = read_pretrain_config(PROJECT_ROOT / "configs" / "pretrain.toml")
    with pytest.raises(ConfigError, match=named):
        replace(getattr(config, section), **changes)
