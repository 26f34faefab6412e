"""Does it learn? Simulated people with a hidden taste vote through the API of a real `mjprompt run`.

    python -m benchmarks.learning [--part tastes|attackers|refusals|kills|latency] [--taste light]

Parts (several may be named; `tastes` without any):
  tastes     three cycles of 300 votes for each taste: liked share on subjects that nobody was ever asked about
  attackers  the same with 20 % of the votes from three accounts, which vote the opposite or push a phrase
  refusals   votes of pure noise, flipped votes, adapters spoiled on purpose: the gate has to refuse each
  kills      kill -9 at random moments of a cycle: it ends as an undisturbed one does, every request is answered
  latency    requests at a steady pace before and during a training and around the swap

Prints JSON lines. Exits with 1 when a figure misses what issue 6 asks for.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

from benchmarks import learning_attackers, learning_kills, learning_latency, learning_refusals, learning_tastes
from benchmarks.learning_course import Row
from benchmarks.learning_people import Refused
from benchmarks.learning_scenario import SUBJECTS_FILE, Scenario, divide, read_subjects
from benchmarks.learning_settings import Part, Setting
from benchmarks.machine import describe_machine
from benchmarks.raters import TASTES

PARTS: Mapping[str, Part] = {
    "tastes": learning_tastes.measure,
    "attackers": learning_attackers.measure,
    "refusals": learning_refusals.measure,
    "kills": learning_kills.measure,
    "latency": learning_latency.measure,
}


def main() -> int:
    """Measure, print, and judge."""
    arguments = _arguments()
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mjprompt-learning-") as scratch:
        setting = _setting(arguments, Path(arguments.folder or scratch).resolve())
        for name in arguments.part or ["tastes"]:
            problems += _problems_of(name, setting)
    print(json.dumps({"benchmark": "learning", "problems": problems}), flush=True)
    return 1 if problems else 0


def _problems_of(part: str, setting: Setting) -> list[str]:
    """Measure one part, and return what it missed; the other parts go on where it breaks off."""
    try:
        return asyncio.run(PARTS[part](setting, _reporter(part, setting)))
    except (RuntimeError, TimeoutError, Refused, aiohttp.ClientError, ExceptionGroup) as error:
        return [f"{part} broke off: {type(error).__name__}: {error}"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=sorted(PARTS), action="append")
    parser.add_argument("--taste", choices=[taste.name for taste in TASTES], action="append", help="all of them")
    parser.add_argument("--cycles", type=int, default=3)
    parser.add_argument("--votes", type=int, default=300, help="before each cycle")
    parser.add_argument("--held-out", type=int, default=60, help="subjects that only measure")
    parser.add_argument("--subjects", type=Path, default=SUBJECTS_FILE, help="a text file, one a line")
    parser.add_argument("--trials", type=int, default=20, help="of each kind of refusal")
    parser.add_argument("--kind", choices=learning_refusals.KINDS, action="append", help="of refusal; all of them")
    parser.add_argument("--attack", choices=sorted(learning_attackers.ATTACKS), action="append", help="all of them")
    parser.add_argument("--clean-gain", type=float, help="points without attackers, where they were measured before")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial, so that several runs add up")
    parser.add_argument("--pace", type=float, default=0.5, help="requests a second")
    parser.add_argument("--folder", type=Path, help="where databases and logs stay; without it they are deleted")
    parser.add_argument("--smoke", action="store_true", help="lower thresholds, to see that the parts fit together")
    return parser.parse_args()


def _setting(arguments: argparse.Namespace, folder: Path) -> Setting:
    asked, held_out = divide(read_subjects(arguments.subjects), num_held_out=arguments.held_out)
    scenario = Scenario(
        asked=asked,
        held_out=held_out,
        num_cycles=arguments.cycles,
        num_votes=arguments.votes,
        is_smoke=arguments.smoke,
    )
    return Setting(
        scenario=scenario,
        folder=folder,
        tastes=tuple(taste for taste in TASTES if not arguments.taste or taste.name in arguments.taste),
        num_trials=arguments.trials,
        num_kills=arguments.kills,
        first_trial=arguments.first,
        refusals=tuple(arguments.kind or learning_refusals.KINDS),
        clean_gain_points=arguments.clean_gain,
        attacks=tuple(arguments.attack or learning_attackers.ATTACKS),
        requests_per_second=arguments.pace,
    )


def _reporter(part: str, setting: Setting) -> Callable[[Row], None]:
    common = {"benchmark": "learning", "part": part, "is_smoke": setting.scenario.is_smoke}
    machine = describe_machine()

    def report(row: Row) -> None:
        print(json.dumps({**common, **row, "machine": machine}), flush=True)

    return report


if __name__ == "__main__":
    sys.exit(main())
