"""What may be asked, and with which sentence the rest is refused."""

import pytest

from core.characters import readable, shown, unreadable_character
from core.errors import InvalidIdea, InvalidParameter
from core.idea import MAX_IDEA_CHARACTERS, Idea, read_idea
from core.markup import find_link, find_mention

VERSION = "8.2"


def read(text: str) -> Idea:
    return read_idea(text, version=VERSION)


def refusal(text: str) -> str:
    with pytest.raises((InvalidIdea, InvalidParameter)) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a boy running in the snow",
        "/mjprompt a boy running in the snow",
        "/imagine prompt: a boy running in the snow",
        "/IMAGINE  prompt:a boy running in the snow",
        " \n a boy\trunning  in the\r\nsnow\u00a0",
    ],
)
def test_the_same_idea_is_read_however_it_was_sent(text: str) -> None:
    sentence = "a boy running in the snow"
    assert read(text) == Idea(idea=sentence, subject=sentence, parameters="", images=())


def test_an_idea_is_taken_apart() -> None:
    idea = read("<https://a.example/b.png> a cat —no text --AR 16:9")
    assert idea.subject == "a cat"
    assert idea.parameters == "--ar 16:9 --no text"
    assert idea.images == ("https://a.example/b.png",)
    assert idea.idea == "<https://a.example/b.png> a cat —no text --AR 16:9"


@pytest.mark.parametrize(
    "text",
    [
        "👨‍👩‍👧 at the sea",
        "🏳️‍🌈 flag, ❤️‍🔥, 👍🏽",
        "🐱",
        "میخواهم می‌خواهم",
        "क्‍ष",
        "東京の夜、雨",
        "*slanted* _thin_ text # title > quote",
        "café by @some_artist, 50 % <b>dark</b> & light",
        "/r/aww cat",
        "night—no moon, state--of--the--art",
        "#1 ©2022 ™",
    ],
)
def test_harmless_text_is_kept_as_typed(text: str) -> None:
    assert read(text).subject == text


def test_composed_and_decomposed_letters_are_the_same_idea() -> None:
    assert read("cafe\u0301") == read("caf\u00e9")


def test_300_characters_are_taken_and_301_are_not() -> None:
    assert MAX_IDEA_CHARACTERS == 300
    assert read(f"  {'x' * 300}\n").subject == "x" * 300
    assert read("e\u0301" * 300).subject == "\u00e9" * 300
    assert refusal("x" * 301) == "The idea has 301 characters, but at most 300 are taken; shorten it."
    assert refusal("x" * 1_000_000) == "The idea has 1000000 characters, but at most 300 are taken; shorten it."


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a ```boy``` in the snow", "'''boy'''"),
        ("**bold** boy", "**bold**"),
        ("a __boy__ running", "__boy__"),
        ("~~a boy~~", "~~a boy~~"),
        ("||a boy|| in the snow", "||a boy||"),
        ("[a boy](evil.example) running", "[a boy](evil.example)"),
        ("# a boy", "#"),
        ("> a boy", ">"),
        ("a boy <|endoftext|> running", "<|endoftext|>"),
    ],
)
def test_formatting_is_refused_by_name(text: str, named: str) -> None:
    assert refusal(text) == f"The idea holds the formatting {named}, which cannot be taken; leave it out."


@pytest.mark.parametrize("text", ["a boy_with_a_hat", "5 * 3 boys", "a boy [sad] (tired)", "c# code on a screen"])
def test_marks_that_format_nothing_are_taken(text: str) -> None:
    assert read(text).subject == text


@pytest.mark.parametrize("text", ["", "   \n", "/mjprompt", "/imagine prompt:"])
def test_an_empty_idea_is_refused(text: str) -> None:
    assert (
        refusal(text) == "The idea is empty; type what the picture should show, for example: a boy running in the snow."
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a\0b", "a control character (U+0000)"),
        ("a\x1b[31mb", "a control character (U+001B)"),
        ("a\x0bb", "a control character (U+000B)"),
        ("a cat\x1f", "a control character (U+001F)"),
        ("a\u202eb", "a text-direction character (U+202E)"),
        ("a\u2066b", "a text-direction character (U+2066)"),
        ("a\u200fb", "a text-direction character (U+200F)"),
        ("a\u200bb", "an invisible character (U+200B)"),
        ("\ufeffa", "an invisible character (U+FEFF)"),
        ("a\u00adb", "an invisible character (U+00AD)"),
        ("a\u200db", "an invisible character (U+200D)"),
        ("a\ufe0fb", "an invisible character (U+FE0F)"),
        ("a\U000e0041b", "an invisible character (U+E0041)"),
        ("a\u3164b", "an invisible character (U+3164)"),
        ("a\u2028b", "an invisible character (U+2028)"),
        ("a\ud83db", "half of a character (U+D83D)"),
        ("a\udc00", "half of a character (U+DC00)"),
        ("a\ufffdb", "an unreadable character (U+FFFD)"),
        ("a\ue000b", "an unreadable character (U+E000)"),
        ("a\uffffb", "an unreadable character (U+FFFF)"),
    ],
)
def test_characters_that_nobody_can_see_are_refused_by_name(text: str, named: str) -> None:
    assert refusal(text) == f"The idea holds {named}, which cannot be taken; type it again without that."


