"""From sources to what is learned from. All texts are invented."""

import csv
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from core.config_file import read_config
from core.errors import InvalidData
from core.parameters import parse, validate
from core.rated_pairs import RatedOrigin, RatedPair
from tests.trainer.invented_data import LISTED_NAME, UNLISTED_NAME, VERSION, discord_rows, midjourney_rows
from trainer.cleaning import NameFinder
from trainer.data.rated import UNLIKED
from trainer.dataset import DISLIKED, NO_TEXT, REPEATED_PAIR, REPEATED_ROW, TrainingData, load_data
from trainer.pairs import Pair, split_key
from trainer.train_config import DataConfig, SourceConfig

NAMES = NameFinder([LISTED_NAME])
RATED = SourceConfig(kind="rated", weight=3)
MIDJOURNEY: list[object] = [*midjourney_rows()[:100], *midjourney_rows()[:10]]


def jsonl(path: Path, rows: list[object], column: str = "text") -> SourceConfig:
    path.write_text("".join(json.dumps({column: row}) + "\n" for row in rows), encoding="utf-8")
    return SourceConfig(kind="file", id=str(path), text_column=column)


def load(*sources: SourceConfig, rated: list[RatedPair] | None = None, **changes: object) -> TrainingData:
    config = replace(DataConfig(sources=sources, validation_share=0.1), **changes)  # type: ignore[arg-type]
    return load_data(config, rated=rated or [], version=VERSION, names=NAMES)


@pytest.fixture(scope="module")
def midjourney(tmp_path_factory: pytest.TempPathFactory) -> SourceConfig:
    return jsonl(tmp_path_factory.mktemp("data") / "midjourney.jsonl", MIDJOURNEY)


@pytest.fixture(scope="module")
def plain(midjourney: SourceConfig) -> TrainingData:
    return load(midjourney)


def opinion(subject: str = "a lone heron", *, up: int = 1, down: int = 0, events: tuple[int, ...] = (1,)) -> RatedPair:
    return RatedPair(
        subject=subject,
        prompt=f"{subject}, in silver morning haze --ar 3:2",
        parameters="",
        origin=RatedOrigin.VOTE,
        num_up=up,
        num_down=down,
        vote_event_ids=events,
    )


def test_prompts_become_pairs_on_two_sides_that_share_no_first_clause(plain: TrainingData) -> None:
    assert len(plain.train) > 70
    assert 3 < len(plain.validation) < 25
    held = {split_key(pair.prompt) for pair in plain.validation}
    assert held.isdisjoint(split_key(text) for pair in plain.train for text in (pair.subject, pair.prompt))


def test_no_pair_stands_there_twice_at_weight_one(plain: TrainingData) -> None:
    whole = [*plain.train, *plain.validation]
    assert len(whole) == len(set(whole))


def test_every_prompt_is_clean_and_valid_today(plain: TrainingData) -> None:
    for pair in (*plain.train, *plain.validation):
        assert validate(parse(pair.prompt), VERSION) == ()
        assert pair.prompt == pair.prompt.lower()
    tails = Counter(parameter.name for pair in plain.train for parameter in parse(pair.prompt).parameters)
    assert tails.keys() == {"aspect", "no"}
    assert plain.card.parameters == {"ar": tails["aspect"], "no": tails["no"]}


def test_nobodys_name_is_learned(tmp_path: Path) -> None:
    data = load(jsonl(tmp_path / "discord.jsonl", list(discord_rows())))
    text = " ".join(pair.prompt for pair in (*data.train, *data.validation))
    assert "at noon" in text, "the rows with names are there"
    assert LISTED_NAME.lower() not in text
    assert UNLISTED_NAME not in text


