"""The engine behind the worker's port: ideas in, candidate prompts out.

A request that wants more groups than are configured gets an engine of that width, made when it is first wanted; all
widths share the model's weights and adapters, and each has token memory of its own. It does not know how a step is
computed.
"""

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import ModelError
from core.records import ModelInfo
from falcon.engine import Ended, Engine, EngineRequest
from falcon.generator import Failure, Generated, GenerationRequest, Outcome
from falcon.prompt_texts import PromptTexts
from falcon.resident_adapters import ResidentAdapters
from falcon.selection import Hypothesis
from falcon.serving_metrics import ServingMetrics

MakeEngine = Callable[[int], Engine]  # for a number of groups


class EngineGenerator:
    """A `RunningGenerator` over one model."""

    def __init__(
        self, texts: PromptTexts, make_engine: MakeEngine, info: ModelInfo, metrics: ServingMetrics, *, capacity: int
    ) -> None:
        """Serve `info` by engines that `make_engine` makes for a number of groups, `capacity` requests at once."""
        self._texts, self._make_engine, self._info, self._metrics = texts, make_engine, info, metrics
        self._capacity = capacity
        width = texts.config.beam_search.num_beam_groups
        self._engines: dict[int, Engine] = {width: make_engine(width)}
        self._inside: dict[str, tuple[GenerationRequest, Engine]] = {}
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
            engine = self._engine_of(self._texts.num_groups(request))
            engine.submit(self._engine_request(request))
        except Exception as error:
            self._failed.append(Failure(request_id=request.id, error=error))
        else:
            self._inside[request.id] = (request, engine)

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
            Exception: a step failed as a whole; everything inside was dropped.
        """
        outcomes, self._failed = self._failed, []
        try:
            ended = [one for engine in self._engines.values() if engine.num_inside for one in engine.step()]
        except Exception:
            self._inside.clear()
            for engine in self._engines.values():
                engine.drop_all()
            raise
        return outcomes + [self._outcome(one) for one in ended]

    def _outcome(self, ended: Ended) -> Outcome:
        request, _ = self._inside.pop(ended.id)
        if ended.error is not None:
            return Failure(request_id=ended.id, error=ended.error)
        found = [
            self._texts.hypothesis(beam.tokens, beam.log_prob / beam.length) for group in ended.groups for beam in group
        ]
        return Generated(
            request_id=ended.id,
            candidates=self._texts.candidates(request, self._sound(found)) if found else (),
            decoding_seconds=ended.seconds,
        )

    def _sound(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """Leave out what only filled a place: beams that had no possible token left."""
        possible = [item for item in found if item.score > -1e6]
        return possible or found

    def load_adapter(self, name: str, folder: Path) -> None:
        """Take in an adapter beside those that are loaded, between two steps; requests may name it from now on.

        Raises:
            ModelError: no slot is free, or it does not fit; what was loaded before goes on serving.
        """
        self._adapters.load(name, folder)

    def unload_adapter(self, name: str) -> None:
        """Let go of an adapter. Raises: ModelError, when a request inside uses it, or it is not loaded."""
        num_users = sum((request.adapter or self._info.adapter) == name for request, _ in self._inside.values())
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
        _, engine = self._inside[request_id]
        tokens = engine.best_so_far(request_id)
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


def require_engine(reason: str | None) -> None:
    """Raise ModelError when there is a `reason` why the engine cannot run the model."""
    if reason is not None:
        raise ModelError(f"ENGINE=beam cannot run this model: {reason}; set ENGINE=auto.")
