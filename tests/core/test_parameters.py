"""How typed text is read and rendered, and what is left of a model's output."""

import pytest

from core.parameters import (
    Parameter,
    Prompt,
    creative_only,
    effective_version,
    keep_valid,
    merge,
    parse,
    render,
    render_parameters,
    validate,
)

VERSION = "8.2"


@pytest.mark.parametrize(
    ("typed", "rendered"),
    [
        # The order is the table's, names are short, `--no` ends the prompt.
        (
            "a cat --no text, blur --v 7 --s 250 --chaos 10 --aspect 16:9",
            "a cat --ar 16:9 --c 10 --s 250 --v 7 --no text, blur",
        ),
        ("a  cat\n--AR\t16:9", "a cat --ar 16:9"),
        # Dashes of any kind in front of a name.
        ("a cat —ar 16:9 –s 50 −−c 5 ---tile", "a cat --ar 16:9 --c 5 --s 50 --tile"),
        ("a cat --no a—hd", "a cat --hd --no a"),
        # Glued to a word or apart from the name, where a number follows.
        ("a cat--ar 16:9", "a cat --ar 16:9"),
        ("a cat—ar16:9", "a cat --ar 16:9"),
        ("a cat,--w1920--h1080--hd", "a cat, --ar 16:9 --hd"),
        ("a cat — ar 16:9 -- hd", "a cat --ar 16:9 --hd"),
        ("a cat，--ar 9：9", "a cat， --ar 9:9"),
        # Dashes that belong to the text.
        ("state--of--the--art radio", "state--of--the--art radio"),
        ("night—no moon", "night—no moon"),
        ("a cat -- asleep", "a cat -- asleep"),
        ("ink - wash - paper", "ink - wash - paper"),
        ("-ar 16:9", "-ar 16:9"),
        # One of each, the last wins.
        ("a cat --ar 1:1 --ar 16:9 --aspect 4:5", "a cat --ar 4:5"),
        ("a cat --no dog --no man", "a cat --no dog, man"),
        ("a cat --sref 1 2 random", "a cat --sref 1 2 random"),
        # Values in one spelling.
        ("a cat --c 007 --q .50 --v 6.0 --ar 016 : 09", "a cat --ar 16:9 --c 7 --q 0.5 --v 6"),
        ("a cat --c -5", "a cat --c -5"),
        ("a cat --no a , b,, c. --tile,", "a cat --tile --no a, b, c"),
        ("a cat --ar=16:9 --s:50 --v8.2", "a cat --ar 16:9 --s 50 --v 8.2"),
        ("a cat --sref RANDOM --motion LOW", "a cat --sref random --motion low"),
        # What stays for the rules to refuse.
        ("a cat --Foo-Bar x Y", "a cat --foo-bar x Y"),
        ("a cat --ar 16:9 a dog", "a cat --ar 16:9 a dog"),
        ("--ar 4:5 a fox", "--ar 4:5 a fox"),
        ("a cat --tile - --ar", "a cat --ar --tile"),
        # Retired and legacy.
        ("a cat --style raw", "a cat --raw"),
        ("a cat --style Raw --style cute", "a cat --raw --style cute"),
        ("a cat --w 6000 --h 3000 --uplight", "a cat --ar 2:1 --uplight"),
        ("a cat --height 720px --width 1280px", "a cat --ar 16:9"),
        ("a cat --h 300", "a cat --height 300"),
        ("a cat --w 300", "a cat --w 300"),
        ("a cat --w 0 --h 300", "a cat --w 0 --height 300"),
        ("a cat --ar 1:1 --w 20 --h 30", "a cat --ar 1:1"),
        # Permutations and weights.
        ("a {red, blue} cat --ar {16:9, 1:1}", "a {red, blue} cat --ar {16:9, 1:1}"),
        ("a cat {--ar 1:1, --s 5} --c 5", "a cat {--ar 1:1, --s 5} --c 5"),
        ("a cat --s{1, 2}", "a cat --s {1, 2}"),
        ("a } cat --s 5 } { --foo {", "a } cat --s 5 --foo"),
        ("hot ::2 dog :: -1", "hot::2 dog:: -1"),
        ("", ""),
    ],
)
def test_typed_text_is_rendered_in_its_canonical_form(typed: str, rendered: str) -> None:
    assert render(parse(typed)) == rendered
    assert parse(rendered) == parse(typed)


