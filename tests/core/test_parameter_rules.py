"""Every problem is one calm sentence with the parameter, the value, the range and the cure."""

import pytest

from core.errors import InvalidParameter
from core.midjourney_versions import ALL_VERSIONS
from core.parameters import parse, require_valid, validate

OLD_WEIGHTS = "they work in versions 1 to 6.1 and niji 4 to 6; write commas instead or use --v 6.1."

PROBLEMS = [
    ("a --chaos 250", "--chaos 250 is out of range: it takes 0 to 100; try --chaos 100."),
    ("a --c -5", "--chaos -5 is out of range: it takes 0 to 100; try --chaos 0."),
    ("a --c 12.5", "--chaos 12.5 is not a whole number: it takes 0 to 100; try --chaos 12."),
    ("a --s lots", "--stylize lots is not a whole number: it takes 0 to 1000; try --stylize 100."),
    ("a --w 3001", "--weird 3001 is out of range: it takes 0 to 3000; try --weird 3000."),
    ("a --seed 4294967296", "--seed 4294967296 is out of range: it takes 0 to 4294967295; try --seed 4294967295."),
    ("a --r 1", "--repeat 1 is out of range: it takes 2 to 40; try --repeat 2."),
    ("a --ar 15:1", "--aspect 15:1 is out of range: it takes 1:14 to 14:1; try --aspect 14:1."),
    ("a --ar 1:5 --hd", "--aspect 1:5 is out of range: it takes 1:4 to 4:1 with --hd; try --aspect 1:4."),
    ("a --ar 8.5:11", "--aspect 8.5:11 has a fraction: it takes whole numbers; try --aspect 17:22."),
    (
        "a --ar wide",
        "--aspect wide is not a ratio: it takes two whole numbers above 0 with a colon between; try --aspect 16:9.",
    ),
    (
        "a --ar 0:9",
        "--aspect 0:9 is not a ratio: it takes two whole numbers above 0 with a colon between; try --aspect 16:9.",
    ),
    ("a --ar", "--aspect has no value; try --aspect 16:9."),
    ("a --no", "--no has no value; try --no text, blur."),
    ("a --niji", "--niji has no value; try --niji 7."),
    ("a --ar 1:1 b c", "--aspect takes one value, but 'b c' follows it; write text in front of the parameters."),
    ("a --tile b", "--tile takes no value, but 'b' follows it; write text in front of the parameters."),
    ("a --foo 3", "--foo is not a Midjourney parameter; leave it out."),
    ("a --stylise 3", "--stylise is not a Midjourney parameter; use --stylize or leave it out."),
    ("a --no-blur", "--no-blur is not a Midjourney parameter; use --no or leave it out."),
    ("a --uplight", "--uplight is retired and no version of today takes it; leave it out."),
    ("a --h 300", "--height is retired and no version of today takes it; use --ar W:H instead."),
    ("a --sameseed 5", "--sameseed is retired and no version of today takes it; use --seed instead."),
    (
        "a --q 2",
        "--quality 2 does not work in version 8.2: it works in versions 1 to 7 and niji 4 to 7; leave it out "
        "or use --v 7.",
    ),
    ("a --draft", "--draft does not work in version 8.2: it works in version 7; leave it out or use --v 7."),
    (
        "a --cref https://a.example/b.png",
        "--cref https://a.example/b.png does not work in version 8.2: it works in versions 6 to 6.1 and niji "
        "6; leave it out or use --v 6.1.",
    ),
    (
        "a --tile --niji 6",
        "--tile does not work in niji 6: it works in versions 1 to 3 and 5 to 8.2; leave it out or use --v 8.2.",
    ),
    ("a --q 3 --v 7", "--quality 3 is not available in version 7: it takes 1, 2 or 4; try --quality 4."),
    (
        "a --v 9",
        "--version 9 is not available: it takes 1, 2, 3, 4, 5, 5.1, 5.2, 6, 6.1, 7, 8.1 or 8.2; try --version 8.2.",
    ),
    ("a --niji 3", "--niji 3 is not available: it takes 4, 5, 6 or 7; try --niji 4."),
    ("a --style 4z --v 4", "--style 4z is not available in version 4: it takes 4a, 4b or 4c; try --style 4c."),
    ("a --style a!b --v 5.2", "--style a!b is not a style code; leave it out."),
    ("a --iw 2", "--iw 2 needs an image link in front of the text; add that or leave --iw out."),
    ("https://a.example/b.png a --iw 2.5 --niji 7", "--iw 2.5 is out of range: it takes 0 to 2 in niji 7; try --iw 2."),
    ("https://a.example/b.png a --iw x", "--iw x is not a number: it takes 0 to 3; try --iw 1."),
    ("a --sw 5", "--sw 5 needs --sref; add that or leave --sw out."),
    ("a --loop", "--loop needs --video; add that or leave --loop out."),
    ("a --sref x", "--sref x is not a style: it takes https:// links, number codes or random; try --sref random."),
    (
        "a --sref 12::2",
        "--sref 12::2 has a weight, which version 8.2 does not take: weights work in versions 6 to 7 and "
        "niji 6 to 7; leave the weight out.",
    ),
    (
        "a --edit x",
        "--edit x is not a link: it takes https:// links to images; try --edit https://example.com/picture.png.",
    ),
    (
        "a --edit " + "https://a.example/b.png " * 5,
        "--edit takes at most 4 values, but 'https://a.example/b.png' follows it; write text in front of the "
        "parameters.",
    ),
    ("a --p a/b", "--profile a/b is not a code of letters and digits; leave the value out."),
    ("a --video --motion lo", "--motion lo is not available: it takes low or high; try --motion low."),
    ("a --hd --sd", "--hd and --sd exclude each other; keep only one of them."),
    ("a --v 7 --niji 6", "--version and --niji exclude each other; keep only one of them."),
    (
        "a --q 4 --oref https://a.example/b.png --v 7",
        "--oref and --quality 4 exclude each other; keep only one of them.",
    ),
    ("a --oref https://a.example/b.png --fast --v 7", "--oref and --fast exclude each other; keep only one of them."),
    ("a::2 b", f"Weights with :: in 'a::2 b' do not work in version 8.2: {OLD_WEIGHTS}"),
    ("a::1 b::-1 --v 6.1", "The weights in 'a::1 b::-1' must sum to more than 0; raise a positive one."),
    ("--ar 16:9", "The prompt has no text; write what the picture should show in front of the parameters."),
    (
        "https://a.example/b.png",
        "The image link https://a.example/b.png stands alone; add a text or a second image link.",
    ),
    ("a {b, c} --ar {1:1, 99:1}", "--aspect 99:1 is out of range: it takes 1:14 to 14:1; try --aspect 14:1."),
    (
        "{a, b}" * 9,
        "The options in braces of {a, b}{a, b}{a, b}{a, b}{a, b}{a, b}{a,… make more than 40 prompts; leave "
        "some of them out.",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), PROBLEMS)
