"""What the training benchmarks run on: a random Falcon written as a checkpoint, and real prompts as documents.

Speed and memory do not depend on the weights' values, so random ones serve.
"""

import csv
import gzip
import itertools
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoTokenizer, FalconConfig, FalconForCausalLM, PreTrainedTokenizerBase

from trainer.pairs import Pair
from trainer.tokens import Document, encode

MAX_DOCUMENT_TOKENS = 256
LAYERS_PER_FILE = 12
SHAPES = {
    "7b": {"hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71},
    "tiny": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where things lie and how long is measured; `folder` holds the checkpoint."""

    shape: str
    folder: Path
    data: Path
    device: torch.device
    block_tokens: int
    num_steps: int
    epoch_documents: int


def ensure_checkpoint(setting: Setting) -> float:
    """Write the random checkpoint in bf16 unless it is there; return the seconds that took."""
    if (setting.folder / "config.json").is_file():
        return 0.0
    started = time.monotonic()
    setting.folder.mkdir(parents=True, exist_ok=True)
    for file in (setting.data / "falcon_tokenizer").glob("tokenizer*.json"):
        shutil.copy(file, setting.folder)
    config = FalconConfig(**SHAPES[setting.shape], bos_token_id=11, eos_token_id=11)
    with torch.device("meta"):
        shapes = {name: parameter.shape for name, parameter in FalconForCausalLM(config).named_parameters()}
    weight_map = {name: f"model-{_file_number(name)}.safetensors" for name in shapes}
    for file, names in itertools.groupby(sorted(shapes, key=weight_map.__getitem__), key=weight_map.__getitem__):
        tensors = {name: _random(name, shapes[name], setting.device) for name in names}
        save_file(tensors, setting.folder / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": weight_map}
    (setting.folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    config.save_pretrained(setting.folder)  # last: it says that the rest is there
    return time.monotonic() - started


def _file_number(name: str) -> int:
    layer = name.partition(".h.")[2].partition(".")[0]
    return int(layer) // LAYERS_PER_FILE if layer else 0


def _random(name: str, shape: torch.Size, device: torch.device) -> Tensor:
    if len(shape) == 1:
        value = 0.0 if name.endswith("bias") else 1.0
        return torch.full(shape, value, dtype=torch.bfloat16)
    return torch.empty(shape, dtype=torch.bfloat16, device=device).normal_(std=0.02).cpu()


def read_pairs(data: Path, source: str) -> list[Pair]:
    """Return the pairs of `midjourney` (a prompt's first clause is its subject) or `seed` (as it was tuned on)."""
    return list(_seed_pairs(data) if source == "seed" else _midjourney_pairs(data))


def _midjourney_pairs(data: Path) -> Iterator[Pair]:
    with gzip.open(data / "midjourney_prompts.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            text = json.loads(line)["text"]
            yield Pair(text.split(",")[0][:200], text)


def _seed_pairs(data: Path) -> Iterator[Pair]:
    with (data / "seed_midjourney_pairs.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            request = row["User"].strip('" ')
            yield Pair(request.removeprefix("midjourney prompt for").strip(), row["Prompt"].strip('" '))


def load_documents(setting: Setting, source: str) -> tuple[list[Document], PreTrainedTokenizerBase]:
    """Return the documents of a source by the template that serves, and the tokenizer that made them."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(setting.folder, trust_remote_code=False)
    pairs = read_pairs(setting.data, source)
    return encode(pairs, tokenizer, max_document_tokens=MAX_DOCUMENT_TOKENS).documents, tokenizer
