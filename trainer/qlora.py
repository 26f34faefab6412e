"""A base model with a fresh LoRA adapter, ready to be trained in the precision that memory allows.

It knows how the model is made and what a block's loss is; batches, steps and checkpoints belong to trainer/loop.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedTokenizerBase

from core.logs import get_logger
from falcon.loading import load_tokenizer
from falcon.packed_batch import PackedBatch
from falcon.packed_forward import falcon_of, packed_hidden_states, require_parallel_falcon
from falcon.streaming import stream_falcon
from trainer.loss import answer_nats
from trainer.memory_plan import MemoryPlan, plan_memory
from trainer.preferences.anchor import anchored_nats
from trainer.train_config import FALCON_PROJECTIONS, LoraSettings, MemoryConfig

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainable:
    """A frozen base with a trainable adapter: a `PeftModel`, its tokenizer, and the plan that it was made by."""

    model: Any
    tokenizer: PreTrainedTokenizerBase
    plan: MemoryPlan
    device: torch.device
    is_compiled: bool

    def parameters(self) -> list[nn.Parameter]:
        """Return what is trained: A and B of each adapted projection, in float32."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def loss(self, batch: PackedBatch) -> Tensor:
        """Return the nats of the batch's answer tokens, summed, as a float32 scalar; `batch` may be on any device.

        Divide by the answer tokens of the whole optimizer step before `backward`, over all micro-batches and
        processes. The adapter's dropout is on in `model.train()` alone.
        """
        return self.answer_nats(batch).sum()

    def answer_nats(self, batch: PackedBatch) -> Tensor:
        """Return the nats of each answer token of the batch, (M,) float32, in the order of its `answer_ids`."""
        batch = batch.to(self.device)
        return answer_nats(self._answer_states(batch), self._head_weight, batch.answer_ids)

    def anchored_answer_nats(self, batch: PackedBatch, is_anchored: Tensor) -> Tensor:
        """Return the same; tokens where `is_anchored` (M,) cost what they do with the base's foretelling as target."""
        batch, is_anchored = batch.to(self.device), is_anchored.to(self.device)
        states = self._answer_states(batch)
        anchored, plain = is_anchored.nonzero()[:, 0], (~is_anchored).nonzero()[:, 0]
        base_states = self._base_answer_states(batch)
        nats = states.new_zeros(len(states), dtype=torch.float32)
        nats = nats.index_copy(0, anchored, anchored_nats(states[anchored], base_states[anchored], self._head_weight))
        return nats.index_copy(0, plain, answer_nats(states[plain], self._head_weight, batch.answer_ids[plain]))

    @property
    def _head_weight(self) -> Tensor:
        weight: Tensor = falcon_of(self.model).lm_head.weight
        return weight

    def _answer_states(self, batch: PackedBatch) -> Tensor:
        """Return the states (M, E) that foretell the answers' tokens."""
        hidden = packed_hidden_states(
            self.model, batch, is_checkpointed=self.plan.is_checkpointed, is_compiled=self.is_compiled
        )
        return hidden.index_select(0, batch.answer_positions)

    @torch.no_grad()
    def _base_answer_states(self, batch: PackedBatch) -> Tensor:
        with self.model.disable_adapter():
            hidden = packed_hidden_states(self.model, batch, is_checkpointed=False)
        return hidden.index_select(0, batch.answer_positions)


def prepare_model(
    folder: Path,
    *,
    lora: LoraSettings,
    memory: MemoryConfig,
    block_tokens: int,
    device: torch.device,
    is_compiled: bool = False,
) -> Trainable:
    """Load the base in `folder` onto `device` and put a fresh adapter on it.

    The adapter's A is drawn from torch's generator (seed it first), its B is 0, so training starts at the base model.

    Raises:
        ModelError: the folder holds no whole Falcon of the kind that can be trained, or NF4 is not really 4-bit.
        NotEnoughMemory: training does not fit in any allowed form.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    require_parallel_falcon(config)
    plan = plan_memory(config, lora=lora, memory=memory, block_tokens=block_tokens, device=device)
    base = stream_falcon(folder, plan.precision, device)
    model = add_adapter(base, lora)
    log.info("train.model_ready", precision=plan.precision, is_checkpointed=plan.is_checkpointed, reason=plan.reason)
    return Trainable(model=model, tokenizer=load_tokenizer(folder), plan=plan, device=device, is_compiled=is_compiled)


def add_adapter(base: nn.Module, lora: LoraSettings) -> Any:
    """Return `base` in a `PeftModel` with a fresh LoRA adapter in float32, on all four projections unless told else."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - slow

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=list(lora.target_modules or FALCON_PROJECTIONS),
        bias="none",
    )
    return get_peft_model(base, config)
