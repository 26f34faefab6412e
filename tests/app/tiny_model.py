"""A Falcon of a few thousand parameters with a tokenizer of a few words: enough for files to be looked at."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import FalconConfig, FalconForCausalLM, PreTrainedTokenizerFast

WORDS = ("<eos>", "<unk>", "a", "boy", "snow")


def write_tiny_model(folder: Path) -> None:
    """Write the model into `folder`."""
    torch.manual_seed(0)
    config = FalconConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    FalconForCausalLM(config).save_pretrained(folder)
    words = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", unk_token="<unk>").save_pretrained(folder)
