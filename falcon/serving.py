"""Choose and build what serves: the beam-search engine where it knows the model, transformers elsewhere.

The only place that knows both; the rest of the product sees a `Generator`.
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch

from core.errors import ModelError, NotEnoughMemory
from core.logs import get_logger
from core.settings import Settings
from falcon.beam_search import SearchSettings
from falcon.captured_steps import CapturedSteps
from falcon.decode_config import DecodeConfig, read_decode_config
from falcon.decoding import TransformersGenerator
from falcon.engine import Engine
from falcon.engine_generator import EngineGenerator
from falcon.generator import Generator
from falcon.joined_weights import JoinedWeights, join_weights, why_not_joinable
from falcon.loading import LoadedModel, load_model
from falcon.lora import read_lora
from falcon.memory import free_bytes, is_out_of_memory
from falcon.prompt_texts import MAX_PROMPT_TOKENS, PromptTexts
from falcon.resident_adapters import ResidentAdapters
from falcon.row_model import RowModel, RowOperations
from falcon.row_operations import PackedOperations, TorchOperations, can_pack
from falcon.search_rules import RuleSettings
from falcon.seats import Seats
from falcon.serving_metrics import ServingMetrics
from falcon.step_runner import EagerSteps, StepRunner
from falcon.token_memory import MemoryShape, TokenMemory

log = get_logger(__name__)
CPU_CAPACITY, CUDA_CAPACITY = 4, 128  # requests inside at once
WIDE_CAPACITY = 4  # of an engine for requests that want unusually many candidates
NUM_ADAPTER_SLOTS, MAX_ADAPTER_RANK = 2, 64  # a champion and its challenger
SCORE_TENSORS = 8  # float32 tensors of all rows' scores that rules hold at once, the logits among them
SHARE_OF_FREE = 0.7  # of the memory that the weights have left; graphs and products want some
MIN_CUDA_CAPABILITY = (8, 0)  # the first with bf16 in its tensor cores


def load_generator(settings: Settings) -> Generator:
    """Load the model and decoding settings that `settings` name; may take seconds (or a download).

    Raises:
        core.errors.MjpromptError: as `falcon.loading.load_model` and `falcon.decode_config.read_decode_config` say, or
            ENGINE=beam cannot run the model.
    """
    config = read_decode_config(settings.decode_config)
    loaded = load_model(settings)
    if settings.engine == "transformers":
        return TransformersGenerator(loaded, config)
    reason = why_not_engine(loaded, settings.adapter)
    if reason is None:
        return build_engine_generator(loaded, config, settings)
    if settings.engine == "beam":
        raise ModelError(f"ENGINE=beam cannot run this model: {reason}; set ENGINE=auto.")
    log.info("engine.reference", reason=reason)
    return TransformersGenerator(loaded, config)


def why_not_engine(loaded: LoadedModel, adapter: Path | None = None) -> str | None:
    """Return what keeps the engine from running a model where it is, None when nothing does.

    An adapter beside 4-bit weights has to be one that the engine computes itself; others were merged at loading.
    """
    model, device = _without_adapter(loaded.model), loaded.info.device
    if loaded.info.precision == "nf4" and device == "cpu":
        return "its 4-bit weights lie on a CPU"
    if device == "cuda" and (reason := _why_not_cuda(model.config.hidden_size // model.config.num_attention_heads)):
        return reason
    if loaded.info.precision == "nf4" and adapter is not None:
        try:
            if read_lora(adapter).rank > MAX_ADAPTER_RANK:
                return f"its adapter's rank is above {MAX_ADAPTER_RANK}"
        except ModelError as error:
            return str(error)
    return why_not_joinable(model)


def _why_not_cuda(head_size: int) -> str | None:
    """Return what the kernels miss on this GPU."""
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    if torch.cuda.get_device_capability() < MIN_CUDA_CAPABILITY:
        return f"{torch.cuda.get_device_name()} is older than the kernels need"
    if head_size < 32 or head_size & (head_size - 1):
        return f"its heads have {head_size} columns"
    return None


def _without_adapter(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "peft_config") else model


def build_engine_generator(loaded: LoadedModel, config: DecodeConfig, settings: Settings) -> EngineGenerator:
    """Return a generator that runs `loaded`; the adapter that `settings` name is in its weights, or beside 4-bit ones.

    Raises:
        ModelError: the adapter does not fit.
        NotEnoughMemory: keys and values do not fit; the message says what to set.
    """
    texts = PromptTexts(loaded.tokenizer, config, int(loaded.model.config.vocab_size))
    is_beside = hasattr(loaded.model, "peft_config")
    model = loaded.model.unload() if is_beside else loaded.model
    weights = join_weights(model, MAX_PROMPT_TOKENS + config.beam_search.max_new_tokens)
    adapters = ResidentAdapters(weights, num_slots=NUM_ADAPTER_SLOTS, max_rank=MAX_ADAPTER_RANK)
    if settings.adapter is not None and is_beside:
        adapters.load(settings.adapter.name, settings.adapter)
    elif settings.adapter is not None:
        adapters.adopt(settings.adapter.name)
    metrics, operations = ServingMetrics(), operations_for(weights)
    capacity = plan_capacity(weights, texts, settings.max_batch_requests)

    def make_engine(num_groups: int) -> Engine:
        is_usual = num_groups == config.beam_search.num_beam_groups
        seats = capacity if is_usual else min(capacity, WIDE_CAPACITY)
        return _make_engine(
            weights,
            operations,
            adapters,
            texts,
            metrics,
            num_groups=num_groups,
            num_seats=seats,
            is_invariant=settings.batch_invariant,
        )

    return EngineGenerator(texts, make_engine, loaded.info, metrics, capacity=capacity)


def plan_capacity(weights: JoinedWeights, texts: PromptTexts, wanted: int | None) -> int:
    """Return how many requests the engine holds: `wanted` (None: as many as pay), or fewer where memory is short."""
    if weights.device.type != "cuda":
        return min(wanted or CPU_CAPACITY, CUDA_CAPACITY)
    search = texts.config.beam_search
    rows = search.num_beams * search.num_beam_groups
    places = MAX_PROMPT_TOKENS + rows * search.max_new_tokens
    of_memory = 2 * len(weights.layers) * places * weights.head_size * weights.dtype.itemsize
    of_scores = SCORE_TENSORS * 4 * rows * len(weights.embedding)
    affordable = int(SHARE_OF_FREE * free_bytes(weights.device) / (of_memory + of_scores))
    capacity = max(1, min(wanted or CUDA_CAPACITY, CUDA_CAPACITY, affordable))
    if capacity < min(wanted or CUDA_CAPACITY, CUDA_CAPACITY):
        log.warning("engine.fewer_requests", capacity=capacity, reason="memory")
    return capacity


def _make_engine(
    weights: JoinedWeights,
    operations: RowOperations,
    adapters: ResidentAdapters,
    texts: PromptTexts,
    metrics: ServingMetrics,
    *,
    num_groups: int,
    num_seats: int,
    is_invariant: bool,
) -> Engine:
    search = texts.config.beam_search
    settings = SearchSettings(
        num_beams=num_groups * search.num_beams,
        num_beam_groups=num_groups,
        num_return_sequences=num_groups * search.num_beams,
        length_penalty=search.length_penalty,
        early_stopping=search.early_stopping,
        max_new_tokens=search.max_new_tokens,
        eos_token_id=texts.eos_token_id,
    )
    rules = RuleSettings(
        no_repeat_ngram_size=search.no_repeat_ngram_size,
        min_new_tokens=search.min_new_tokens,
        bad_words_ids=texts.bad_words_ids,
        word_diversity_penalty=search.diversity_penalty,
        word_repetition_penalty=search.word_repetition_penalty,
        words=texts.words,
        first_tokens=texts.boundary,
    )
    shape = MemoryShape(
        num_layers=len(weights.layers),
        head_size=weights.head_size,
        num_homes=num_seats,
        rows_per_home=settings.num_beams,
        max_prompt_tokens=MAX_PROMPT_TOKENS,
        max_new_tokens=search.max_new_tokens,
    )
    memory = TokenMemory(shape, weights.dtype, weights.device)
    model = RowModel(weights, memory, operations, adapters)
    engine = Engine(
        model,
        settings,
        rules,
        runner=runner_for(weights, num_seats, shape.max_tokens, is_invariant=is_invariant),
        make_seats=seats_for(weights),
        metrics=metrics,
    )
    try:
        engine.prepare()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise NotEnoughMemory(
            f"Decoding {num_seats} requests at once does not fit beside the model; set MAX_BATCH_REQUESTS lower."
        ) from error
    return engine


def operations_for(weights: JoinedWeights) -> RowOperations:
    """Return the fastest arithmetic that runs where `weights` are."""
    if weights.device.type == "cuda" and weights.dtype == torch.bfloat16:
        from falcon.kernels.operations import KernelOperations  # noqa: PLC0415 - Triton is only there with CUDA

        return KernelOperations(weights)
    return PackedOperations(weights) if can_pack(weights) else TorchOperations(weights)


def runner_for(weights: JoinedWeights, num_seats: int, max_tokens: int, *, is_invariant: bool = False) -> StepRunner:
    """Return captured steps on CUDA, eager ones elsewhere."""
    if weights.device.type == "cuda":
        return CapturedSteps(
            weights.device,
            num_seats=num_seats,
            spare_seat=num_seats,
            max_tokens=max_tokens,
            is_invariant=is_invariant,
        )
    return EagerSteps(weights.device)


def seats_for(weights: JoinedWeights) -> type[Seats]:
    """Return seats that advance in one kernel on CUDA, and in torch elsewhere."""
    if weights.device.type == "cuda":
        from falcon.kernels.search import KernelSeats  # noqa: PLC0415 - Triton is only there with CUDA

        return KernelSeats
    return Seats
