"""Train the pocket Falcon from scratch: a large corpus first, Midjourney's own prompts last.

It owns the model's shape, the optimizers and the two stages. It does not know where text comes from (corpus.py) or how
documents are laid into batches (batching.py).
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import FalconConfig, FalconForCausalLM

from core.logs import get_logger
from trainer.pretraining.batching import Bucket, epoch, make_buckets
from trainer.pretraining.config import ModelShape, PretrainConfig
from trainer.pretraining.corpus import EOS_ID, PAD_ID, EncodedPairs

log = get_logger(__name__)
REPORT_EVERY_STEPS = 200


@dataclass(frozen=True, slots=True)
class PreparedData:
    """The encoded sides of the corpus."""

    general_train: EncodedPairs
    general_validation: EncodedPairs
    midjourney_train: EncodedPairs
    midjourney_validation: EncodedPairs


def build_model(shape: ModelShape) -> FalconForCausalLM:
    """Return a randomly initialised Falcon: multi-query attention, parallel block, rotary positions, no biases."""
    config = FalconConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        hidden_dropout=shape.hidden_dropout,
        attention_dropout=0.0,
        max_position_embeddings=shape.max_position_embeddings,
        multi_query=True,
        parallel_attn=True,
        new_decoder_architecture=False,
        bias=False,
        alibi=False,
        bos_token_id=EOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
    )
    return FalconForCausalLM(config)


class Optimizers:
    """Muon for the layers' matrices, AdamW for embeddings and norms; one learning-rate factor drives both.

    Muon: Jordan et al. 2024, with updates scaled to AdamW's size (Liu et al. 2025, arXiv 2502.16982).
    """

    def __init__(self, model: nn.Module, config: PretrainConfig) -> None:
        train = config.train
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".h." in name]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        self._all: list[tuple[torch.optim.Optimizer, float]] = [
            (
                torch.optim.Muon(
                    matrices, lr=train.lr, weight_decay=train.weight_decay, adjust_lr_fn="match_rms_adamw"
                ),
                train.lr,
            ),
            (
                torch.optim.AdamW(others, lr=train.embedding_lr, betas=(0.9, 0.95), weight_decay=0.0),
                train.embedding_lr,
            ),
        ]

    def step(self, factor: float) -> None:
        """Take one step at `factor` times the configured learning rates, then clear the gradients."""
        for optimizer, lr in self._all:
            for group in optimizer.param_groups:
                group["lr"] = lr * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def lr_factor(step: int, *, total: int, warmup: int, final: float) -> float:
    """Return the factor at `step` of `total`: linear warm-up, then a cosine from 1 down to `final`."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def pretrain(
    data: PreparedData, config: PretrainConfig, *, device: torch.device
) -> tuple[FalconForCausalLM, dict[str, float]]:
    """Train both stages and return the model and its metrics (losses in bits per byte, seconds, tokens)."""
    torch.manual_seed(config.train.seed)
    torch.set_float32_matmul_precision("high")
    model = build_model(config.model)
    model.to(device)  # type: ignore[arg-type]
    stages = _Stages(model, data, config, device=device)
    started = time.monotonic()
    stages.general()
    before = bits_per_byte(model, data.midjourney_validation, device=device)
    stages.midjourney()
    metrics = {
        "parameters": float(sum(p.numel() for p in model.parameters())),
        "trained_tokens": float(stages.tokens),
        "seconds": round(time.monotonic() - started, 1),
        "midjourney_bits_per_byte_before_last_stage": before,
        "midjourney_bits_per_byte": bits_per_byte(model, data.midjourney_validation, device=device),
        "general_bits_per_byte": bits_per_byte(model, data.general_validation, device=device),
    }
    return model.eval(), metrics