def test_prompt_is_taken_apart_under_full_names() -> None:
    prompt = parse("https://a.example/b.png a cat --ar 16:9 --no text, blur --tile")
    assert prompt == Prompt(
        images=("https://a.example/b.png",),
        text="a cat",
        parameters=(
            Parameter("aspect", ("16:9",)),
            Parameter("tile"),
            Parameter("no", ("text", "blur")),
        ),
    )
    assert render_parameters(prompt) == "--ar 16:9 --tile --no text, blur"
    assert prompt.parameter("seed") is None


@pytest.mark.parametrize(
    ("typed", "images", "text"),
    [
        ("https://a.example/b.png a cat", ["https://a.example/b.png"], "a cat"),
        ("<https://a.example/b.JPEG>, a cat", ["https://a.example/b.JPEG"], "a cat"),
        (
            "http://a.example/b.gif?x=1&y=2 https://a.example/c.webp",
            ["http://a.example/b.gif?x=1&y=2", "https://a.example/c.webp"],
            "",
        ),
        ("https://s.mj.run/Ab-_1 a cat", ["https://s.mj.run/Ab-_1"], "a cat"),
        ("https://a.example/my--s5.jpg a cat", ["https://a.example/my--s5.jpg"], "a cat"),
        ("a cat https://a.example/b.png", [], "a cat https://a.example/b.png"),
        ("https://a.example/b.pdf a cat", [], "https://a.example/b.pdf a cat"),
    ],
)
def test_only_leading_image_links_are_images(typed: str, images: list[str], text: str) -> None:
    prompt = parse(typed)
    assert (list(prompt.images), prompt.text) == (images, text)


def test_dashes_within_a_link_open_no_parameter() -> None:
    assert parse("a cat --sref https://a.example/my--s5--tile.png").parameters == (
        Parameter("sref", ("https://a.example/my--s5--tile.png",)),
    )


@pytest.mark.parametrize(
    "text", ["\ud800", "--\udfff", "{" * 3000, "--a" * 3000, "-" * 3000, "\0--ar\0", "--c " + "9" * 9999]
)
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert parse(render(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a cat --ar 16:9 --chaos 250 --s 50", "a cat --ar 16:9 --s 50"),
        ("a cat --foo 3 --uplight --q 2 --tile", "a cat --tile"),
        ("a cat --ar 16:9 a dog --tile seamless", "a cat --ar 16:9 --tile"),
        ("a cat --hd --sd", "a cat --hd"),
        ("a cat --hd --ar 20:9 --c 5", "a cat --ar 20:9 --c 5 --hd"),
        ("a cat --hd --ar 9:1", "a cat --ar 9:1"),
        ("a cat --w 3000 --h 2000 --no-blur --ar 16:9", "a cat --ar 16:9"),
        ("a cat --sw 50 --iw 2", "a cat"),
        ("a cat --sw 50 --sref 123", "a cat --sref 123 --sw 50"),
        ("a cat --v 7 --q 4", "a cat --q 4 --v 7"),
        ("a cat --v 9 --q 4", "a cat"),
        ("a cat --v 6.1 --niji 6", "a cat --v 6.1"),
        ("hot::2 dog::1 rain::-1 --s 5", "hot, dog --s 5"),
        ("hot::2 dog::1 --v 6.1", "hot::2 dog::1 --v 6.1"),
        ("hot::-2 dog::1 --v 6.1", "dog --v 6.1"),
        ("x::--foo", "x, foo"),
        ("a {red, blue} cat --ar {16:9, 1:1}", "a red cat --ar 16:9"),
        ("a " + "{b, c}" * 9, "a " + " ".join(["b, c"] * 9)),
        ("--ar 16:9", "--ar 16:9"),
    ],
)
def test_only_what_the_version_takes_is_kept(written: str, kept: str) -> None:
    assert render(keep_valid(parse(written), VERSION)) == kept


