"""Measure the pocket model on two threads of a CPU: the engine, transformers and CTranslate2, by turns.

All write as many tokens, none of them EOS, with as many beams; the engine is held to that by its own rule of
`min_new_tokens`, and once more without any rule, its EOS set to a token that never comes.
"""

import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from benchmarks.decode_models import Models, Row, Setting, build_engine
from benchmarks.decode_runs import best_beam, run_batch
from core.settings import PROJECT_ROOT
from falcon.beam_search import SearchSettings
from falcon.engine import EngineRequest
from falcon.joined_weights import join_weights
from falcon.prompt_texts import MAX_PROMPT_TOKENS
from falcon.search_rules import RuleSettings
from falcon.serving import operations_for
from falcon.template import render_opening, render_question

POCKET = PROJECT_ROOT / "models" / "pocket"
NUM_THREADS = 2
NUM_BEAMS, NUM_ANSWERS, NUM_NEW_TOKENS = 8, 4, 48
NUM_RUNS, QUICK_RUNS = 9, 7
SUBJECT = "a lighthouse keeper's cottage in a storm"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Answer = Callable[[], list[int]]  # the best beam's tokens


def measure_pocket(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield each contestant's median time, with its ratio to the engine in float32."""
    threads = torch.get_num_threads()
    torch.set_num_threads(NUM_THREADS)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            contestants = dict(_contestants(models.setting, Path(scratch)))
            yield from _compare(contestants, QUICK_RUNS if models.setting.is_quick else NUM_RUNS)
    finally:
        torch.set_num_threads(threads)
    if not _has_ctranslate2():
        yield "ctranslate2", {"note": "ctranslate2 is not installed, so it was not measured"}


def _compare(contestants: dict[str, Answer], num_runs: int) -> Iterator[tuple[str, Row]]:
    answers = {name: answer() for name, answer in contestants.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(num_runs):
        for name, answer in contestants.items():
            answer()  # threads of the one before go on spinning for a while, and would be in the way
            started = time.monotonic()
            answer()
            seconds[name].append(time.monotonic() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        row: Row = {
            "threads": NUM_THREADS,
            "beams": NUM_BEAMS,
            "new_tokens": len(answers[name]),
            "runs": num_runs,
            "seconds": round(median, 4),
            "best_seconds": round(min(seconds[name]), 4),
            "step_ms": round(1000 * median / NUM_NEW_TOKENS, 3),
        }
        if "without" not in name:
            row["is_same_as_transformers"] = answers[name] == answers["transformers fp32"]
        if name.startswith("engine"):
            row |= {key: round(median / medians[peer], 3) for key, peer in _peers(name).items() if peer in medians}
        yield name, row


def _peers(name: str) -> dict[str, str]:
    """Return what an engine is compared with: transformers in its own precision, and CTranslate2 in both."""
    return {
        "over_transformers": f"transformers {name.split()[1]}",
        "over_ctranslate2_fp32": "ctranslate2 fp32",
        "over_ctranslate2_int8": "ctranslate2 int8",
    }


def _contestants(setting: Setting, scratch: Path) -> Iterator[tuple[str, Answer]]:
    tokenizer = AutoTokenizer.from_pretrained(POCKET, trust_remote_code=False)
    prompt: list[int] = tokenizer(render_question(SUBJECT) + render_opening(SUBJECT))["input_ids"]
    eos, unused = int(tokenizer.eos_token_id), int(tokenizer.pad_token_id)
    for name, dtype in DTYPES.items():
        yield f"engine {name}", _engine(setting, dtype, prompt, eos, RuleSettings(min_new_tokens=NUM_NEW_TOKENS))
        yield f"engine {name} without rules", _engine(setting, dtype, prompt, unused, None)
        yield f"transformers {name}", _transformers(dtype, prompt, eos)
    if _has_ctranslate2():
        words = [str(token) for token in tokenizer.convert_ids_to_tokens(prompt)]
        yield "ctranslate2 fp32", _ctranslate2(scratch, "float32", words)
        yield "ctranslate2 int8", _ctranslate2(scratch, "int8", words)


def _load(dtype: torch.dtype) -> Any:
    transformers_logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(POCKET, trust_remote_code=False, dtype=dtype).eval()


def _engine(setting: Setting, dtype: torch.dtype, prompt: list[int], eos: int, rules: RuleSettings | None) -> Answer:
    weights = join_weights(_load(dtype), MAX_PROMPT_TOKENS + NUM_NEW_TOKENS)
    search = SearchSettings(
        num_beams=NUM_BEAMS, num_return_sequences=NUM_ANSWERS, max_new_tokens=NUM_NEW_TOKENS, eos_token_id=eos
    )
    operations = operations_for(weights)
    engine = build_engine(weights, setting, search=search, rules=rules, operations=operations, num_seats=1)
    request = EngineRequest(id="one", prompt=prompt)
    return lambda: best_beam(run_batch(engine, [request]).ended["one"]).tokens


def _transformers(dtype: torch.dtype, prompt: list[int], eos: int) -> Answer:
    model, input_ids = _load(dtype), torch.tensor([prompt])
    config = GenerationConfig(
        do_sample=False,
        num_beams=NUM_BEAMS,
        num_return_sequences=NUM_ANSWERS,
        min_new_tokens=NUM_NEW_TOKENS,
        max_new_tokens=NUM_NEW_TOKENS,
        eos_token_id=eos,
        pad_token_id=eos,
    )

    def answer() -> list[int]:
        with torch.inference_mode():
            output = model.generate(
                input_ids=input_ids, attention_mask=torch.ones_like(input_ids), generation_config=config
            )
        return [int(token) for token in output[0, len(prompt) :]]

    return answer


def _has_ctranslate2() -> bool:
    return importlib.util.find_spec("ctranslate2") is not None


def _ctranslate2(scratch: Path, compute_type: str, words: list[str]) -> Answer:
    import ctranslate2  # noqa: PLC0415 - a peer that need not be installed
    from ctranslate2.converters import TransformersConverter  # noqa: PLC0415

    folder = str(scratch / compute_type)
    TransformersConverter(str(POCKET)).convert(folder, quantization=compute_type)
    generator = ctranslate2.Generator(folder, device="cpu", compute_type=compute_type, intra_threads=NUM_THREADS)

    def answer() -> list[int]:
        (result,) = generator.generate_batch(
            [words],
            beam_size=NUM_BEAMS,
            num_hypotheses=NUM_ANSWERS,
            max_length=NUM_NEW_TOKENS,
            min_length=NUM_NEW_TOKENS,
            include_prompt_in_result=False,
        )
        return list(result.sequences_ids[0])

    return answer
