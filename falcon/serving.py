"""Choose and build what serves: the beam-search engine where it knows the model, transformers elsewhere.

The only place that knows both; the rest of the product sees a `Generator`.
"""

from dataclasses import replace

import torch

from core.logs import get_logger
from core.settings import Settings
from falcon.base_identity import require_same_base
from falcon.beam_search import SearchSettings
from falcon.captured_steps import CapturedSteps
from falcon.decode_config import DecodeConfig, read_decode_config
from falcon.decoding import TransformersGenerator
from falcon.engine import Engine
from falcon.engine_generator import EngineGenerator, require_engine
from falcon.generator import Generator
from falcon.joined_weights import JoinedWeights, join_weights, why_not_joinable
from falcon.loading import LoadedModel, load_model
from falcon.prompt_texts import MAX_PROMPT_TOKENS, PromptTexts
from falcon.resident_adapters import ResidentAdapters
from falcon.row_model import RowModel, RowOperations
from falcon.row_operations import PackedOperations, TorchOperations, can_pack
from falcon.search_rules import RuleSettings
from falcon.seats import Seats
from falcon.serving_metrics import ServingMetrics
from falcon.source import choose_base, locate
from falcon.step_runner import EagerSteps, StepRunner
from falcon.token_memory import MemoryShape, TokenMemory

log = get_logger(__name__)
CPU_CAPACITY, CUDA_CAPACITY = 4, 128  # requests inside at once
WIDE_CAPACITY = 4  # of an engine for requests that want unusually many candidates
NUM_ADAPTER_SLOTS, MAX_ADAPTER_RANK = 2, 64  # a champion and its challenger


def load_generator(settings: Settings) -> Generator:
    """Load the model and decoding settings that `settings` name; may take seconds (or a download).

    Raises:
        core.errors.MjpromptError: as `falcon.loading.load_model` and `falcon.decode_config.read_decode_config` say, or
            ENGINE=beam cannot run the model.
    """
    config = read_decode_config(settings.decode_config)
    if settings.engine == "transformers":
        return TransformersGenerator(load_model(settings), config)
    loaded = load_model(settings.model_copy(update={"adapter": None}))
    reason = why_not_engine(loaded)
    if settings.engine == "beam":
        require_engine(reason)
    if reason is not None:
        log.info("engine.reference", reason=reason)
        return TransformersGenerator(load_model(settings) if settings.adapter else loaded, config)
    return build_engine_generator(loaded, config, settings)


def why_not_engine(loaded: LoadedModel) -> str | None:
    """Return what keeps the engine from running a model where it is, None when nothing does."""
    if loaded.info.precision == "nf4" and loaded.info.device == "cpu":
        return "its 4-bit weights lie on a CPU"
    return why_not_joinable(loaded.model)


def build_engine_generator(loaded: LoadedModel, config: DecodeConfig, settings: Settings) -> EngineGenerator:
    """Return a generator that runs `loaded`, with the adapter that `settings` name in its weights, or beside them.

    Raises:
        ModelError: the adapter was trained on another base or does not fit.
        NotEnoughMemory: keys and values do not fit; the message says what to set.
    """
    texts = PromptTexts(loaded.tokenizer, config, int(loaded.model.config.vocab_size))
    weights = join_weights(loaded.model, MAX_PROMPT_TOKENS + config.beam_search.max_new_tokens)
    adapters = ResidentAdapters(weights, num_slots=NUM_ADAPTER_SLOTS, max_rank=MAX_ADAPTER_RANK)
    info = loaded.info
    if settings.adapter is not None:
        base = choose_base(settings.model_id)
        require_same_base(settings.adapter, base, locate(base, settings.model_revision))
        adapters.load(settings.adapter.name, settings.adapter)
        if info.precision != "nf4":
            adapters.merge(settings.adapter.name)
        info = replace(info, adapter=settings.adapter.name)
    metrics, operations = ServingMetrics(), operations_for(weights)
    is_cuda = weights.device.type == "cuda"
    capacity = settings.max_batch_requests or (CUDA_CAPACITY if is_cuda else CPU_CAPACITY)

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

    return EngineGenerator(texts, make_engine, info, metrics, capacity=capacity)


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
    engine.prepare()
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
