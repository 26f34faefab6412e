"""What becomes of the text that the model wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UserError
from core.idea import read_idea
from core.parameters import parse, validate
from falcon.finishing import finish_prompt
from falcon.generator import GenerationRequest

# fmt: off
PIECES = st.sampled_from([
    "a", "boy", "snow", "-", "--", "—", ",", ".", ";", ":", "::", "::2", "ar", "16:9", "3", "no", "{",
    "}", "{a,b}", "v", "niji", "7", "https://a.example/x.png", "@x", "雨", "🐱", "'", '"', "`", "(", "|",
    "/", " ", "\n", "\ufffd", "--ar 16:9", "--w 5000", "--seed 3", "--hd", "--sd", "and", "with a",
    "v0—", "--no text",
])
# fmt: on
ANY_TEXT = (
    st.lists(PIECES, max_size=10).map("".join) | st.lists(PIECES, max_size=10).map(" ".join) | st.text(max_size=30)
)
VERSIONS = st.sampled_from(["8.2", "7", "4", "niji 7"])


def request(
    subject: str = "a red fox", parameters: str = "", images: tuple[str, ...] = (), version: str = "8.2"
) -> GenerationRequest:
    return GenerationRequest(
        id="request",
        subject=subject,
        parameters=parameters,
        images=images,
        midjourney_version=version,
        num_candidates=4,
        is_cancelled=lambda: False,
    )


def finished(continuation: str, *, is_ended: bool = True, **fields: object) -> str:
    return finish_prompt(request(**fields), continuation, is_ended=is_ended)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("continuation", "expected"),
    [
        (" in the snow", "a red fox in the snow"),
        (", in the snow", "a red fox, in the snow"),
        ("", "a red fox"),
        (" , in  the snow ,, soft light ,", "a red fox, in the snow, soft light"),
        (" in the snow\nat night", "a red fox in the snow at night"),
        (" in the snow with a", "a red fox in the snow"),
        (" in the snow, and the", "a red fox in the snow"),
        (" in the snow --", "a red fox in the snow"),
        (" in the snow --ar 16:9", "a red fox in the snow --ar 16:9"),
        (" in the \ufffdsnow", "a red fox in the snow"),
    ],
)
def test_continuation_is_joined_and_its_end_is_tidied(continuation: str, expected: str) -> None:
    assert finished(continuation) == expected


@pytest.mark.parametrize(
    ("continuation", "expected"),
    [
        (", in the snow, soft li", "a red fox, in the snow"),
        (", in the snow, soft light --ar 16", "a red fox, in the snow"),
        (" in the snow", "a red fox in the snow"),
    ],
)
def test_cut_off_continuation_loses_its_last_clause_and_parameters(continuation: str, expected: str) -> None:
    assert finished(continuation, is_ended=False) == expected


@pytest.mark.parametrize("subject", ["A Red Fox", "ÉTÉ à Paris", "🐱 + 東京", "fox, fox, fox,", "x."])
def test_subject_survives_word_for_word(subject: str) -> None:
    assert finished(" in the snow", subject=subject).startswith(subject)


@pytest.mark.parametrize(
    ("continuation", "expected"),
    [
        (", wide angle:2, soft fog", ", wide angle, soft fog"),
        (", wide angle::1.5", ", wide angle"),
        (", seen from afar 16:9", ", seen from afar"),
        (", shot at 5:30 pm, fog", ", shot at 5:30 pm, fog"),
    ],
)
def test_left_over_weights_and_ratios_go(continuation: str, expected: str) -> None:
    assert finished(continuation, subject="a red fox") == f"a red fox{expected}"


def test_persons_own_parameters_win_over_the_models() -> None:
    text = finished(" in the snow --ar 16:9 --no text", parameters="--ar 2:3 --seed 7")
    assert text == "a red fox in the snow --ar 2:3 --seed 7 --no text"


@pytest.mark.parametrize(
    "tail", ["--ar 99:1", "--upbeta", "--stylize 5000", "--quality 2", "--frobnicate", "--seed 5", "--v 3", "--cref x"]
)
def test_models_parameter_that_is_invalid_or_not_its_to_add_is_dropped(tail: str) -> None:
    assert finished(f" in the snow {tail}") == "a red fox in the snow"


def test_parameters_are_judged_by_the_persons_own_version() -> None:
    assert finished(" in the snow --exp 7", version="6") == "a red fox in the snow"
    assert finished(" in the snow --exp 7", version="8.2") == "a red fox in the snow --exp 7"


def test_images_come_first_and_parameters_last() -> None:
    links = ("https://a.example/1.png", "https://a.example/2.jpg")
    text = finished(" in the snow --tile", images=links, parameters="--iw 2")
    assert text == f"{links[0]} {links[1]} a red fox in the snow --tile --iw 2"


def test_link_that_the_model_wrote_does_not_stay() -> None:
    assert "http" not in finished(" in the snow https://b.example/x.png")


def test_words_that_together_read_as_a_parameter_do_not_cost_the_subject() -> None:
    """`v0—` followed by `v0` reads as `--v 0`: the subject used to lose its dash, and with it its last word."""
    assert finished("v0—", subject="v0—", version="7").startswith("v0—")
    assert finished("}", subject="a { fox").startswith("a { fox")


@given(ANY_TEXT, ANY_TEXT, st.booleans(), VERSIONS)
def test_whatever_the_model_writes_the_prompt_is_valid_and_keeps_what_the_person_typed(
    typed: str, continuation: str, is_ended: bool, version: str
) -> None:
    try:
        idea = read_idea(typed, version=version)
    except UserError:
        idea = read_idea("a red fox", version=version)
    text = finished(
        continuation,
        is_ended=is_ended,
        subject=idea.subject,
        parameters=idea.parameters,
        images=idea.images,
        version=version,
    )
    prompt = parse(text)
    assert prompt.text.startswith(idea.subject)
    assert prompt.images == idea.images
    assert set(parse(idea.parameters).parameters) <= set(prompt.parameters)
    assert validate(prompt, version) == ()
    assert text == " ".join(text.split())