def test_an_unknown_version_keeps_no_parameter_and_raises_nothing() -> None:
    assert render(keep_valid(parse("a cat --ar 16:9"), "9")) == "a cat"


def test_words_behind_a_style_leave_the_raw_flag() -> None:
    assert render(keep_valid(parse("a cat --style raw film"), VERSION)) == "a cat --raw"


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("https://a.example/b.png a cat --iw 2 --s 50", "a cat --s 50"),
        (
            "a cat --seed 1 --repeat 4 --fast --relax --turbo --stealth --public --video --p x --sref 1 --v 7 --hd",
            "a cat",
        ),
        (
            "a cat --ar 1:1 --c 5 --s 5 --w 5 --exp 5 --raw --tile --q 1 --no text",
            "a cat --ar 1:1 --c 5 --s 5 --w 5 --exp 5 --raw --tile --no text",
        ),
        ("a cat by <@123> and @everyone, see https://a.example/x?y=--s5 `now`", "a cat by and , see now"),
        ("a\u202e cat\u200b \ud800--no x\0y", "a cat --no xy"),
        ("a cat --no x `--`seed 5", "a cat --no x"),
    ],
)
def test_a_model_adds_only_text_and_creative_parameters(written: str, left: str) -> None:
    assert render(creative_only(parse(written))) == left


@pytest.mark.parametrize(
    ("user", "model", "merged"),
    [
        ("a cat --ar 1:1", "a cat, moody --ar 16:9 --s 50", "a cat, moody --ar 1:1 --s 50"),
        ("a cat --hd", "a cat, moody --ar 20:9 --s 50", "a cat, moody --ar 20:9 --s 50 --hd"),
        ("a cat --hd", "a cat, moody --ar 9:1 --s 50", "a cat, moody --s 50 --hd"),
        ("a cat --v 6.1", "a cat::2 moody --q 2 --exp 5", "a cat::2 moody --v 6.1"),
        ("a cat --niji 6", "a cat, moody --tile --raw", "a cat, moody --raw --niji 6"),
        (
            "a cat --oref https://a.example/b.png --v 7",
            "a cat --q 4 --c 5",
            "a cat --c 5 --oref https://a.example/b.png --v 7",
        ),
        (
            "https://a.example/b.png a cat --iw 2",
            "https://c.example/d.png a cat, moody --seed 5",
            "https://a.example/b.png a cat, moody --iw 2",
        ),
        ("a cat --no dog", "a cat, moody --no text, blur", "a cat, moody --no dog"),
        ("a cat", "--s 50", "a cat --s 50"),
        ("a cat", "a cat::2 moody {x, y} --uplight --chaos 101", "a cat, moody x"),
    ],
)
def test_the_persons_parameters_win_and_the_result_is_valid(user: str, model: str, merged: str) -> None:
    result = merge(parse(user), parse(model), VERSION)
    assert render(result) == merged
    assert validate(result, VERSION) == ()


def test_a_prompts_own_version_is_the_one_that_counts() -> None:
    assert effective_version(parse("a cat"), "v8.2") == "8.2"
    assert effective_version(parse("a cat --v 6.1"), VERSION) == "6.1"
    assert effective_version(parse("a cat --niji 7"), VERSION) == "niji 7"
    assert effective_version(parse("a cat --v 9"), VERSION) == "8.2"
    assert effective_version(parse("a cat"), "9") is None
