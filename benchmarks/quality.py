"""Measure what people see, on validation subjects that no training text held.

    python -m benchmarks.quality DATA [--count 200] [--model FOLDER] [--show 5]

DATA is the folder of raw prompt files. Subjects are the validation side of the Midjourney prompts, split as
`mjprompt pretrain` splits them. Prints one JSON line; `--show` prints some answers on standard error.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from pathlib import Path

from benchmarks.machine import describe_machine
from core.parameters import parse, validate
from core.records import CandidateDraft
from core.settings import load_settings
from falcon.generator import GenerationRequest, Generator
from falcon.selection import content_words, has_repeated_ngram, jaccard_distance
from falcon.serving import load_generator
from trainer.cleaning import NameFinder, name_key
from trainer.pretraining.corpus import midjourney_sides, read_artist_names

VERSION = "8.2"


def main() -> None:
    """Answer every subject and print the figures."""
    arguments = _arguments()
    data = Path(arguments.data)
    names = NameFinder(read_artist_names(data))
    subjects = validation_subjects(data, arguments.count)
    settings = load_settings(model_id=str(arguments.model)) if arguments.model else load_settings()
    generator = load_generator(settings)
    answers, seconds = [], []
    for number, subject in enumerate(subjects):
        started = time.monotonic()
        answers.append(ask(generator, subject))
        seconds.append(time.monotonic() - started)
        if number < arguments.show:
            print(subject, *(f"    {candidate.text}" for candidate in answers[-1]), sep="\n", file=sys.stderr)
    row = {"benchmark": "quality", **describe_machine(), "model": generator.info.base}
    row |= {"precision": generator.info.precision, "subjects": len(subjects)}
    print(json.dumps(row | figures(subjects, answers, names, seconds)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--show", type=int, default=0)
    return parser.parse_args()


def validation_subjects(data: Path, count: int) -> list[str]:
    """Return the first `count` distinct subjects of the validation side."""
    _, validation = midjourney_sides(data, NameFinder(read_artist_names(data)), version=VERSION)
    return list(dict.fromkeys(pairs[-1].subject for pairs in validation))[:count]


def ask(generator: Generator, subject: str) -> tuple[CandidateDraft, ...]:
    """Return the four candidates of one subject."""
    request = GenerationRequest(
        id=subject,
        subject=subject,
        parameters="",
        images=(),
        midjourney_version=VERSION,
        num_candidates=4,
        is_cancelled=lambda: False,
    )
    return generator.generate([request])[0].candidates


def figures(
    subjects: list[str], answers: list[tuple[CandidateDraft, ...]], names: NameFinder, seconds: list[float]
) -> dict[str, object]:
    """Return shares over all candidates (0 to 1), the mean distance within a request, and seconds."""
    rows = [(subject, candidate) for subject, found in zip(subjects, answers, strict=True) for candidate in found]
    texts = [candidate.text for _, candidate in rows]
    distances = [
        statistics.mean(
            jaccard_distance(content_words(left.text), content_words(right.text))
            for left, right in itertools.combinations(found, 2)
        )
        for found in answers
    ]
    share = lambda flags: round(sum(flags) / len(rows), 4)  # noqa: E731
    return {
        "four_candidates": round(sum(len(found) == 4 for found in answers) / len(answers), 4),
        "subject_kept": share(text.startswith(subject) for (subject, _), text in zip(rows, texts, strict=True)),
        "parameters_valid": share(not validate(parse(text), VERSION) for text in texts),
        "with_parameters": share(bool(parse(text).parameters) for text in texts),
        "jaccard_distance_mean": round(statistics.mean(distances), 4),
        "jaccard_distance_p10": round(statistics.quantiles(distances, n=10)[0], 4),
        "ended_by_eos": share(candidate.is_ended for _, candidate in rows),
        "repeated_4gram": share(has_repeated_ngram(text) for text in texts),
        "listed_artist_name": share(
            names.find(text.replace(subject, " ")) is not None for subject, text in _pairs(rows)
        ),
        "words_median": statistics.median(len(text.split()) for text in texts),
        "distinct_openings": round(_distinct_openings(answers, subjects), 4),
        "seconds_p50": round(statistics.median(seconds), 3),
        "seconds_p95": round(statistics.quantiles(seconds, n=20)[-1], 3),
    }


def _pairs(rows: list[tuple[str, CandidateDraft]]) -> list[tuple[str, str]]:
    return [(subject, candidate.text) for subject, candidate in rows]


def _distinct_openings(answers: list[tuple[CandidateDraft, ...]], subjects: list[str]) -> float:
    """Return the mean share of candidates of a request whose first word after the subject is their own."""
    shares = []
    for subject, found in zip(subjects, answers, strict=True):
        firsts = [name_key(candidate.text[len(subject) :])[:1] for candidate in found]
        shares.append(len(set(firsts)) / max(1, len(firsts)))
    return statistics.mean(shares)


if __name__ == "__main__":
    main()
