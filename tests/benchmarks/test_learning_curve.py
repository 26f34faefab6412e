"""The learning curve: which rows make which course, and what is drawn of them."""

import itertools
from xml.etree import ElementTree

import pytest

from benchmarks.learning_attackers import ATTACKS
from benchmarks.learning_curve import DASHES, Row, draw, read_courses
from core.cycles import CycleState

SVG = "{http://www.w3.org/2000/svg}"


def row(cycle: int, liked: float, *, course: str = "taste-short", part: str = "tastes", **changes: object) -> Row:
    return {
        "part": part,
        "course": course,
        "taste": "short",
        "is_smoke": False,
        "cycle": cycle,
        "liked_at_start": 0.2,
        "liked": liked,
        "state": "promoted",
        **changes,
    }


def drawn(*rows: Row) -> ElementTree.Element:
    return ElementTree.fromstring(draw(read_courses(rows)))


def texts(picture: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in picture.iter(f"{SVG}text")]


def test_course_begins_at_the_start_and_has_a_point_for_each_cycle() -> None:
    (course,) = read_courses([row(1, 0.45), row(2, 0.5, state="rejected")])
    assert [(point.cycle, point.liked, point.state) for point in course.points] == [
        (0, 0.2, None),
        (1, 0.45, CycleState.PROMOTED),
        (2, 0.5, CycleState.REJECTED),
    ]
    assert course.label == "short 50 %"


def test_course_that_was_measured_again_replaces_what_there_was_of_it() -> None:
    (course,) = read_courses([row(1, 0.3), row(2, 0.4), row(3, 0.5), row(1, 0.6), row(2, 0.7)])
    assert [point.liked for point in course.points] == [0.2, 0.6, 0.7]


@pytest.mark.parametrize("other", [{"attack": "opposite", "part": "attackers"}, row(1, 0.9, is_smoke=True)])
def test_rows_that_are_no_cycle_of_a_full_run_are_left_out(other: Row) -> None:
    assert read_courses([other]) == []


def test_attacked_courses_have_a_panel_of_their_own_and_say_how_they_are_attacked() -> None:
    attacked = [row(1, 0.4, course=f"{kind}-short", part="attackers") for kind in ATTACKS]
    found = texts(drawn(row(1, 0.45), *attacked))
    assert {"Liked share, all votes honest", "Liked share, a fifth of the votes from attackers"} <= set(found)
    assert {"short 45 %", "short, opposite 40 %", "short, phrase 40 %"} <= set(found)
    assert set(DASHES) == set(ATTACKS)


def test_mark_is_filled_where_a_cycle_was_promoted_and_hollow_elsewhere() -> None:
    picture = drawn(row(1, 0.45), row(2, 0.45, state="rejected"))
    marks = [each.get("fill") for each in picture.iter(f"{SVG}circle") if float(each.get("cx", "0")) > 200]
    assert len(marks) == 2
    assert [fill == "#ffffff" for fill in marks] == [False, True]


def test_labels_of_courses_that_end_alike_stand_apart() -> None:
    courses = [row(1, 0.5, course=f"taste-{name}", taste=name) for name in ("light", "plain", "wide")]
    heights = sorted(
        float(each.get("y", "0")) for each in drawn(*courses).iter(f"{SVG}text") if (each.text or "").endswith(" 50 %")
    )
    assert len(heights) == 3
    assert all(below - above >= 13 for above, below in itertools.pairwise(heights))