def test_problem_is_said_in_one_sentence(text: str, sentence: str) -> None:
    assert validate(parse(text), "8.2") == (sentence,)
    with pytest.raises(InvalidParameter) as caught:
        require_valid(parse(text), "8.2")
    assert str(caught.value) == sentence


VALID = [
    "a cat",
    "a cat --ar 14:1 --c 100 --s 1000 --w 3000 --exp 100 --raw --tile --seed 4294967295 --no a, b",
    "a cat --ar 4:1 --hd",
    "a cat --sref 1 random https://a.example/b.png --sw 1000 --sv 7 --p",
    "a cat --p abc m123",
    "a cat --sref 12::2 34 --v 7",
    "a cat --edit https://a.example/b.png https://a.example/c.png",
    "https://a.example/b.png a cat --iw 3",
    "https://a.example/b.png https://a.example/c.png",
    "a cat --q 4 --draft --v 7",
    "a cat --q 0.25 --v 5.2",
    "a cat --stop 10 --turbo --v 7",
    "a cat --cref https://a.example/b.png --cw 100 --niji 6",
    "a cat --oref https://a.example/b.png --ow 1000 --v 7",
    "a cat --style 4a --v 4",
    "a cat --style expressive --niji 5",
    "a cat --style raw --v 5.1",
    "a cat --style 3xB9-kq --v 5.2",
    "a cat --r 40 --fast --stealth",
    "a cat --video --motion high --loop --bs 4 --end https://a.example/b.png",
    "hot::2 dog::-1.5 --v 6.1",
    "a {red, blue} cat --ar {16:9, 1:1}",
]


@pytest.mark.parametrize("text", VALID)
def test_documented_use_is_valid(text: str) -> None:
    assert validate(parse(text), "8.2") == ()
    require_valid(parse(text), "8.2")


def test_plain_text_with_an_aspect_is_valid_in_all_16_versions() -> None:
    assert len(ALL_VERSIONS) == 16
    assert all(validate(parse("a cat --ar 16:9 --no text"), version) == () for version in ALL_VERSIONS)


def test_unknown_version_is_answered_with_the_known_ones() -> None:
    (sentence,) = validate(parse("a cat"), "9")
    assert sentence.startswith(
        "There is no Midjourney version 9: known are 1, 2, 3, 4, 5, 5.1, 5.2, 6, 6.1, 7, 8.1, 8.2, niji 4"
    )
    with pytest.raises(InvalidParameter, match="niji 7; choose one of them"):
        require_valid(parse("a cat"), "9")


def test_every_problem_is_told_and_the_texts_come_first() -> None:
    assert len(validate(parse("--foo --c 101 --hd --sd"), "8.2")) == 4
    assert "no text" in validate(parse("--foo --c 101"), "8.2")[0]


def test_a_long_value_is_cut_and_made_printable_in_a_message() -> None:
    (sentence,) = validate(parse("a --c " + "9" * 500), "8.2")
    assert sentence == f"--chaos {'9' * 39}… is out of range: it takes 0 to 100; try --chaos 100."
    (sentence,) = validate(parse("a --c \u202e`\x07"), "8.2")
    assert sentence == "--chaos \\u202e'\\u0007 is not a whole number: it takes 0 to 100; try --chaos 0."
