"""What the shipped model folder must be."""

import hashlib
import json

import pytest
import torch
from safetensors import safe_open
from transformers import AutoTokenizer, FalconForCausalLM

from core.settings import POCKET_FOLDER
from falcon.loading import LoadedModel

MAX_BYTES = 32 * 10**6
HEADINGS = ("Data", "Licences", "Numbers", "Limits")


def test_pocket_weighs_at_most_32_megabytes() -> None:
    files = [file for file in POCKET_FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES
    assert {file.suffix for file in files if file.name != "SHA256SUMS"} == {".json", ".safetensors", ".md"}
    assert len(files) >= 5


def test_checksums_are_those_of_the_files() -> None:
    lines = (POCKET_FOLDER / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    for line in lines:
        digest, name = line.split()
        assert hashlib.sha256((POCKET_FOLDER / name.lstrip("*")).read_bytes()).hexdigest() == digest, name
    assert {"model.safetensors", "tokenizer.json", "config.json"} <= {line.split()[1].lstrip("*") for line in lines}


def test_pocket_is_a_real_falcon_with_multi_query_attention(pocket: LoadedModel) -> None:
    assert type(pocket.model) is FalconForCausalLM
    config = pocket.model.config
    assert config.multi_query is True
    assert config.new_decoder_architecture is False
    assert config.vocab_size == 8192 == len(pocket.tokenizer)
    head_size = config.hidden_size // config.num_attention_heads
    for layer in pocket.model.transformer.h:
        assert layer.self_attention.query_key_value.out_features == config.hidden_size + 2 * head_size


def test_pockets_weights_are_bf16_safetensors() -> None:
    with safe_open(POCKET_FOLDER / "model.safetensors", framework="pt") as file:
        dtypes = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118 - the file is no dictionary
    assert dtypes == {torch.bfloat16}


def test_pockets_special_tokens_are_the_same_in_model_tokenizer_and_generation(pocket: LoadedModel) -> None:
    tokenizer, config = pocket.tokenizer, pocket.model.config
    generation = json.loads((POCKET_FOLDER / "generation_config.json").read_text(encoding="utf-8"))
    assert tokenizer.eos_token_id == config.eos_token_id == generation["eos_token_id"] == 0
    assert tokenizer.pad_token_id == config.pad_token_id == generation["pad_token_id"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "a boy running in the snow, soft light --ar 16:9",
        "f/1.4, 85mm, 8k -- café, naïve 東京 🐱",
        "  two  spaces and a\nline",
        "<human>: midjourney prompt for a fox\n<assistant>: a fox",
    ],
)
def test_pockets_tokenizer_gives_lower_case_text_back_as_it_was(text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(POCKET_FOLDER, trust_remote_code=False)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_pockets_tokenizer_folds_case(pocket: LoadedModel) -> None:
    assert pocket.tokenizer("A Red FOX")["input_ids"] == pocket.tokenizer("a red fox")["input_ids"]


def test_model_card_says_data_licences_numbers_and_limits() -> None:
    lines = (POCKET_FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    headings = [line.lstrip("# ") for line in lines if line.startswith("#")]
    assert [heading for heading in HEADINGS if heading not in headings] == []
    for heading in HEADINGS:
        after = lines[next(n for n, line in enumerate(lines) if line.lstrip("# ") == heading and line[:1] == "#") + 1 :]
        section = [line for line in after[: next((n for n, x in enumerate(after) if x.startswith("#")), None)] if line]
        assert section, f"{heading} says nothing"
