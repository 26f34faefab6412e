"""The one thread that loads the model and decodes with it, reached from the event loop through futures.

It knows no queue, no batch policy and no tensor. Calls of a plain generator run one at a time, in the order they came;
those of a running one overlap: the thread steps while anything is inside, and takes new calls between two steps.
"""

import asyncio
import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from core.records import ModelInfo
from falcon.generator import AdapterHost, Generated, GenerationRequest, Generator, RunningGenerator
from falcon.serving_metrics import ServingMetrics
from worker.running_calls import RunningCalls

Result = TypeVar("Result")


class EngineThread:
    """Owns a `Generator` on a thread of its own; `load` is called there once, by `start`."""

    def __init__(self, load: Callable[[], Generator]) -> None:
        self._load = load
        self._generator: Generator | None = None
        self._running: RunningCalls | None = None
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon: a decoding step that never ends must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    async def start(self) -> ModelInfo:
        """Load the model and tell what it is. Raises: whatever loading raised."""
        self._thread.start()
        return await self._call(self._load_model)

    async def generate(self, requests: Sequence[GenerationRequest]) -> list[Generated]:
        """Answer `requests` together; cancelling this call does not stop the thread, `is_cancelled` does.

        Raises:
            core.errors.OutOfMemory: the batch does not fit.
            Exception: whatever else the generator raised.
        """
        if self._running is None:
            return await self._call(lambda: self._loaded().generate(requests))
        answers: Future[list[Generated]] = Future()
        self._calls.put(partial(self._running.add, requests, answers))
        return await asyncio.wrap_future(answers)

    async def between_steps(self, work: Callable[[Generator], Result]) -> Result:
        """Call `work` with the generator on its thread: between two steps of a running one, else between two batches.

        Raises: whatever `work` raised; requests that are inside go on.
        """
        return await self._call(lambda: work(self._loaded()))

    async def load_again(self, load: Callable[[], Generator]) -> ModelInfo:
        """Let go of the model and load another, while nothing is inside. Raises: whatever loading raised."""
        self._load = load
        return await self._call(self._load_model)

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        return self._loaded().info

    @property
    def num_adapter_slots(self) -> int:
        """How many adapters the generator holds beside its base; 0 for one that takes none while it runs."""
        generator = self._loaded()
        return generator.num_adapter_slots if isinstance(generator, AdapterHost) else 0

    @property
    def capacity(self) -> int | None:
        """How many requests a running generator holds at once; None for one that takes batch after batch."""
        generator = self._loaded()
        return generator.capacity if isinstance(generator, RunningGenerator) else None

    @property
    def metrics(self) -> ServingMetrics | None:
        """How a running generator is doing; None for a plain one, and before it is loaded."""
        return self._generator.metrics if isinstance(self._generator, RunningGenerator) else None

    @property
    def decode_settings(self) -> Mapping[str, object]:
        return self._loaded().settings

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    async def stop(self, *, timeout_seconds: float) -> bool:
        """Let the running calls end, drop the model and end the thread; False when it is busy to the last."""
        if not self._thread.is_alive():
            return True
        self._calls.put(None)
        await asyncio.to_thread(self._thread.join, timeout_seconds)
        return not self._thread.is_alive()

    async def _call(self, work: Callable[[], Result]) -> Result:
        future: Future[Result] = Future()

        def fulfil() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._calls.put(fulfil)
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        while (call := self._next_call()) is not None:
            call()
        while self._running is not None and not self._running.is_idle:
            self._running.step()
        self._running = self._generator = None

    def _next_call(self) -> Callable[[], None] | None:
        """Wait for the next call; meanwhile what is inside goes on."""
        while self._running is not None and not self._running.is_idle:
            with suppress(Empty):
                return self._calls.get_nowait()
            self._running.step()
        return self._calls.get()

    def _load_model(self) -> ModelInfo:
        if self._generator is not None:
            self._generator = self._running = None
            gc.collect()  # two models at once may not fit
        self._generator = self._load()
        if isinstance(self._generator, RunningGenerator):
            self._running = RunningCalls(self._generator)
        return self._generator.info

    def _loaded(self) -> Generator:
        if self._generator is None:
            raise RuntimeError("the model is not loaded: call start() first")
        return self._generator
