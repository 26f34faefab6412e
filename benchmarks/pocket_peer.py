"""Train the feasibility recipe on the pocket's own data and measure both models in the same way.

The recipe: 15 M parameters, packed windows of 256 tokens that run across documents, AdamW, 1,500 steps on the large
corpus, then 150 steps on the Midjourney pairs, documents as " subject\\nprompt<eos>". Both models read the same
cleaned, split and case-folded pairs with the same tokenizer; the figure is bits per byte over subject and prompt.

    python -m benchmarks.pocket_peer prepare DATA PREPARED     # needs the raw prompt files
    python -m benchmarks.pocket_peer train PREPARED [POCKET]   # needs a GPU; POCKET is a folder to measure beside it
    python -m benchmarks.pocket_peer measure PREPARED POCKET   # measures POCKET alone, in minutes on a CPU
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM, FalconForCausalLM

from benchmarks.machine import describe_machine
from core.settings import PROJECT_ROOT
from trainer.pairs import Pair
from trainer.pretraining.command import SIDES, load_prepared, prepare
from trainer.pretraining.config import ModelShape, read_pretrain_config
from trainer.pretraining.corpus import EOS_TOKEN, EncodedPairs, encode
from trainer.pretraining.pretrain import bits_per_byte, build_model, lr_factor

WINDOW, GENERAL_ROWS, MIDJOURNEY_ROWS = 256, 256, 32
SHAPE = ModelShape(
    vocab_size=8192,
    hidden_size=384,
    num_hidden_layers=8,
    num_attention_heads=6,
    hidden_dropout=0.0,
    max_position_embeddings=512,
)


def peer_text(pair: Pair) -> str:
    """Return a pair in the recipe's own form; the leading end-of-sequence is the context that packing gives it."""
    return f"{EOS_TOKEN} {pair.subject}\n{pair.prompt}{EOS_TOKEN}"


def prepare_both(data: Path, folder: Path) -> None:
    """Prepare the pocket's data and, from the same pairs, the recipe's."""
    config = read_pretrain_config(PROJECT_ROOT / "configs" / "pretrain.toml")
    corpus = prepare(data, folder, config, version="8.2")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for side in SIDES:
        encode(getattr(corpus, side), tokenizer, max_tokens=160, as_text=peer_text).save(folder / f"peer_{side}.npz")


def windows(stream: Tensor, rows: int) -> Tensor:
    """Return random windows of the packed stream, (rows, WINDOW) int64."""
    starts = torch.randint(0, len(stream) - WINDOW, (rows,), device=stream.device)
    return stream[starts[:, None] + torch.arange(WINDOW, device=stream.device)]


def train_stage(model: FalconForCausalLM, stream: Tensor, *, steps: int, lr: float, rows: int) -> None:
    """Run one stage of the recipe."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * lr_factor(step, total=steps, warmup=100, final=0.1)
        tokens = windows(stream, rows)
        with torch.autocast("cuda", torch.bfloat16):
            logits = model(input_ids=tokens, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 250 == 0:
            print(
                json.dumps({"step": step, "of": steps, "loss": round(loss.item(), 3)}),
                file=sys.stderr,
                flush=True,
            )


def train_both(folder: Path, pocket: Path | None) -> None:
    """Train the recipe, measure it and, when given, the pocket; print one JSON line."""
    torch.manual_seed(0)
    device = torch.device("cuda")
    sides = {side: EncodedPairs.load(folder / f"peer_{side}.npz") for side in SIDES}
    model = build_model(SHAPE).to(device)
    started = time.monotonic()
    for side, steps, lr, rows in (
        ("general", 1500, 1.5e-3, GENERAL_ROWS),
        ("midjourney", 150, 3e-4, MIDJOURNEY_ROWS),
    ):
        stream = torch.from_numpy(sides[f"{side}_train"].tokens.astype("int64")).to(device)
        train_stage(model, stream, steps=steps, lr=lr, rows=rows)
    row: dict[str, object] = {"benchmark": "pocket_peer", **describe_machine(), "unit": "bits per byte"}
    row["peer_seconds"] = round(time.monotonic() - started, 1)
    row["validation_pairs"] = len(sides["midjourney_validation"])
    row["peer"] = round(bits_per_byte(model, sides["midjourney_validation"], device=device), 4)
    if pocket is not None:
        ours = AutoModelForCausalLM.from_pretrained(pocket, trust_remote_code=False, dtype=torch.float32).to(device)
        row["pocket"] = round(bits_per_byte(ours, load_prepared(folder).midjourney_validation, device=device), 4)
    assert math.isfinite(float(str(row["peer"])))
    print(json.dumps(row), flush=True)


def measure_pocket(folder: Path, pocket: Path) -> None:
    """Measure a finished pocket on both validation sides; print one JSON line."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = AutoModelForCausalLM.from_pretrained(pocket, trust_remote_code=False, dtype=torch.float32).to(device)
    data = load_prepared(folder)
    row: dict[str, object] = {"benchmark": "pocket_bits_per_byte", **describe_machine(), "unit": "bits per byte"}
    row["pocket"] = round(bits_per_byte(model, data.midjourney_validation, device=device, batch_rows=64), 4)
    row["pocket_general"] = round(bits_per_byte(model, data.general_validation, device=device, batch_rows=64), 4)
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare_both(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1] == "measure":
        measure_pocket(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        train_both(Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