@pytest.mark.parametrize(
    "mention",
    [
        *("@everyone", "@here", "@channel", "@Everyone"),
        *("<@123>", "<@!123>", "<@&123>", "<#123>", "<@U012AB>", "<#C012|general>"),
        *("<!channel>", "<!here>", "<!subteam^S1|x>", "<:smile:123>", "<a:wave:123>", "<t:123:R>", "</ask:123>"),
        *("<https://a.example/b|text>", "<mailto:a@b.example|mail>"),
    ],
)
def test_mentions_are_refused_by_name(mention: str) -> None:
    expected = f"The idea holds the mention {mention}, which cannot be taken; leave it out."
    assert refusal(f"a cat {mention} asleep") == expected
    assert refusal(f"a cat --no dog, {mention}") == expected


@pytest.mark.parametrize("link", ["https://a.example/b", "http://x", "www.a.example", "ftp://a", "discord.gg/abc"])
def test_links_within_the_text_are_refused(link: str) -> None:
    expected = (
        f"The link {link} cannot be taken within the text; only image links (.png, .gif, .webp, .jpg, .jpeg) "
        "in front of it are."
    )
    assert refusal(f"a cat {link} asleep") == expected
    assert refusal(f"a cat --no {link}") == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "--ar 16:9",
            "The idea holds only parameters (--ar 16:9); write what the picture should show in front of them, "
            "for example: a boy running in the snow.",
        ),
        (
            "https://a.example/b.png --ar 16:9",
            "The idea holds only image links (https://a.example/b.png); add what the picture should show, "
            "for example: a boy running in the snow.",
        ),
        ("?!", "The idea ?! has no words; type what the picture should show, for example: a boy running in the snow."),
        (
            "a {red, blue} cat",
            "The braces in {red, blue} would make several prompts at once; choose one of the options, or ask once "
            "for each.",
        ),
        (
            "a cat --ar {1:1, 2:1}",
            "The braces in {1:1, 2:1} would make several prompts at once; choose one of the options, or ask once "
            "for each.",
        ),
        ("a cat --chaos 250", "--chaos 250 is out of range: it takes 0 to 100; try --chaos 100."),
        ("a cat --foo", "--foo is not a Midjourney parameter; leave it out."),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_cure(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


def test_weights_are_taken_where_the_version_takes_them() -> None:
    assert refusal("hot::2 dog").startswith("Weights with :: in 'hot::2 dog' do not work in version 8.2")
    assert read_idea("hot::2 dog", version="6.1").subject == "hot::2 dog"
    assert read("hot::2 dog --v 6.1").parameters == "--v 6.1"


def test_an_unknown_version_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter, match="There is no Midjourney version 9"):
        read_idea("a cat", version="9")


def test_a_shown_value_is_short_and_printable() -> None:
    assert shown("a  b") == "a b"
    assert shown("x" * 41) == "x" * 39 + "…"
    assert shown("\ud800`\x07") == "\\ud800'\\u0007"
    assert shown("x" * 1_000_000) == "x" * 39 + "…"


def test_readable_text_keeps_everything_else() -> None:
    assert readable("a\u200b b\ud800\x07 👨‍👩‍👧") == "a b 👨‍👩‍👧"
    assert unreadable_character("a b 👨‍👩‍👧\t") is None


def test_plain_text_is_neither_a_mention_nor_a_link() -> None:
    for text in ("a <b> c", "a @ home", "ratio 1:2", "a::b", "data:: noise", "http", "everyone here", "</b>"):
        assert find_mention(text) is None
        assert find_link(text) is None
