"""The two steps of `mjprompt pretrain`: prepare the corpus on the CPU, then train and write the model folder.

The steps meet in a folder of `.npz` files and a `tokenizer.json`, so a machine with a GPU needs no raw text.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import FalconForCausalLM, GenerationConfig, PreTrainedTokenizerFast

from core.errors import ConfigError
from core.logs import get_logger
from trainer.pretraining.config import PretrainConfig
from trainer.pretraining.corpus import (
    EOS_ID,
    EOS_TOKEN,
    PAD_ID,
    PAD_TOKEN,
    Corpus,
    EncodedPairs,
    build_corpus,
    encode,
    render,
    train_tokenizer,
)
from trainer.pretraining.pretrain import PreparedData, pretrain

log = get_logger(__name__)
SIDES = ("general_train", "general_validation", "midjourney_train", "midjourney_validation")
TOKENIZER_DOCUMENTS = 200_000
MAX_SHARD_SIZE = "40MB"


def prepare(
    data: Path, folder: Path, config: PretrainConfig, *, version: str, max_general_rows: int | None = None
) -> Corpus:
    """Clean, split and encode the prompt files of `data` into `folder`; return the corpus with its text.

    Raises:
        ConfigError: a file is missing, or nothing is left to train on.
    """
    corpus = build_corpus(data, version=version, max_general_rows=max_general_rows)
    if not all(getattr(corpus, side) for side in SIDES):
        raise ConfigError(f"{data} holds too few usable prompts: {dict(corpus.counts)}; give it more rows.")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(_documents(corpus), vocab_size=config.model.vocab_size)
    tokenizer.save(str(folder / "tokenizer.json"))
    for side in SIDES:
        encoded = encode(getattr(corpus, side), tokenizer, max_tokens=config.train.max_document_tokens)
        encoded.save(folder / f"{side}.npz")
        corpus.counts[f"{side}: documents"] = len(encoded)
        corpus.counts[f"{side}: tokens"] = len(encoded.tokens)
    (folder / "counts.json").write_text(json.dumps(corpus.counts, indent=2) + "\n", encoding="utf-8")
    log.info("pretrain.prepared", **{name.replace(" ", "_"): count for name, count in corpus.counts.items()})
    return corpus


def _documents(corpus: Corpus) -> Iterator[str]:
    for pairs in (corpus.midjourney_train, corpus.general_train[:TOKENIZER_DOCUMENTS]):
        yield from map(render, pairs)


def load_prepared(folder: Path) -> PreparedData:
    """Read what `prepare` wrote.

    Raises:
        ConfigError: `folder` was not made by `prepare`.
    """
    needed = (*(f"{side}.npz" for side in SIDES), "tokenizer.json")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"{folder} has no {missing[0]}: prepare the data first with `mjprompt pretrain --data`.")
    return PreparedData(**{side: EncodedPairs.load(folder / f"{side}.npz") for side in SIDES})


def train(prepared: Path, output: Path, config: PretrainConfig) -> dict[str, float]:
    """Train from a prepared folder and write the model folder in one move; return the metrics."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, metrics = pretrain(load_prepared(prepared), config, device=device)
    write_model(model, prepared / "tokenizer.json", output, metrics)
    return metrics


def write_model(model: FalconForCausalLM, tokenizer_file: Path, output: Path, metrics: dict[str, float]) -> None:
    """Write bf16 safetensors, tokenizer, generation defaults and metrics over `output`.

    Older weights go, since a loader would take a stale whole file before new shards; other files of `output` stay.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        folder = Path(scratch)
        model.to(torch.bfloat16)  # type: ignore[arg-type]
        model.save_pretrained(folder, max_shard_size=MAX_SHARD_SIZE)
        GenerationConfig(eos_token_id=EOS_ID, pad_token_id=PAD_ID, bos_token_id=EOS_ID).save_pretrained(folder)
        PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_file(str(tokenizer_file)),
            eos_token=EOS_TOKEN,
            bos_token=EOS_TOKEN,
            pad_token=PAD_TOKEN,
            model_max_length=model.config.max_position_embeddings,
            clean_up_tokenization_spaces=False,
        ).save_pretrained(folder)
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        (folder / "SHA256SUMS").write_text(_checksums(folder), encoding="utf-8")
        output.mkdir(exist_ok=True)
        for stale in output.glob("model*.safetensors*"):
            stale.unlink()
        for file in folder.iterdir():
            shutil.move(file, output / file.name)


def _checksums(folder: Path) -> str:
    """Return the folder's files in the form that `sha256sum --check` reads."""
    files = sorted(folder.iterdir())
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
