"""The learning benchmark's part about refusals: what must never serve is stopped before anybody sees it.

Each trial is a cycle of its own over the same answers, whose votes are changed or whose training is spoiled. A cycle
that gets as far as its canary was not refused; it is cancelled.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from benchmarks import learning_measures as measures
from benchmarks.learning_chat import Chat
from benchmarks.learning_course import Row
from benchmarks.learning_people import Person
from benchmarks.learning_product import Product
from benchmarks.learning_settings import Setting, begun
from benchmarks.learning_spoiling import spoil_next
from benchmarks.raters import RANDOM_NOISE, Opposite, Rater, crowd
from core.cycles import CycleState, CycleView

NOISE, FLIPPED, SPOILED = KINDS = ("noise", "flipped", "spoiled")


async def measure(setting: Setting, report: Callable[[Row], None]) -> list[str]:
    """Try each kind of harm so many times; return which trials were not refused by the gate."""
    problems = []
    for kind in setting.refusals:
        try:
            outcomes = await _try(kind, setting, report)
        except RuntimeError as error:
            problems.append(f"{kind}: {error}")
            continue
        counts = Counter(outcomes)
        report({"kind": kind, "trials": setting.num_trials, "outcomes": dict(counts)})
        if counts["gate"] != setting.num_trials:
            problems.append(f"{kind}: the gate refused {counts['gate']} of {setting.num_trials}: {dict(counts)}")
    return problems


async def _try(kind: str, setting: Setting, report: Callable[[Row], None]) -> list[str]:
    """Carry the trials of one kind out, and return who refused each."""
    outcomes = []
    async with begun(setting, kind, crowd(setting.tastes[0])) as (product, chat):
        await chat.agree()
        await chat.ask_and_vote(setting.scenario.num_asks())
        if kind == FLIPPED:
            await _learn_honestly(chat, setting)
        for number in range(setting.first_trial, setting.first_trial + setting.num_trials):
            cycle = await _trial(kind, number, setting, product, chat)
            report(_row(kind, number, cycle))
            outcomes.append(outcome_of(cycle))
    return outcomes


async def _learn_honestly(chat: Chat, setting: Setting) -> None:
    """Let an adapter serve that learned honest votes, and gather as many more votes, to be flipped.

    Raises:
        RuntimeError: honest votes were refused, so that nothing can be said about flipped ones.
    """
    await chat.start_cycle()
    cycle = await chat.follow()
    if cycle["state"] != CycleState.PROMOTED:
        raise RuntimeError(f"the honest cycle is {cycle['state']}: {cycle['reason']}")
    await chat.await_serving(cycle["adapter"])
    await chat.ask_and_vote(setting.scenario.num_asks())


async def _trial(kind: str, number: int, setting: Setting, product: Product, chat: Chat) -> CycleView:
    """Carry one spoiled cycle out, and return how it ended."""
    if kind != SPOILED:
        asked = chat.asked[-setting.scenario.num_asks() :] if kind == FLIPPED else chat.asked
        await chat.vote_anew(asked, lambda person, _: harmful(kind, person, seed=number))
    await chat.start_cycle()
    if kind == SPOILED:
        await spoil_next(product, number=number)
    await chat.follow(in_canary=lambda _: chat.cancel_cycle())
    return await product.latest_cycle()


def _row(kind: str, number: int, cycle: CycleView) -> Row:
    return {
        "kind": kind,
        "trial": number,
        "outcome": outcome_of(cycle),
        "reason": cycle.reason,
        "gate": measures.gate_figures(cycle.gate),
        "seconds": measures.seconds_by_state(cycle.history),
    }


def harmful(kind: str, person: Person, *, seed: int) -> Rater:
    """Return how a person votes in a trial: at random, or against their own taste."""
    if kind == NOISE:
        return replace(person.rater, noise=RANDOM_NOISE, seed=seed + 1)
    return replace(person.rater, taste=Opposite(person.rater.taste), seed=seed + 1)


def outcome_of(cycle: CycleView) -> str:
    """Say who refused a cycle: the gate, the training or the votes themselves (failed), or nobody."""
    if measures.is_refused_by_gate(cycle):
        return "gate"
    return "failed" if cycle.state is CycleState.FAILED else "nobody"
