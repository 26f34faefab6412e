"""Measure latencies under traffic: requests come when they come, with the lengths of real prompts.

One thread feeds the engine and steps it, as the worker does; a request that comes while a step runs waits for its end,
and that counts.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.decode_models import NUM_BEAMS, Models, Row
from benchmarks.decode_runs import num_steps, random_requests, real_prompts, warm_up
from falcon.engine import Engine, EngineRequest

REQUESTS_PER_SECOND = 40
SECONDS, QUICK_SECONDS = 15, 1
SEED = 5


@dataclass(slots=True)
class Traffic:
    """What was seen: seconds from each arrival to its answer, the requests in seats at each step, and its seconds."""

    seconds: list[float] = field(default_factory=list)
    seated: list[int] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)


def measure_arrivals(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield the latencies of Poisson arrivals at a fixed rate."""
    setting = models.setting
    seconds = QUICK_SECONDS if setting.is_quick else SECONDS
    times = arrival_times(REQUESTS_PER_SECOND, seconds)
    prompts = real_prompts(setting, len(times))
    requests = [
        EngineRequest(id=str(number), prompt=prompt.tokens, max_new_tokens=prompt.num_new_tokens)
        for number, prompt in enumerate(prompts)
    ]
    engine = models.engine("bf16")
    warm_up(engine, random_requests(setting.num_seats))
    before, started = num_steps(engine), time.monotonic()
    traffic = drive(engine, list(zip(times, requests, strict=True)))
    elapsed = time.monotonic() - started
    quantiles = statistics.quantiles(traffic.seconds, n=100)
    yield (
        f"poisson {REQUESTS_PER_SECOND}/s x{NUM_BEAMS}",
        {
            "requests": len(requests),
            "seconds": round(elapsed, 2),
            "p50_seconds": round(statistics.median(traffic.seconds), 4),
            "p95_seconds": round(quantiles[94], 4),
            "p99_seconds": round(quantiles[98], 4),
            "max_seconds": round(max(traffic.seconds), 4),
            "mean_rows": round(NUM_BEAMS * statistics.mean(traffic.seated), 1),
            "max_rows": NUM_BEAMS * max(traffic.seated),
            "steps": num_steps(engine) - before,
            "mean_prompt_tokens": round(statistics.mean(len(prompt.tokens) for prompt in prompts), 1),
            "mean_new_tokens": round(statistics.mean(prompt.num_new_tokens for prompt in prompts), 1),
        },
    )


def arrival_times(requests_per_second: float, seconds: float) -> list[float]:
    """Return the seconds at which requests arrive, independent of one another, the same ones each time."""
    source = random.Random(SEED)
    times = [source.expovariate(requests_per_second)]
    while times[-1] < seconds:
        times.append(times[-1] + source.expovariate(requests_per_second))
    return times[:-1]


def drive(
    engine: Engine, arrivals: Sequence[tuple[float, EngineRequest]], *, between: Callable[[float], None] | None = None
) -> Traffic:
    """Submit each request when its time has come, step in between, and wait only where nothing is inside.

    `between` is called before each step with the seconds since the beginning; what it takes, people wait for.
    """
    traffic, coming = Traffic(), list(reversed(arrivals))
    arrived = {request.id: at for at, request in arrivals}
    num_seats = engine.model.memory.shape.num_homes
    started = time.monotonic()
    while coming or engine.num_inside:
        now = time.monotonic() - started
        while coming and coming[-1][0] <= now:
            engine.submit(coming.pop()[1])
        if between is not None:
            between(now)
        if not engine.num_inside:
            time.sleep(max(0.0, coming[-1][0] - now))
            continue
        ended = engine.step()
        after = time.monotonic() - started
        traffic.step_seconds.append(after - now)
        for one in ended:
            if one.error is not None:
                raise one.error
            traffic.seconds.append(after - arrived[one.id])
        traffic.seated.append(min(num_seats, engine.num_inside + len(ended)))
    return traffic
