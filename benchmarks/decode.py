"""Measure the beam-search engine and its peers in one process, at Falcon-7B's true shape.

    python -m benchmarks.decode DATA [--parts one,many,…] [--shape tiny] [--quick]

DATA is the folder of prompts and tokenizer. Weights are random and made on the device. Parts:

    one       a request of 5 beams, 16 tokens read and 64 written: the engine and transformers
    many      8 to 128 such requests at once
    poisson   40 requests a second, with the lengths of real prompts: latencies
    nf4       4-bit weights: the engine and transformers with bitsandbytes
    int8      8-bit weights
    adapters  two adapters in one batch against one that is merged; a swap while others decode
    scores    how far log-probabilities move in bf16, int8 and NF4
    profile   a step's longest kernels, alone and at 128 requests
    product   the shipped decoding settings behind the worker's port
    cpu       the pocket model on two threads: the engine, transformers and CTranslate2

Prints a JSON line a row, and a table to standard error. Run `cpu` in a process of its own: it sets torch's threads.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from benchmarks.decode_adapters import measure_adapters
from benchmarks.decode_arrivals import measure_arrivals
from benchmarks.decode_models import Models, Row, Setting
from benchmarks.decode_pocket import measure_pocket
from benchmarks.decode_product import measure_product
from benchmarks.decode_profile import measure_profile
from benchmarks.decode_scores import measure_scores
from benchmarks.decode_speed import measure_int8, measure_many, measure_nf4, measure_one
from benchmarks.machine import describe_machine
from core.logs import configure_logs


@dataclass(frozen=True, slots=True)
class Part:
    """What yields a part's rows, each with its name; and the libraries that it measures beside torch."""

    measure: Callable[[Models], Iterator[tuple[str, Row]]]
    libraries: tuple[str, ...] = ()
    shape: str | None = None  # where it is not the setting's


PARTS = {
    "one": Part(measure_one),
    "many": Part(measure_many),
    "poisson": Part(measure_arrivals),
    "nf4": Part(measure_nf4, ("bitsandbytes",)),
    "int8": Part(measure_int8),
    "adapters": Part(measure_adapters),
    "scores": Part(measure_scores, ("bitsandbytes",)),
    "profile": Part(measure_profile),
    "product": Part(measure_product),
    "cpu": Part(measure_pocket, ("ctranslate2",), shape="pocket"),
}


def main() -> None:
    """Run the parts that were asked for, in their order."""
    arguments = _arguments()
    configure_logs(level="WARNING", form="json")  # standard output is for the rows
    setting = Setting(
        shape=arguments.shape,
        data=arguments.data,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        is_quick=arguments.quick,
    )
    models, machine = Models(setting), describe_machine()
    for name in arguments.parts:
        shape = PARTS[name].shape or setting.shape
        common: Row = {"shape": shape, "machine": machine, "versions": _versions(PARTS[name], setting)}
        rows = []
        started = time.monotonic()
        for what, row in _rows(name, models):
            rows.append((what, row))
            print(json.dumps({"benchmark": "decode", "part": name, "what": what, **row, **common}), flush=True)
        title = f"{name}, {shape} on {setting.device.type}, {time.monotonic() - started:.1f} s"
        print(render_table(title, rows), file=sys.stderr, flush=True)


def _rows(name: str, models: Models) -> Iterator[tuple[str, Row]]:
    """Yield a part's rows; where it breaks off, the last one says why."""
    try:
        yield from PARTS[name].measure(models)
        return
    except Exception as error:  # the other parts still have their time
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"[:300]
    models.release()  # only here is the error, with what it holds, gone
    yield "failed", {"error": message}


def _versions(part: Part, setting: Setting) -> dict[str, str]:
    found = {}
    for name in ("torch", "transformers", *part.libraries, *(("triton",) if setting.device.type == "cuda" else ())):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def render_table(title: str, rows: Sequence[tuple[str, Row]]) -> str:
    """Return rows as text with a column for each of their keys."""
    columns = list(dict.fromkeys(key for _, row in rows for key in row))
    cells = [["", *columns], *([what, *(_cell(row.get(key)) for key in columns)] for what, row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]
    return "\n".join(["", title, *lines])


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _parts(text: str) -> list[str]:
    names = list(PARTS) if text == "all" else text.split(",")
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is no part; choose from {', '.join(PARTS)}")
    return names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", type=_parts, default="all", help="comma list, or all")
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    parser.add_argument(
        "--quick", action="store_true", help="few tokens, requests and repeats: only shows that it works"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
