"""The one thread that loads the model and decodes with it, reached from the event loop through futures.

It knows no queue, no batch policy and no tensor: calls run one at a time, in the order they came.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from core.records import ModelInfo
from falcon.generator import Generated, GenerationRequest, Generator

Result = TypeVar("Result")


class EngineThread:
    """Owns a `Generator` on a thread of its own; `load` is called there once, by `start`."""

    def __init__(self, load: Callable[[], Generator]) -> None:
        self._load = load
        self._generator: Generator | None = None
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
        return await self._call(lambda: self._loaded().generate(requests))

    @property
    def decode_settings(self) -> Mapping[str, object]:
        return self._loaded().settings

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    async def stop(self, *, timeout_seconds: float) -> bool:
        """Let the running call end, drop the model and end the thread; False when it is busy to the last."""
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
        while (call := self._calls.get()) is not None:
            call()
        self._generator = None

    def _load_model(self) -> ModelInfo:
        self._generator = self._load()
        return self._generator.info

    def _loaded(self) -> Generator:
        if self._generator is None:
            raise RuntimeError("the model is not loaded: call start() first")
        return self._generator
