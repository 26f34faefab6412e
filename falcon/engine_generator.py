"""The engine behind the worker's port: ideas in, candidate prompts out.

A request that wants more groups than are configured gets an engine of that width, made when it is first wanted; all
widths share the model's weights and adapters, and each has token memory of its own. It does not know how a step is
computed.
"""

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from core.errors import ModelError, NotEnoughMemory, OutOfMemory
from core.records import ModelInfo
from falcon.beam_search import IMPOSSIBLE
from falcon.decode_config import MAX_ROWS
from falcon.engine import Ended, Engine, EngineRequest
from falcon.generator import Failure, Generated, GenerationRequest, Outcome
from falcon.memory import is_out_of_memory
from falcon.prompt_texts import PromptTexts
from falcon.resident_adapters import ResidentAdapters
from falcon.serving_metrics import Ending, ServingMetrics

MakeEngine = Callable[[int], Engine]  # for a number of groups


@dataclass(frozen=True, slots=True)
class _Inside:
    """A request, the engine that has it, and the adapter that it was given when it came."""

    request: GenerationRequest
    engine: Engine
    adapter: str | None


class EngineGenerator:
    """A `RunningGenerator` and `AdapterHost` over one model."""

    def __init__(
        self, texts: PromptTexts, make_engine: MakeEngine, info: ModelInfo, metrics: ServingMetrics, *, capacity: int
    ) -> None:
        """Serve `info` by engines that `make_engine` makes for a number of groups, `capacity` requests at once."""
        self._texts, self._make_engine, self._info, self._metrics = texts, make_engine, info, metrics
        self._capacity = capacity
        width = texts.config.beam_search.num_beam_groups
        self._engines: dict[int, Engine] = {width: make_engine(width)}
        self._inside: dict[str, _Inside] = {}
        self._failed: list[Outcome] = []

    @property
    def info(self) -> ModelInfo:
        """What answers."""
        return self._info

    @property
    def settings(self) -> Mapping[str, object]:
        """The decoding settings, to be stored beside each candidate."""
        return self._texts.config.as_dict()

    @property
    def capacity(self) -> int:
        """How many requests may be inside at once; more wait their turn."""
        return self._capacity

    @property
    def num_inside(self) -> int:
        """How many requests were submitted and have not been returned as an outcome."""
        return len(self._inside) + len(self._failed)

    @property
    def metrics(self) -> ServingMetrics:
        """How it goes; may be read from any thread."""
        return self._metrics

    def submit(self, request: GenerationRequest) -> None:
        """Take `request` in, to join between two steps; what cannot join fails in the next step."""
        try:
            if request.id in self._inside:
                raise ModelError(f"A request {request.id} is inside already; wait until it has ended.")
            engine, asked = self._engine_of(self._num_groups(request)), self._engine_request(request)
            engine.submit(asked)
        except Exception as error:
            self._failed.append(Failure(request_id=request.id, error=error))
        else:
            self._inside[request.id] = _Inside(request, engine, asked.adapter)

    def _num_groups(self, request: GenerationRequest) -> int:
        num_groups, num_beams = self._texts.num_groups(request), self._texts.config.beam_search.num_beams
        if num_groups * num_beams > MAX_ROWS:
            raise ModelError(
                f"{request.num_candidates} candidates need {num_groups * num_beams} beams, more than {MAX_ROWS} of a "
                "request; ask for fewer."
            )
        return num_groups

    def _engine_of(self, num_groups: int) -> Engine:
        if num_groups not in self._engines:
            self._engines[num_groups] = self._make_engine(num_groups)
        return self._engines[num_groups]

    def _engine_request(self, request: GenerationRequest) -> EngineRequest:
        tokens = self._texts.tokens(request)
        return EngineRequest(
            id=request.id,
            prompt=tokens.prompt,
            subject=tokens.subject,
            avoided=tokens.avoided,
            adapter=request.adapter or self._info.adapter,
            seed=zlib.crc32(request.id.encode()) if request.seed is None else request.seed,
            is_cancelled=request.is_cancelled,
        )

    def step(self) -> list[Outcome]:
        """Advance everything inside by one token; return what ended since the last call.

        Raises:
            OutOfMemory: the step does not fit; everything inside was dropped.
            Exception: a step failed as a whole; everything inside was dropped.
        """
        outcomes, self._failed = self._failed, []
        try:
            ended = [one for engine in self._engines.values() if engine.num_inside for one in engine.step()]
        except Exception as error:
            is_memory = is_out_of_memory(error)
            num_inside = self._drop_all(Ending.OUT_OF_MEMORY if is_memory else Ending.FAILED)
            if not is_memory:
                raise
            raise OutOfMemory(f"Decoding {num_inside} requests at once does not fit into memory.") from error
        outcomes += [self._outcome(one) for one in ended]
        self._tell_load()
        return outcomes

    def _drop_all(self, ending: Ending) -> int:
        """Forget everything inside, and return how many that were."""
        num_inside = len(self._inside)
        for _ in range(num_inside):
            self._metrics.count_ending(ending, seconds=0.0)
        self._inside.clear()
        for engine in self._engines.values():
            engine.drop_all()
        torch.cuda.empty_cache()
        self._tell_load()
        return num_inside

    def _tell_load(self) -> None:
        num_rows = sum(engine.num_rows for engine in self._engines.values())
        self._metrics.set_load(num_rows=num_rows, num_requests=len(self._inside))

    def _outcome(self, ended: Ended) -> Outcome:
        request = self._inside.pop(ended.id).request
        if ended.error is not None:
            return Failure(request_id=ended.id, error=ended.error)
        # A beam that had no possible token left only fills its place.
        beams = [beam for group in ended.groups for beam in group if beam.score > IMPOSSIBLE / 2]
        try:
            found = [self._texts.hypothesis(beam.tokens, beam.log_prob / beam.length) for beam in beams]
            candidates = self._texts.candidates(request, found) if found else ()
        except Exception as error:  # of this text alone
            return Failure(request_id=ended.id, error=error)
        return Generated(request_id=ended.id, candidates=candidates, decoding_seconds=ended.seconds)

    @property
    def num_adapter_slots(self) -> int:
        """How many adapters may be loaded at once."""
        return self._adapters.num_slots

    def load_adapter(self, name: str, folder: Path) -> None:
        """Take in an adapter beside those that are loaded, between two steps; requests may name it from now on.

        Raises:
            ModelError: no slot is free, or it does not fit; what was loaded before goes on serving.
            NotEnoughMemory: memory ran out; what was loaded before goes on serving.
        """
        try:
            self._adapters.load(name, folder)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            torch.cuda.empty_cache()
            raise NotEnoughMemory(
                f"Memory ran out while the adapter {folder} was loaded; set MAX_BATCH_REQUESTS lower."
            ) from error

    def unload_adapter(self, name: str) -> None:
        """Let go of an adapter. Raises: ModelError, when a request inside uses it, or it is not loaded."""
        num_users = sum(inside.adapter == name for inside in self._inside.values())
        if num_users:
            raise ModelError(f"The adapter {name} is in use by {num_users} requests; unload it once they have ended.")
        self._adapters.unload(name)

    def serve_adapter(self, name: str | None) -> None:
        """Let requests that name no adapter use this one from now on; None means the base model.

        Raises:
            ModelError: it is not loaded, or another one is merged into the weights.
        """
        self._adapters.slot_of(name)
        self._info = replace(self._info, adapter=name)

    def merge_adapter(self, name: str | None) -> None:
        """Put an adapter into the weights, or with None take the merged one out again; while nobody is inside.

        Raises:
            ModelError: requests are inside, or it is not loaded.
        """
        if self._inside:
            raise ModelError(f"{len(self._inside)} requests are inside; merge or restore once they have ended.")
        model = next(iter(self._engines.values())).model
        if self._adapters.merged is not None:
            model.restore_weights()
        if name is not None:
            model.merge_adapter(name)

    @property
    def _adapters(self) -> ResidentAdapters:
        """The adapters, which all widths share."""
        return next(iter(self._engines.values())).model.adapters

    def best_so_far(self, request_id: str) -> str | None:
        """Return the text of a request's best beam; None before its first token and once it has ended."""
        if request_id not in self._inside:
            return None
        tokens = self._inside[request_id].engine.best_so_far(request_id)
        return None if tokens is None else self._texts.decode(tokens)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generated]:
        """Answer all `requests` together, in their order, while nothing else is inside.

        Raises:
            Exception: the first failure of a request.
        """
        started = time.monotonic()
        for request in requests:
            self.submit(request)
        outcomes: dict[str, Outcome] = {}
        while self.num_inside:
            outcomes |= {outcome.request_id: outcome for outcome in self.step()}
        answers = [outcomes[request.id] for request in requests]
        for answer in answers:
            if isinstance(answer, Failure):
                raise answer.error
        seconds = time.monotonic() - started
        return [
            Generated(request_id=answer.request_id, candidates=answer.candidates, decoding_seconds=seconds)
            for answer in answers
            if isinstance(answer, Generated)
        ]
