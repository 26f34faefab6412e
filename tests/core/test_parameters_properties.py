"""What holds for any text: reading settles, and nothing invalid is ever rendered."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.characters import unreadable_character
from core.errors import UserError
from core.idea import Idea, read_idea
from core.markup import find_link, find_mention
from core.midjourney_versions import ALL_VERSIONS
from core.parameter_table import RETIRED, RULES
from core.parameters import creative_only, expand_permutations, keep_valid, merge, parse, render, validate
from core.permutations import has_permutations

NAMES = [
    *(rule.name for rule in RULES),
    *(rule.short for rule in RULES if rule.short),
    *RETIRED,
    "h",
    "foo",
    "no-x",
    "Ar",
]
DASHES = ["--", "—", "–", "−−", "---", "-", "−", " -- ", "— "]
VALUES = [
    "16:9",
    "21 : 9",
    "9：9",
    "1:99",
    "5",
    "250",
    "-5",
    "0",
    ".5",
    "0.50",
    "007",
    "5.",
    "random",
    "raw",
    "low",
    "8.2",
    "6.1",
]
MARKS = [
    "{",
    "}",
    "{a, b}",
    "{--s 5, --c 6}",
    ",",
    ", ",
    ".",
    "::",
    "::2",
    " ::-.5",
    ":",
    "\\,",
    "，",
    "(",
    "!",
    "`",
    "<",
    ">",
]
LINKS = [
    "https://a.example/b.png",
    "<https://a.example/c--s5.png>",
    "https://s.mj.run/Ab",
    "https://a--b",
    "https://x,—y",
    "www.a--b",
]
WORDS = ["cat", "a dog", "@everyone", "<@12>", "<https://a.example|b>", "É", "\u200d", "\u212a", "\ud800", "\n", "px"]

any_text = st.text(st.characters(), max_size=60)  # surrogates included
grammar = st.lists(
    st.one_of(
        st.sampled_from([dash + name for name in NAMES for dash in ("--", "—")]),
        st.sampled_from(DASHES + NAMES),
        st.sampled_from(VALUES + MARKS + LINKS + WORDS),
        st.just(" "),
    ),
    max_size=14,
).map("".join)
spaced_grammar = st.lists(st.sampled_from([*DASHES, *NAMES, *VALUES, *MARKS, *LINKS, *WORDS]), max_size=14).map(
    " ".join
)
texts = st.one_of(any_text, grammar, spaced_grammar)
versions = st.sampled_from(sorted(ALL_VERSIONS))
widely = settings(max_examples=400, deadline=None)


@widely
@given(texts)
def test_rendered_prompt_reads_back_as_the_same_prompt(text: str) -> None:
    prompt = parse(text)
    rendered = render(prompt)
    assert parse(rendered) == prompt
    assert render(parse(rendered)) == rendered


@widely
@given(texts, versions)
def test_what_is_kept_is_valid_and_reads_back(text: str, version: str) -> None:
    kept = keep_valid(parse(text), version)
    assert parse(render(kept)) == kept
    assume(kept.text)
    assert validate(kept, version) == ()


@widely
@given(texts, versions)
def test_keeping_changes_nothing_that_is_valid(text: str, version: str) -> None:
    prompt = parse(text)
    assume(validate(prompt, version) == () and not has_permutations(render(prompt)))
    assert keep_valid(prompt, version) == prompt


@widely
@given(texts)
def test_what_a_model_may_add_holds_no_link_mention_or_job_switch(text: str) -> None:
    added = creative_only(parse(text))
    assert added.images == ()
    assert find_link(render(added)) is None
    assert find_mention(render(added)) is None
    assert {parameter.name for parameter in added.parameters} <= {rule.name for rule in RULES if rule.is_creative}
    assert parse(render(added)) == added == creative_only(added)


@widely
@given(texts, texts, versions)
def test_merging_keeps_the_persons_parameters_and_stays_valid(typed: str, written: str, version: str) -> None:
    user = keep_valid(parse(f"boy {typed}"), version)
    assume(user.text)
    merged = merge(user, parse(written), version)
    assert merged.images == user.images
    assert all(merged.parameter(parameter.name) == parameter for parameter in user.parameters)
    assert validate(merged, version) == ()
    assert parse(render(merged)) == merged


@widely
@given(texts)
def test_expanding_leaves_no_permutation(text: str) -> None:
    try:
        prompts = expand_permutations(text)
    except UserError:
        return
    assert 1 <= len(prompts) <= 40
    assert not any(has_permutations(prompt) for prompt in prompts)


@widely
@given(texts, versions)
def test_an_idea_is_valid_or_refused_in_one_printable_sentence(text: str, version: str) -> None:
    try:
        idea = read_idea(text, version=version)
    except UserError as error:
        assert str(error).endswith(".")
        assert str(error).isprintable()
        return
    assert isinstance(idea, Idea)
    rebuilt = parse(" ".join([*idea.images, idea.subject, idea.parameters]))
    assert rebuilt == parse(idea.idea)
    assert validate(rebuilt, version) == ()
    assert unreadable_character(render(rebuilt)) is None
