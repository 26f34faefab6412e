"""One optimizer step, on one process or several: micro-batches, their summed gradient, clipping, and the update.

The loss is a sum over examples divided by the answer tokens of the whole step, on all processes, so how the step is cut
into micro-batches does not change its gradient. Gradients are summed over processes here rather than by
DistributedDataParallel: only the adapter learns, so there is little to send, and a process may have nothing to do in a
short last step. When memory runs out, every process starts the step anew with micro-batches of half the size.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from core.errors import NotEnoughMemory
from core.logs import get_logger
from falcon.memory import is_out_of_memory
from trainer.learner import Learner
from trainer.schedule import Block, derived_seed, divide
from trainer.tokens import Example
from trainer.train_config import OptimizerConfig

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step did. `loss` is in nats per answer token, over all processes, where an opinion counts like some.

    `is_applied` is false where loss or gradient were not finite numbers: the weights are as before then.
    `is_stop_wanted` says that some process was asked to end.
    """

    loss: float
    grad_norm: float
    num_tokens: int
    is_applied: bool
    is_stop_wanted: bool


class Stepper:
    """Takes optimizer steps over `examples`. `num_parts` is how many micro-batches a block is cut into at present.

    `breathe` is called after each micro-batch that was learned from.
    """

    def __init__(
        self,
        learner: Learner,
        examples: Sequence[Example],
        config: OptimizerConfig,
        *,
        accelerator: Accelerator,
        seed: int,
        num_parts: int = 1,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self.num_parts = num_parts
        self._breathe = breathe
        self._learner = learner
        self._examples = examples
        self._lengths = [len(example) for example in examples]
        self._config = config
        self._accelerator = accelerator
        self._seed = seed
        self._parameters = list(learner.parameters.values())
        self.optimizer = torch.optim.AdamW(
            self._parameters,
            lr=config.lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=accelerator.device.type == "cuda",
        )

    def step(
        self, blocks: Sequence[Block], *, number: int, lr: float, is_stop_wanted: Callable[[], bool] = lambda: False
    ) -> StepResult:
        """Take step `number` over `blocks`, which all processes share out among themselves.

        Raises:
            NotEnoughMemory: a single document is too much for the device.
        """
        num_counted = sum(self._examples[number].num_counted for block in blocks for number in block)
        while True:
            nats, is_stopping = self._accumulate(blocks, number, num_counted, is_stop_wanted)
            if nats is not None:
                break
            self._halve(blocks)
        norm = self._clipped_norm()
        is_applied = math.isfinite(nats) and math.isfinite(norm)
        if is_applied:
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return StepResult(
            loss=nats / num_counted,
            grad_norm=norm,
            num_tokens=sum(self._lengths[number] for block in blocks for number in block),
            is_applied=is_applied,
            is_stop_wanted=is_stopping,
        )

    def total_nats(self, blocks: Sequence[Block]) -> float:
        """Return the nats of all answers in `blocks`, shared out among the processes, without learning from them.

        Raises:
            NotEnoughMemory: a single document is too much for the device.
        """
        self._learner.switch(is_training=False)
        try:
            while True:
                with torch.no_grad():
                    nats, _ = self._agree(self._run(blocks, lambda _position, loss: float(loss)))
                if nats is not None:
                    return nats
                self._halve(blocks)
        finally:
            self._learner.switch(is_training=True)

    def _accumulate(
        self, blocks: Sequence[Block], number: int, num_counted: float, is_stop_wanted: Callable[[], bool]
    ) -> tuple[float | None, bool]:
        """Leave the gradient of the whole step in the parameters; return its nats, or None where memory ran out."""

        def learn(position: tuple[int, int], loss: Tensor) -> float:
            del position
            (loss / num_counted).backward()
            nats = float(loss.detach())
            self._breathe()
            return nats

        local = self._run(blocks, learn, seeds=(self._seed, number))
        nats, is_stopping = self._agree(local, is_stop_wanted())
        if nats is None:
            self.optimizer.zero_grad(set_to_none=True)
        else:
            self._sum_gradients()
        return nats, is_stopping

    def _run(
        self,
        blocks: Sequence[Block],
        use: Callable[[tuple[int, int], Tensor], float],
        *,
        seeds: tuple[int, ...] | None = None,
    ) -> float | None:
        """Return the sum of what `use` makes of each micro-batch of this process, None where memory ran out.

        Dropout follows `seeds` and the micro-batch's place in the step, whichever process it falls to.
        """
        total = 0.0
        try:
            for position, part in self._micro_batches(blocks):
                if seeds is not None:
                    torch.manual_seed(derived_seed(*seeds, *position))
                total += use(position, self._learner.loss([self._examples[number] for number in part]))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        return total

    def _micro_batches(self, blocks: Sequence[Block]) -> Iterator[tuple[tuple[int, int], Block]]:
        """Yield (place in the step, numbers of examples) of this process's share: every n-th block of n processes."""
        count = self._accelerator.num_processes
        for index in range(self._accelerator.process_index, len(blocks), count):
            for part_index, part in enumerate(divide(blocks[index], self._lengths, self.num_parts)):
                yield (index, part_index), part

    def _agree(self, nats: float | None, is_stop_wanted: bool = False) -> tuple[float | None, bool]:
        """Return the nats of all processes together, None where one ran out of memory, and whether one wants to end."""
        told = [0.0 if nats is None else nats, float(nats is None), float(is_stop_wanted)]
        if self._accelerator.num_processes == 1:
            total, num_failed, num_stopping = told
        else:
            tensor = torch.tensor(told, dtype=torch.float64, device=self._accelerator.device)
            total, num_failed, num_stopping = self._accelerator.reduce(tensor, reduction="sum").tolist()
        return (None if num_failed else total), num_stopping > 0

    def _sum_gradients(self) -> None:
        if self._accelerator.num_processes == 1:
            return
        for parameter in self._parameters:
            if parameter.grad is None:  # nothing to do in a short step
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        summed = self._accelerator.reduce(flat, reduction="sum")
        for gradient, part in zip(gradients, summed.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def _clipped_norm(self) -> float:
        return float(nn.utils.clip_grad_norm_(self._parameters, self._config.max_grad_norm))

    def _halve(self, blocks: Sequence[Block]) -> None:
        """Cut blocks into twice as many micro-batches from now on.

        Raises:
            NotEnoughMemory: they are single documents already.
        """
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        parts = [part for block in blocks for part in divide(block, self._lengths, self.num_parts)]
        if max(map(len, parts)) == 1:
            raise NotEnoughMemory(
                "The device's memory is too small for a single document; lower max_document_tokens, set checkpointing "
                '= "on" and precision = "nf4", or close other programs that use the device.'
            )
        self.num_parts *= 2
        tokens = max(sum(self._lengths[number] for number in block) for block in blocks)
        log.warning(
            "train.smaller_micro_batch",
            reason="the device's memory ran out",
            micro_batch_tokens=math.ceil(tokens / self.num_parts),
            accumulation=self.num_parts * len(blocks),
            effective_batch="unchanged",
        )