def test_every_row_and_every_pair_is_accounted_for(midjourney: SourceConfig, tmp_path: Path) -> None:
    rows: list[object] = [
        *MIDJOURNEY,
        "fox",
        "",
        None,
        3,
        "\ud83d broken, soft light, fur",
        "http://a.example x",
    ]
    data = load(midjourney, jsonl(tmp_path / "more.jsonl", rows))
    first, second = data.card.sources
    assert first.num_rows == 110
    assert second.num_rows == len(rows)
    assert second.dropped_rows[NO_TEXT] == 4
    assert second.dropped_rows[REPEATED_ROW] == 10
    assert (second.num_pairs, second.num_train, second.num_validation) == (0, 0, 0)
    assert second.dropped_pairs[REPEATED_PAIR] == first.num_pairs
    for card in (first, second):
        leaks = sum(card.dropped_pairs.values()) - card.dropped_pairs.get(REPEATED_PAIR, 0)
        assert card.num_pairs == card.num_train + card.num_validation + leaks
    assert data.card.num_train == len(data.train) == data.card.num_distinct == first.num_train
    assert data.card.num_validation == len(data.validation) == first.num_validation


def test_order_of_rows_and_division_into_files_change_nothing(plain: TrainingData, tmp_path: Path) -> None:
    rows = list(MIDJOURNEY)
    random.Random(3).shuffle(rows)
    jsonl(tmp_path / "b.jsonl", rows[:50])
    jsonl(tmp_path / "a.jsonl", rows[50:])
    again = load(SourceConfig(kind="file", id=str(tmp_path / "*.jsonl")))
    assert (again.train, again.validation) == (plain.train, plain.validation)
    assert again.content_hash == plain.content_hash == plain.card.content_hash


def test_hash_changes_with_anything_that_is_learned_or_measured(midjourney: SourceConfig, tmp_path: Path) -> None:
    more = jsonl(tmp_path / "more.jsonl", ["a lone heron, in silver morning haze"])
    hashes = [
        load(midjourney).content_hash,
        load(midjourney, more).content_hash,
        load(replace(midjourney, weight=2.0)).content_hash,
        load(replace(midjourney, weight=0.5)).content_hash,
        load(replace(midjourney, weight=0.5), seed=1).content_hash,
        load(midjourney, validation_share=0.3).content_hash,
        load(midjourney, max_validation_pairs=3).content_hash,
    ]
    assert len(set(hashes)) == 7
    assert load(midjourney, seed=1).content_hash == hashes[0], "a seed draws nothing where weights are whole"


def test_weights_count_on_the_training_side_alone(midjourney: SourceConfig, plain: TrainingData) -> None:
    twice = load(replace(midjourney, weight=2.0))
    assert Counter(twice.train) == dict.fromkeys(plain.train, 2)
    assert twice.validation == plain.validation
    half = load(replace(midjourney, weight=0.5))
    assert len(half.train) == round(len(plain.train) / 2)
    assert set(half.train) < set(plain.train)
    assert half.card.sources[0].num_seen == len(half.train) == half.card.num_train


def test_pair_of_two_sources_belongs_to_the_first(tmp_path: Path, midjourney: SourceConfig) -> None:
    row = "a lone heron, in silver morning haze"
    own = replace(jsonl(tmp_path / "own.jsonl", [row]), weight=5.0)
    pair = Pair("a lone heron", row)
    assert Counter(load(own, midjourney).train)[pair] == 5
    other = jsonl(tmp_path / "other.jsonl", [row])
    data = load(other, own, midjourney)
    assert Counter(data.train)[pair] == 1
    assert data.card.sources[1].dropped_pairs == {REPEATED_PAIR: 1}


def write_seed(path: Path) -> SourceConfig:
    """Write what the seed's sheet looks like: requests, stray quotes, CRLF, a third column, repeats."""
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["User", "Prompt", "_id"])
        for number, word in enumerate(("heron", "kettle", "lantern", "canyon", "orchard") * 4):
            request, prompt = f"midjourney prompt for a lone {word}", f"{word} of copper{number % 10}, matte, --ar 16:9"
            is_quoted = number % 2
            sheet.writerow([f'"{request}"' if is_quoted else request, f'"{prompt}"' if is_quoted else prompt, number])
    assert b"\r\n" in path.read_bytes()
    return SourceConfig(kind="seed", id=str(path))


