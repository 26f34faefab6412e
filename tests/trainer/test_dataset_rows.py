"""Rows to pairs: prompts with a subject of their own, requests as the seed's, rated prompts. All texts are invented."""

import pytest

from core.rated_pairs import RatedOrigin, RatedPair
from trainer.cleaning import NameFinder
from trainer.data.rated import settle
from trainer.data.rows import MIN_PARALLEL_ROWS, Row, judge, judge_all
from trainer.data.sources import read_source
from trainer.pairs import Drop, Pair, examine, pair_up, pairs_of, unquoted
from trainer.train_config import SourceConfig

NAMES = NameFinder(["Zora Quillfeather"])
PROMPT = "A Red Fox, soft light, detailed fur --w 1920 --h 1080"
CLEAN = "a red fox, soft light, detailed fur --ar 16:9"


def paired(subject: str, prompt: str = PROMPT, *, is_opening: bool = False) -> Pair | Drop:
    found = pair_up(subject, prompt, NAMES, version="8.2", is_opening=is_opening)
    return found if isinstance(found, Drop) else found[0]


@pytest.mark.parametrize(
    "subject",
    [
        "a red fox",
        "midjourney prompt for a red fox",
        '"midjourney prompt for a red fox"',
        ' " Midjourney Prompt for A Red Fox. " ',
        "a midjourney prompt about a red fox",
        "prompt of a red fox --ar 3:2",
    ],
)
def test_request_is_told_from_its_subject(subject: str) -> None:
    assert paired(subject) == Pair("a red fox", CLEAN)


def test_subject_may_differ_from_the_prompt_as_the_seeds_do() -> None:
    assert paired("a sly animal with a long tail") == Pair("a sly animal with a long tail", CLEAN)


@pytest.mark.parametrize(
    ("subject", "prompt", "reason"),
    [
        ("zora quillfeather", PROMPT, Drop.SUBJECT),
        ("?!", PROMPT, Drop.SUBJECT),
        ("https://a.example/x.png", PROMPT, Drop.LINK),
        ("@somebody", PROMPT, Drop.LINK),
        ("a fox", "https://a.example/x.png a fox, soft light", Drop.LINK),
        ("a fox", "a fox, see www.a.example", Drop.LINK),
        ("a fox", "zora quillfeather, soft light", Drop.SUBJECT),
        ("a fox", "--ar 16:9", Drop.SUBJECT),
        ("a fox", "a fox, dusk {--weird 500}", Drop.BRACES),
        ("a fox", "a fox, " + ", ".join(f"soft word{'s' * n} here" for n in range(30)), Drop.LENGTH),
    ],
)
def test_pair_that_may_not_be_learned_from_says_why(subject: str, prompt: str, reason: Drop) -> None:
    assert paired(subject, prompt) is reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a red fox", Drop.ADDITION),
        ("fox, soft light, detailed fur", Drop.ADDITION),
        ("see http://a.example, soft light", Drop.LINK),
        ("zora quillfeather, soft light", Drop.SUBJECT),
        ("", Drop.SUBJECT),
    ],
)
def test_prompt_without_a_pair_says_why(text: str, reason: Drop) -> None:
    assert examine(text, NAMES, version="8.2") is reason
    assert list(pairs_of(text, NAMES, version="8.2")) == []


def test_every_reason_reads_as_words() -> None:
    assert len({str(reason) for reason in Drop}) == len(Drop) == 6


def test_answer_of_the_bot_has_to_keep_its_subject() -> None:
    assert paired("a red fox", is_opening=True) == Pair("a red fox", CLEAN)
    assert paired("A red-fox, soft light", is_opening=True) == Pair("a red-fox, soft light", CLEAN)
    assert paired("a red fox by somebody", "a red fox by somebody, soft light", is_opening=True) is Drop.OPENING
    assert paired("a red foxglove", is_opening=True) is Drop.OPENING


@pytest.mark.parametrize(
    ("text", "bare"),
    [('"a"', "a"), (' " a " ', "a"), ('"a', '"a'), ('"', '"'), ('""', ""), ("a", "a"), ('"a" b', '"a" b')],
)
def test_only_quotes_around_the_whole_are_stray(text: str, bare: str) -> None:
    assert unquoted(text) == bare


def test_many_rows_are_judged_on_several_cores_as_they_are_on_one() -> None:
    some = [Row("a red fox, soft light, detailed fur"), Row("x"), Row(PROMPT, "a fox"), Row("an owl", is_opening=True)]
    rows = [*some, *(Row(f"x{number}") for number in range(MIN_PARALLEL_ROWS)), *some]
    found = judge_all(rows, NAMES, version="8.2")
    assert found[:4] == found[-4:] == [judge(row, NAMES, version="8.2") for row in some]
    assert found[4:-4] == [Drop.SUBJECT] * MIN_PARALLEL_ROWS


def rated(prompt: str = "a red fox, soft light --ar 3:2", **changes: object) -> RatedPair:
    values: dict[str, object] = {
        "subject": "a red fox",
        "prompt": prompt,
        "parameters": "",
        "origin": RatedOrigin.VOTE,
        "num_up": 1,
        "num_down": 0,
        "vote_event_ids": (1,),
    }
    return RatedPair(**(values | changes))  # type: ignore[arg-type]


def row_of(pair: RatedPair) -> Row | None:
    [row] = read_source(SourceConfig(kind="rated"), [pair]).rows
    return row


def test_what_the_asker_brought_along_is_not_the_models_answer() -> None:
    assert row_of(rated()) == Row("a red fox, soft light --ar 3:2", "a red fox", is_opening=True)
    own = rated("https://a.example/x.png a red fox, soft light --ar 3:2 --no text", parameters="--ar 3:2")
    assert row_of(own) == Row("a red fox, soft light --no text", "a red fox", is_opening=True)


def test_correction_may_begin_with_other_words() -> None:
    assert row_of(rated(origin=RatedOrigin.CORRECTION)) == Row("a red fox, soft light --ar 3:2", "a red fox")


def test_opinions_on_the_same_pair_count_together() -> None:
    pairs = [Pair("a", "a, x"), Pair("b", "b, x"), Pair("c", "c, x")]
    given = [
        rated(num_up=2, num_down=0, vote_event_ids=(1, 5)),
        rated(num_up=0, num_down=1, vote_event_ids=(3,)),
        rated(num_up=1, num_down=1, vote_event_ids=(2, 4)),
        rated(num_up=0, num_down=2, vote_event_ids=(6, 7)),
        rated(num_up=9, vote_event_ids=(8,)),
    ]
    verdicts = [(pairs[0],), (pairs[0],), (pairs[1],), (pairs[2],), Drop.OPENING]
    found = settle(given, verdicts)
    assert found.liked == {pairs[0]: (1, 3, 5)}
    assert found.disliked == {pairs[2]: (6, 7)}
    assert found.num_unliked == 2
