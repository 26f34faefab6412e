"""A Falcon of some ten thousand random weights with a tokenizer of a few words, written as a model folder."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import FalconConfig, FalconForCausalLM, PreTrainedTokenizerFast

WORDS = ("<eos>", "<unk>", "a", "boy", "running", "in", "the", "snow", "with", "red", "fox", "and", "its", "shadow")
CPU = torch.device("cpu")


def tiny_falcon(
    *, hidden_size: int = 64, num_hidden_layers: int = 2, num_attention_heads: int = 2, vocab_size: int = len(WORDS)
) -> FalconForCausalLM:
    """Return a random multi-query Falcon, the same one each time."""
    torch.manual_seed(0)
    config = FalconConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        initializer_range=0.2,
        multi_query=True,
        bias=False,
        alibi=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    return FalconForCausalLM(config)


def write_tiny_falcon(
    folder: Path, *, hidden_size: int = 64, num_hidden_layers: int = 2, eos_token: str | None = "<eos>"
) -> Path:
    """Write model and tokenizer into `folder` and return it; `eos_token` of None leaves that out."""
    model = tiny_falcon(hidden_size=hidden_size, num_hidden_layers=num_hidden_layers)
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token=eos_token).save_pretrained(folder)
    return folder


def change_json(file: Path, **changes: object) -> None:
    """Set keys of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