def test_seeds_sheet_is_read_as_it_is(tmp_path: Path) -> None:
    data = load(write_seed(tmp_path / "seed.csv"))
    whole = [*data.train, *data.validation]
    assert (data.card.sources[0].num_rows, data.card.sources[0].num_pairs) == (20, 10)
    assert Pair("a lone heron", "heron of copper0, matte --ar 16:9") in whole
    assert all('"' not in pair.subject + pair.prompt for pair in whole)


def test_columns_of_the_seed_may_be_named_otherwise(tmp_path: Path, midjourney: SourceConfig) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("q,a\na lone heron,heron of copper\n", encoding="utf-8")
    for kind in ("seed", "file"):
        source = SourceConfig(kind=kind, id=str(path), subject_column="q", prompt_column="a")  # type: ignore[arg-type]
        assert Pair("a lone heron", "heron of copper") in load(source, midjourney).train


def test_liked_prompts_are_learned_from_with_the_presses_behind_them(midjourney: SourceConfig) -> None:
    liked = opinion(up=3, down=1, events=(4, 2, 9, 7))
    data = load(midjourney, RATED, rated=[liked, opinion("a grey kettle", up=1, down=1, events=(5, 6))])
    assert Counter(data.train)[Pair("a lone heron", "a lone heron, in silver morning haze --ar 3:2")] == 3
    assert data.vote_event_ids == (2, 4, 7, 9)
    assert data.card.num_votes == 4
    assert data.card.sources[1].dropped_pairs == {UNLIKED: 1}
    assert "a grey kettle" not in {pair.subject for pair in data.train}


def test_disliked_prompt_is_learned_from_nowhere(tmp_path: Path, midjourney: SourceConfig) -> None:
    others = jsonl(tmp_path / "others.jsonl", ["a lone heron, in silver morning haze --ar 3:2"])
    assert "a lone heron" in {pair.subject for pair in load(midjourney, others, RATED).train}
    data = load(midjourney, others, RATED, rated=[opinion(up=1, down=2, events=(1, 2, 3))])
    assert "a lone heron" not in {pair.subject for pair in (*data.train, *data.validation)}
    assert data.card.sources[1].dropped_pairs == {DISLIKED: 1}
    assert data.vote_event_ids == ()


def test_pair_that_was_rated_for_nothing_because_it_is_dropped_leaves_no_press(midjourney: SourceConfig) -> None:
    held = load(midjourney).validation[0]
    words = {"subject": held.subject, "prompt": "a nameless beast, in quite another wording"}
    leak = replace(opinion(events=(8,)), origin=RatedOrigin.CORRECTION, **words)  # type: ignore[arg-type]
    kept = opinion(events=(9,))
    assert load(midjourney, RATED, rated=[leak, kept]).vote_event_ids == (9,)


def test_votes_that_nobody_cast_yet_are_no_error(midjourney: SourceConfig, plain: TrainingData) -> None:
    data = load(midjourney, RATED)
    assert data.content_hash == plain.content_hash
    assert data.card.sources[1].num_rows == 0


def test_rated_pairs_without_a_rated_source_are_not_learned_from(midjourney: SourceConfig, plain: TrainingData) -> None:
    assert load(midjourney, rated=[opinion()]).content_hash == plain.content_hash