class _Stages:
    def __init__(
        self,
        model: FalconForCausalLM,
        data: PreparedData,
        config: PretrainConfig,
        *,
        device: torch.device,
    ) -> None:
        self.model, self.data, self.config, self.device = model, data, config, device
        self.optimizers = Optimizers(model, config)
        self.random = torch.Generator().manual_seed(config.train.seed)
        self.tokens = 0

    def general(self) -> None:
        stage, train = self.config.general, self.config.train
        buckets = make_buckets(self.data.general_train, self.device)
        plans = [list(self._epoch(buckets, train.tokens_per_step)) for _ in range(stage.epochs)]
        plan = [batch for one in plans for batch in one]
        self._run(
            "general",
            buckets,
            plan,
            lambda step: lr_factor(step, total=len(plan), warmup=train.warmup_steps, final=stage.final_lr_fraction),
        )

    def midjourney(self) -> None:
        stage = self.config.midjourney
        plan: list[tuple[int, Tensor]] = []
        buckets: list[Bucket] = []
        for _ in range(stage.epochs):
            replay = draw(self.data.general_train, int(len(self.data.midjourney_train) * stage.replay), self.random)
            fresh = make_buckets(concatenate([self.data.midjourney_train, replay]), self.device)
            plan.extend((len(buckets) + number, rows) for number, rows in self._epoch(fresh, stage.tokens_per_step))
            buckets.extend(fresh)
        self._run(
            "midjourney",
            buckets,
            plan,
            lambda step: stage.lr_fraction * lr_factor(step, total=len(plan), warmup=0, final=0),
        )

    def _epoch(self, buckets: list[Bucket], tokens_per_step: int) -> Iterator[tuple[int, Tensor]]:
        return epoch(buckets, tokens_per_step=tokens_per_step, generator=self.random)

    def _run(
        self, name: str, buckets: list[Bucket], plan: list[tuple[int, Tensor]], factor: Callable[[int], float]
    ) -> None:
        started = time.monotonic()
        self.model.train()
        for step, (number, rows) in enumerate(plan):
            input_ids, labels = buckets[number].batch(rows.to(self.device))
            loss = self._loss(input_ids, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.max_grad_norm)
            self.optimizers.step(factor(step))
            self.tokens += input_ids.numel()
            if step % REPORT_EVERY_STEPS == 0 or step == len(plan) - 1:
                self._report(name, step, len(plan), loss.item(), started)

    def _report(self, name: str, step: int, total: int, loss: float, started: float) -> None:
        bits = bits_per_byte(self.model, self.data.midjourney_validation, device=self.device)
        log.info(
            "pretrain.step",
            stage=name,
            step=step,
            of=total,
            loss_nats_per_token=round(loss, 3),
            midjourney_bits_per_byte=round(bits, 4),
            tokens=self.tokens,
            seconds=round(time.monotonic() - started, 1),
        )

    def _loss(self, input_ids: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.model(input_ids=input_ids, use_cache=False).logits  # (B, T, V)
        return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())


def concatenate(parts: list[EncodedPairs]) -> EncodedPairs:
    """Join encoded documents, in order."""
    shifts = np.cumsum([0, *[len(part.tokens) for part in parts[:-1]]])
    offsets = np.concatenate([[0], *[part.offsets[1:] + shift for part, shift in zip(parts, shifts, strict=True)]])
    return EncodedPairs(
        np.concatenate([part.tokens for part in parts]),
        offsets.astype(np.int64),
        np.concatenate([part.text_bytes for part in parts]),
    )


def draw(pairs: EncodedPairs, count: int, random: torch.Generator) -> EncodedPairs:
    """Return `count` documents (all, when there are fewer) drawn without replacement."""
    chosen = torch.randperm(len(pairs), generator=random)[:count].numpy()
    tokens = [pairs.tokens[pairs.offsets[i] : pairs.offsets[i + 1]] for i in chosen]
    offsets = np.concatenate([[0], np.cumsum(pairs.lengths[chosen])]).astype(np.int64)
    joined = np.concatenate(tokens) if tokens else np.empty(0, dtype=np.uint16)
    return EncodedPairs(joined, offsets, pairs.text_bytes[chosen])


@torch.no_grad()
def bits_per_byte(
    model: FalconForCausalLM, pairs: EncodedPairs, *, device: torch.device, batch_rows: int = 256
) -> float:
    """Return the bits that the model needs for whole documents, divided by the UTF-8 bytes of subject and prompt.

    Template and end-of-sequence tokens count among the bits but not among the bytes, so the figure is comparable
    between templates and tokenizers.
    """
    was_training = model.training
    model.eval()
    nats = torch.zeros((), dtype=torch.float64)
    for bucket in make_buckets(pairs, device):
        for rows in torch.arange(len(bucket.input_ids)).split(batch_rows):
            input_ids, labels = bucket.batch(rows.to(device))
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = model(input_ids=input_ids, use_cache=False).logits
            loss = nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="sum"
            )
            nats += loss.double().cpu()
    model.train(was_training)
    return float(nats) / math.log(2) / float(pairs.text_bytes.sum())
