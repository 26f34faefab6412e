"""Texts in every language: the same keys and placeholders, and one more file is one more language."""

import re
import shutil
from pathlib import Path
from typing import get_args

import pytest

from bot.administration import OPERATOR_ACTIONS
from bot.ask_options import STYLES
from bot.catalog import LOCALES_FOLDER, Catalogs, placeholders
from bot.commands import Command
from core.cycles import CycleState
from core.errors import ConfigError
from core.records import FeedbackReason, RequestKind, RequestState
from trainer.feedback.screening import DropReason
from trainer.gate_verdict import Verdict

COMMAND_NAME = re.compile(r"[-_\w]{1,32}")  # Discord's own rule
TEXTS = Catalogs.load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LOCALES_FOLDER, tmp_path / "locales"))


def template(language: str, key: str) -> str:
    return TEXTS.template(language, key)


def test_every_language_has_the_same_keys_and_placeholders() -> None:
    assert TEXTS.languages[:2] == ("en", "de")
    english = TEXTS.keys("en")
    assert len(english) >= 150
    for language in TEXTS.languages:
        assert TEXTS.keys(language) == english
        for key in english:
            assert placeholders(template(language, key)) == placeholders(template("en", key)), key


def test_english_has_a_text_for_every_value_that_can_be_shown() -> None:
    wanted = {f"form.reasons.{reason}" for reason in FeedbackReason}
    wanted |= {f"lists.states.{state}" for state in RequestState}
    wanted |= {f"cards.title.{kind}" for kind in RequestKind}
    wanted |= {f"styles.{style}" for style in STYLES}
    wanted |= {f"commands.{command}.{part}" for command in Command for part in ("name", "description")}
    wanted |= {f"model.done.{action}" for action in OPERATOR_ACTIONS}
    wanted |= {f"slack.confirm.{action}" for action in OPERATOR_ACTIONS}
    wanted |= {f"cycle.states.{state}" for state in CycleState}
    wanted |= {f"cycle.dropped.{reason}" for reason in DropReason}
    wanted |= {f"cycle.verdicts.{verdict}" for verdict in get_args(Verdict)}
    assert len(wanted) >= 40
    assert wanted <= TEXTS.keys("en")


@pytest.mark.parametrize("language", TEXTS.languages)
def test_command_names_and_descriptions_are_within_discords_limits(language: str) -> None:
    keys = [key for key in TEXTS.keys(language) if key.startswith("commands.")]
    names = [template(language, key) for key in keys if key.endswith(".name") and key != "commands.make_prompt.name"]
    descriptions = [template(language, key) for key in keys if key.endswith(".description")]
    assert len(names) >= 20
    assert all(COMMAND_NAME.fullmatch(name) and name == name.lower() for name in names)
    assert all(1 <= len(text) <= 100 for text in descriptions)
    assert template(language, "commands.mjprompt.name") == "mjprompt"
    assert len({template(language, f"commands.{command}.name") for command in Command}) == len(Command)


@pytest.mark.parametrize("language", TEXTS.languages)
def test_labels_and_form_titles_are_within_the_platforms_limits(language: str) -> None:
    labels = [key for key in TEXTS.keys(language) if key.startswith("cards.buttons.")]
    assert len(labels) == 8
    assert all(len(template(language, key)) <= 40 for key in labels)
    titles = [key for key in TEXTS.keys(language) if key.startswith("form.") and key.endswith("_title")]
    assert len(titles) == 2
    assert all(len(template(language, key)) <= 24 for key in titles)


@pytest.mark.parametrize(
    ("preferences", "language"),
    [
        (("de",), "de"),
        (("de-AT",), "de"),
        (("de_DE",), "de"),
        (("DE",), "de"),
        (("en-US", "de"), "en"),
        (("fr", "de"), "de"),
        ((None, "", "fr"), "en"),
        ((), "en"),
    ],
)
def test_first_known_preference_is_the_language(preferences: tuple[str | None, ...], language: str) -> None:
    assert TEXTS.language(*preferences) == language


def test_values_are_shown_as_they_are_even_with_braces() -> None:
    assert TEXTS.text("en", "cards.title.ask", idea="{idea} {0} }{") == "{idea} {0} }{"


def test_one_more_file_is_one_more_language_and_falls_back_for_what_it_lacks(folder: Path) -> None:
    (folder / "pt-BR.toml").write_text('[cards.buttons]\nvary = "Variar"\n[future]\nkey = "novo"\n', encoding="utf-8")
    catalogs = Catalogs.load(folder)
    assert catalogs.languages == ("en", "de", "pt-BR")
    assert catalogs.language("pt") == "pt-BR"
    assert catalogs.text("pt-BR", "cards.buttons.vary") == "Variar"
    assert catalogs.text("pt-BR", "cards.buttons.save") == "Save"
    assert catalogs.text("xx", "cards.buttons.vary") == "Vary"
    with pytest.raises(KeyError):
        catalogs.text("pt-BR", "future.key")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("fr.toml", b"[cards", "not valid TOML"),
        ("fr.toml", b"\xff\xfe", "not valid TOML"),
        ("fr.toml", b"[cards]\nwaiting = 3", "have 3 in cards.waiting"),
        ("fr.toml", b'[cards]\nwaiting = "{"', "unmatched braces in cards.waiting"),
        ("fr.toml", b'[cards]\nwaiting = "{secret}"', "placeholder {secret} in cards.waiting"),
        ("fr.toml", b'[cards.title]\nask = "{idea.__class__}"', "idea.__class__"),
        ("fr.toml", b'[cards.title]\nask = "{}"', "a placeholder is a plain name"),
        ("french language.toml", b"", "named after no language"),
    ],
)
def test_broken_file_is_one_sentence_that_names_it(folder: Path, name: str, content: bytes, problem: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(problem)) as raised:
        Catalogs.load(folder)
    assert name in str(raised.value)


def test_missing_english_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"en\.toml are missing"):
        Catalogs.load(tmp_path)
