"""The one rendering of a subject and its answer."""

from core.settings import PROJECT_ROOT
from falcon.template import render_answer, render_opening, render_question

PACKAGES = ("app", "bot", "core", "falcon", "storage", "trainer", "worker")


def test_question_and_answer_make_one_document_that_ends_with_end_of_sequence() -> None:
    document = render_question("a boy") + render_answer("a boy in the snow --ar 3:2", "<end>")
    assert document == "<human>: midjourney prompt for a boy\n<assistant>: a boy in the snow --ar 3:2<end>"


def test_what_decoding_continues_is_the_beginning_of_what_training_shows() -> None:
    subject, prompt = "a boy", "a boy in the snow"
    trained = render_question(subject) + render_answer(prompt, "<end>")
    assert trained.startswith(render_question(subject) + render_opening(subject))


def test_question_ends_without_a_space_since_the_answer_brings_one() -> None:
    assert not render_question("a boy")[-1].isspace()
    assert render_answer("x", "").startswith(" ")
    assert render_opening("x").startswith(" ")


def test_braces_of_a_subject_stay_as_they_are() -> None:
    assert "{subject} {0}" in render_question("{subject} {0}")


def test_template_text_stands_in_one_module_only() -> None:
    files = [file for package in PACKAGES for file in (PROJECT_ROOT / package).rglob("*.py")]
    holders = [
        file.relative_to(PROJECT_ROOT).as_posix()
        for file in files
        if "midjourney prompt for" in (text := file.read_text(encoding="utf-8")) or "<human>" in text
    ]
    assert holders == ["falcon/template.py"]
    assert len(files) >= 60
