"""The curves of the learning benchmark as a picture: liked share on held-out ideas after each cycle.

    python -m benchmarks.learning_curve [--results FILE] [--output FILE]

Reads the rows that `python -m benchmarks.learning` printed and writes SVG; equal rows give equal bytes. Courses without
attackers and with them stand in a panel each. It measures nothing and judges nothing.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.learning_attackers import ATTACKS
from core.cycles import CycleState
from core.settings import PROJECT_ROOT

RESULTS = PROJECT_ROOT / "benchmarks" / "results" / "learning.jsonl"
PICTURE = PROJECT_ROOT / "docs" / "learning-curve.svg"
TITLES: Mapping[str, str] = {
    "tastes": "Liked share, all votes honest",
    "attackers": "Liked share, a fifth of the votes from attackers",
}
COLOURS = ("#2563eb", "#c2410c", "#0f766e", "#7c3aed", "#a16207", "#be185d")
DASHES: Mapping[str, str] = {"opposite": "7 4", "phrase": "2 4"}
INK, FAINT = "#24292f", "#d0d7de"

WIDTH, HEIGHT = 460, 330  # of a panel's axes, in pixels, as is all that follows
LEFT, TOP, BOTTOM, RIGHT = 64, 44, 84, 150  # around them; labels of courses stand on the right
LABEL_GAP = 16.0
MARK_RADIUS = 5
TICK_SHARE = 0.2

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The liked share (0 to 1) after a cycle, which ended in `state`; None at the start, which counts as cycle 0."""

    cycle: int
    liked: float
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The cycles of one crowd; `attack` is how a part of it means harm, None where nobody does."""

    part: str
    name: str
    taste: str
    attack: str | None
    points: tuple[Point, ...]

    @property
    def label(self) -> str:
        """Return what stands at the end of its curve."""
        words = self.taste if self.attack is None else f"{self.taste}, {self.attack}"
        return f"{words} {100 * self.points[-1].liked:.0f} %"


def read_courses(rows: Iterable[Row]) -> list[Course]:
    """Return the courses of the benchmark's rows, in the order of their names; smoke runs and other rows are left out.

    A row of a cycle that a course has had already begins it anew, as where the benchmark was run again.
    """
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if "course" not in row or "cycle" not in row or row.get("is_smoke"):
            continue
        course = found.setdefault((row["part"], row["course"]), [])
        course[:] = [before for before in course if before["cycle"] < row["cycle"]]
        course.append(row)
    return [_course(part, name, course) for (part, name), course in sorted(found.items())]


def draw(courses: Sequence[Course]) -> str:
    """Return the picture as SVG; a part without a course has no panel."""
    parts = [part for part in TITLES if any(course.part == part for course in courses)]
    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    tastes = sorted({course.taste for course in courses})
    colours = {taste: COLOURS[place % len(COLOURS)] for place, taste in enumerate(tastes)}
    panels = [
        _panel(TITLES[part], [course for course in courses if course.part == part], colours, left=place * width)
        for place, part in enumerate(parts)
    ]
    size = f'width="{width * len(parts)}" height="{height}" viewBox="0 0 {width * len(parts)} {height}"'
    look = f'font-family="Inter, Helvetica, Arial, sans-serif" font-size="13" fill="{INK}"'
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {look}>', ground, *panels, "</svg>\n"])


def _course(part: str, name: str, rows: Sequence[Row]) -> Course:
    start = Point(cycle=0, liked=rows[0]["liked_at_start"])
    ends = (Point(cycle=row["cycle"], liked=row["liked"], state=row["state"]) for row in rows)
    attack = next((kind for kind in ATTACKS if name.startswith(f"{kind}-")), None)
    return Course(part=part, name=name, taste=rows[0]["taste"], attack=attack, points=(start, *ends))


def _panel(title: str, courses: Sequence[Course], colours: Mapping[str, str], *, left: int) -> str:
    last = max(course.points[-1].cycle for course in courses)
    ticks = [place * TICK_SHARE for place in range(round(1 / TICK_SHARE) + 1)]
    lines = [
        *(f'<path d="M0 {_y(share):g}H{WIDTH}" stroke="{FAINT}"/>' for share in ticks),
        *(_text(f"{100 * share:.0f} %", x=-10, y=_y(share) + 4, anchor="end") for share in ticks),
        *(_text(str(cycle), x=_x(cycle, last), y=HEIGHT + 22, anchor="middle") for cycle in range(last + 1)),
        _text(title, x=0, y=-18, weight=600),
        _text("cycles of learning", x=WIDTH / 2, y=HEIGHT + 44, anchor="middle"),
        *_legend(),
        *(_curve(course, colours[course.taste], last) for course in courses),
        *_labels(courses, colours),
    ]
    return "\n".join([f'<g transform="translate({left + LEFT} {TOP})">', *lines, "</g>"])


def _curve(course: Course, colour: str, last: int) -> str:
    places = [(_x(point.cycle, last), _y(point.liked)) for point in course.points]
    path = "L".join(f"{x:g} {y:g}" for x, y in places)
    dashes = "" if course.attack is None else f' stroke-dasharray="{DASHES[course.attack]}"'
    marks = [
        _mark(x, y, colour, is_promoted=point.state == CycleState.PROMOTED)
        for (x, y), point in zip(places, course.points, strict=True)
        if point.state is not None
    ]
    return "".join([f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>', *marks])


def _mark(x: float, y: float, colour: str, *, is_promoted: bool) -> str:
    fill = colour if is_promoted else "#ffffff"
    return f'<circle cx="{x:g}" cy="{y:g}" r="{MARK_RADIUS}" fill="{fill}" stroke="{colour}" stroke-width="2"/>'


def _legend() -> list[str]:
    """Return what filled and hollow marks mean, below the axis."""
    y = HEIGHT + 68
    return [
        _mark(8, y - 4, INK, is_promoted=True),
        _text("promoted", x=20, y=y),
        _mark(108, y - 4, INK, is_promoted=False),
        _text("not promoted: its gate or its canary said no", x=120, y=y),
    ]


def _labels(courses: Sequence[Course], colours: Mapping[str, str]) -> list[str]:
    """Return the name of each course beside its end, moved apart where ends are close to each other."""
    labels, lowest = [], float("-inf")
    for course in sorted(courses, key=lambda course: _y(course.points[-1].liked)):
        lowest = max(_y(course.points[-1].liked) + 4, lowest + LABEL_GAP)
        labels.append(_text(course.label, x=WIDTH + 14, y=lowest, colour=colours[course.taste]))
    return labels


def _text(words: str, *, x: float, y: float, anchor: str = "start", weight: int = 400, colour: str = INK) -> str:
    look = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(words)}</text>'


def _x(cycle: int, last: int) -> float:
    return round(WIDTH * cycle / last, 1)


def _y(share: float) -> float:
    return round(HEIGHT * (1 - share), 1)


def main() -> int:
    """Draw the picture anew, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--output", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    courses = read_courses(map(json.loads, arguments.results.read_text(encoding="utf-8").splitlines()))
    if not courses:
        print(f"{arguments.results} has no course to draw; run `python -m benchmarks.learning` first.", file=sys.stderr)
        return 1
    arguments.output.write_text(draw(courses), encoding="utf-8")
    print(f"drew {len(courses)} courses into {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
