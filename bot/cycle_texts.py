"""Learning in words: what the votes are enough for, how a cycle goes, and what a promotion came from; pure.

Every platform shows the same lines. It knows no rows and no markup.
"""

from collections.abc import Iterator, Mapping, Sequence

from bot.cards import SECONDS_A_MINUTE, Card, duration
from bot.catalog import Catalogs
from bot.cycle_planner import Outlook
from bot.cycle_status import CycleStatus
from bot.panels import Panel, PanelLine
from core.cycles import CycleState, Tally
from core.records import TrainingProgress

BAR_CELLS = 12
MAX_SUSPECTS = 5


def plan_panel(outlook: Outlook, catalogs: Catalogs, language: str) -> Panel:
    """Return what the votes of this moment are enough for."""
    texts = _Texts(catalogs, language)
    lines = [
        texts("votes", votes=outlook.num_votes, people=outlook.num_people, prompts=outlook.num_prompts),
        texts("rated", count=outlook.num_rated_prompts),
    ]
    if outlook.dropped:
        reasons = " · ".join(texts.dropped(reason, count) for reason, count in outlook.dropped.items())
        lines.append(texts("left_out", reasons=reasons))
    for suspect in outlook.suspects[:MAX_SUSPECTS]:
        lines.append(texts("suspect", rater=suspect.rater, count=suspect.num_votes, evidence=suspect.evidence))
    if outlook.missing is None:
        lines.append(texts("would_train", objective=outlook.objective, why=outlook.why))
    else:
        lines.append(texts("would_not_train", missing=outlook.missing))
    return Panel(title=texts("plan_title"), lines=_panel_lines(lines))


def status_panel(status: CycleStatus | None, catalogs: Catalogs, language: str) -> Panel:
    """Return how the present cycle goes, or how the last one ended; None before the first."""
    texts = _Texts(catalogs, language)
    lines = [texts("none")] if status is None else [_state(status, texts), *_details(status, texts)]
    return Panel(title=texts("title"), lines=_panel_lines(lines))


def cycle_card(status: CycleStatus, catalogs: Catalogs, language: str) -> Card:
    """Return the message that follows a cycle to its end."""
    texts = _Texts(catalogs, language)
    return Card(title=texts("title"), note=_state(status, texts), lines=tuple(_details(status, texts)))


def note_card(status: CycleStatus, catalogs: Catalogs, language: str) -> Card:
    """Return the message that says that a new adapter serves, and what it came from."""
    texts = _Texts(catalogs, language)
    lines = [texts("learned", votes=status.num_votes, people=status.num_people)]
    new, old = _share(status.challenger), _share(status.champion)
    if new is not None and old is not None:
        lines[0] = texts("learned_liked", votes=status.num_votes, people=status.num_people, new=new, old=old)
    return Card(title=texts("note_title"), lines=tuple(lines))


class _Texts:
    """The texts of one language below `cycle.`."""

    def __init__(self, catalogs: Catalogs, language: str) -> None:
        self.catalogs, self.language = catalogs, language

    def __call__(self, key: str, **values: object) -> str:
        return self.catalogs.text(self.language, f"cycle.{key}", **values)

    def dropped(self, reason: str, count: int) -> str:
        """Return why votes do not count; a reason of another version by its own name."""
        try:
            return self(f"dropped.{reason}", count=count)
        except KeyError:
            return f"{count} {reason}"

    def verdict(self, verdict: str) -> str:
        """Return the gate's word for a test; one of another version as it is."""
        try:
            return self(f"verdicts.{verdict}")
        except KeyError:
            return verdict


def _state(status: CycleStatus, texts: _Texts) -> str:
    cycle, minutes = status.cycle, status.num_waiting_minutes
    words = texts(f"states.{cycle.state}")
    if minutes:
        words = texts("waits", time=duration(minutes * SECONDS_A_MINUTE, texts.catalogs, texts.language))
    return f"{words} {texts('cancelling')}" if cycle.is_cancel_wanted and cycle.state.is_open else words


def _details(status: CycleStatus, texts: _Texts) -> Iterator[str]:
    """Yield what is known of a cycle, in the order in which it comes to be known."""
    cycle = status.cycle
    if votes := _votes(cycle.feedback, texts):
        yield votes
    if status.progress is not None:
        yield from _progress(status.progress, texts)
    yield from _gate(status.gate_rows, texts)
    yield from _canary(status, texts)
    if cycle.state is CycleState.PROMOTED and cycle.adapter is not None:
        yield texts("serves", adapter=cycle.adapter)
    if cycle.reason is not None:
        yield cycle.reason


def _votes(feedback: Mapping[str, object] | None, texts: _Texts) -> str | None:
    report = (feedback or {}).get("report")
    if not isinstance(report, Mapping):
        return None
    numbers = {name: report.get(f"num_{name}", 0) for name in ("votes", "people", "prompts")}
    return texts("votes", **numbers)


def _progress(progress: TrainingProgress, texts: _Texts) -> Iterator[str]:
    share = min(1.0, progress.step / max(1, progress.num_steps))
    cells = int(share * BAR_CELLS)
    bar = "▰" * cells + "▱" * (BAR_CELLS - cells)
    yield texts("progress", bar=bar, percent=int(100 * share), step=progress.step, steps=progress.num_steps)
    eta = duration(progress.eta_seconds, texts.catalogs, texts.language)
    yield texts("loss", loss=f"{progress.loss:.3f}", eta=eta)


def _gate(rows: Sequence[Sequence[str]], texts: _Texts) -> Iterator[str]:
    if rows:
        yield texts("gate")
    for label, champion, challenger, bound, verdict in rows:
        values = {"label": label, "champion": champion, "challenger": challenger, "bound": bound}
        yield texts("gate_row", verdict=texts.verdict(verdict), **values)


def _canary(status: CycleStatus, texts: _Texts) -> Iterator[str]:
    for key, tally in (("canary_new", status.challenger), ("canary_old", status.champion)):
        if tally is not None:
            share = _share(tally) or "–"  # noqa: RUF001 - a dash reads better than nothing
            yield texts(key, up=tally.num_up, down=tally.num_down, people=tally.num_raters, share=share)


def _share(tally: Tally | None) -> str | None:
    share = tally.liked_share if tally is not None else None
    return None if share is None else f"{100 * share:.0f} %"


def _panel_lines(lines: Sequence[str]) -> tuple[PanelLine, ...]:
    return tuple(PanelLine(text=line) for line in lines)