def refusal(*sources: SourceConfig, **changes: object) -> str:
    with pytest.raises(InvalidData) as caught:
        load(*sources, **changes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_data_set_of_one_row_is_refused(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "one.jsonl", ["a lone heron, in silver morning haze"])
    assert "has 1 usable prompt(s) that differ" in refusal(source)
    assert "has 1 usable prompt(s) that differ" in refusal(
        jsonl(tmp_path / "one.jsonl", ["A lone heron, soft hazy glow"] * 9)
    )


def test_data_set_of_nothing_but_votes_that_nobody_cast_is_refused() -> None:
    assert "has 0 usable prompt(s) that differ" in refusal(RATED)


def test_data_set_without_rows_is_refused(tmp_path: Path) -> None:
    assert "holds no rows" in refusal(jsonl(tmp_path / "none.jsonl", []))


def test_source_that_gives_nothing_says_the_main_reason(tmp_path: Path, midjourney: SourceConfig) -> None:
    source = jsonl(tmp_path / "short.jsonl", ["fox", "owl", "http://a.example x"])
    said = refusal(midjourney, source)
    assert "short.jsonl gives nothing to learn from: 2 of its 3 rows are out for one reason (adds too little" in said
    numbers = jsonl(tmp_path / "numbers.jsonl", [1, 2, None])
    assert f"3 of its 3 rows are out for one reason ({NO_TEXT})" in refusal(midjourney, numbers)


def test_prompts_that_all_begin_alike_leave_nothing_to_measure_on(tmp_path: Path) -> None:
    rows: list[object] = [f"a lone heron, copper{n} haze{n} dusk{n}" for n in range(9)]
    assert "leaves nothing to measure on after the split" in refusal(jsonl(tmp_path / "alike.jsonl", rows))


def test_weight_that_draws_nothing_is_refused(midjourney: SourceConfig) -> None:
    assert "leaves nothing to learn from after the split" in refusal(replace(midjourney, weight=0.0001))


def test_wrong_column_names_those_that_are_there(tmp_path: Path) -> None:
    source = replace(jsonl(tmp_path / "x.jsonl", ["a"], column="prompt"), text_column="text")
    assert "x.jsonl has no column 'text'; its columns are prompt: name the right one" in refusal(source)


def test_sources_are_read_from_toml(tmp_path: Path, midjourney: SourceConfig, plain: TrainingData) -> None:
    text = f'validation_share = 0.1\n[[sources]]\nkind = "file"\nid = "{midjourney.id}"\n[[sources]]\nkind = "rated"\n'
    (tmp_path / "data.toml").write_text(text, encoding="utf-8")
    config = read_config(DataConfig, tmp_path / "data.toml")
    assert load_data(config, version=VERSION, names=NAMES).content_hash == plain.content_hash


def test_card_holds_numbers_and_names_but_no_texts_and_no_folders(
    midjourney: SourceConfig, plain: TrainingData, tmp_path: Path
) -> None:
    data = load(midjourney, RATED, rated=[opinion(up=2, events=(1, 2))])
    card, markdown = json.loads(json.dumps(data.card.as_json())), data.card.as_markdown()
    assert card["content_hash"] == data.content_hash
    assert card["midjourney_version"] == VERSION
    assert card["num_names"] == len(NAMES) > 0
    assert [source["name"] for source in card["sources"]] == ["midjourney.jsonl", "votes and corrections"]
    for text in (json.dumps(card), markdown):
        assert str(Path(midjourney.id).parent) not in text
        assert all(pair.subject not in text for pair in (*data.train, *data.validation))


def test_card_reads_as_a_section_of_a_model_card(midjourney: SourceConfig, plain: TrainingData) -> None:
    markdown = load(midjourney, RATED, rated=[opinion(down=1, up=1)]).card.as_markdown()
    assert markdown.startswith("## Training data\n\n")
    assert f"{len(plain.train):,} examples an epoch" in markdown
    assert f"SHA-256 of the whole set: `{plain.content_hash}`" in markdown
    assert f"| votes and corrections | {UNLIKED} |  | 1 |" in markdown
    source = plain.card.sources[0]
    assert source.sha256 is not None
    head, ruler, first, *_ = [line for line in markdown.splitlines() if line.startswith("|")]
    assert first.startswith(f"| midjourney.jsonl | sha256 {source.sha256[:12]}… | not stated | {source.num_rows} | ")
    assert head.count("|") == ruler.count("|") == first.count("|") == 10
