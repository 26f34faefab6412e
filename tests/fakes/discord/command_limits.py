"""What Discord accepts when a bot registers its commands.

https://discord.com/developers/docs/interactions/application-commands
"""

import unicodedata
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from tests.fakes.discord.checks import array, distinct, require, text, whole
from tests.fakes.discord.errors import invalid

MAX_COMMANDS = 100
MAX_CONTEXT_MENUS = 5
MAX_OPTIONS = 25
MAX_CHOICES = 25
MAX_CHOICE_LENGTH = 100
MAX_NAME_LENGTH = 32
MAX_DESCRIPTION_LENGTH = 100
MAX_COMMAND_CHARACTERS = 8_000

# fmt: off
LOCALES = frozenset((
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl", "pt-BR",
    "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja", "zh-TW", "ko",
))
# fmt: on


class OptionType(IntEnum):
    """What an option takes."""

    SUBCOMMAND = 1
    SUBCOMMAND_GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


SUBCOMMANDS = frozenset({OptionType.SUBCOMMAND, OptionType.SUBCOMMAND_GROUP})
WITH_CHOICES = frozenset({OptionType.STRING, OptionType.INTEGER, OptionType.NUMBER})
CHAT_INPUT = 1


def check_commands(commands: object) -> list[dict[str, Any]]:
    """Return the commands when Discord would register all of them.

    Raises:
        Refusal: 50035, one of them breaks a limit.
    """
    accepted = array(commands, "commands", maximum=MAX_COMMANDS + 2 * MAX_CONTEXT_MENUS)
    for index, command in enumerate(accepted):
        _check_command(command, f"commands[{index}]")
    distinct([(command["name"], command.get("type", CHAT_INPUT)) for command in accepted], "commands.name")
    slash = [command for command in accepted if command.get("type", CHAT_INPUT) == CHAT_INPUT]
    require(len(slash) <= MAX_COMMANDS, "commands", f"at most {MAX_COMMANDS} slash commands, not {len(slash)}")
    return accepted


def _check_command(command: Mapping[str, Any], path: str) -> None:
    if command.get("type", CHAT_INPUT) != CHAT_INPUT:
        text(command.get("name"), f"{path}.name", maximum=MAX_NAME_LENGTH)
        require(not command.get("description"), f"{path}.description", "a context menu has none")
        return
    _check_words(command, path)
    _check_subset(command.get("contexts"), {0, 1, 2}, f"{path}.contexts")
    _check_subset(command.get("integration_types"), {0, 1}, f"{path}.integration_types")
    permissions = command.get("default_member_permissions")
    is_number = permissions is None or isinstance(permissions, int) or str(permissions).isdigit()
    require(is_number, f"{path}.default_member_permissions", f"must be a number, not {permissions!r}")
    _check_options(command.get("options") or [], path, depth=0)
    length = _characters(command)
    require(length <= MAX_COMMAND_CHARACTERS, path, f"at most {MAX_COMMAND_CHARACTERS} characters, not {length}")


def _check_words(thing: Mapping[str, Any], path: str) -> None:
    _check_name(thing.get("name"), f"{path}.name")
    text(thing.get("description"), f"{path}.description", maximum=MAX_DESCRIPTION_LENGTH)
    for locale, name in (thing.get("name_localizations") or {}).items():
        _check_locale(locale, f"{path}.name_localizations")
        _check_name(name, f"{path}.name_localizations.{locale}")
    for locale, description in (thing.get("description_localizations") or {}).items():
        _check_locale(locale, f"{path}.description_localizations")
        text(description, f"{path}.description_localizations.{locale}", maximum=MAX_DESCRIPTION_LENGTH)


def _check_name(value: object, path: str) -> None:
    name = text(value, path, maximum=MAX_NAME_LENGTH)
    is_word = all(char in "-_'" or unicodedata.category(char)[0] in "LNM" for char in name)
    require(is_word and name == name.lower(), path, f"must be small letters, digits, - and _, not {name!r}")


def _check_locale(locale: str, path: str) -> None:
    require(locale in LOCALES, path, f"Discord has no locale {locale!r}")


def _check_subset(values: object, allowed: set[int], path: str) -> None:
    is_right = values is None or (isinstance(values, list) and values and set(values) <= allowed)
    require(bool(is_right), path, f"must be some of {sorted(allowed)}, not {values!r}")


def _check_options(options: object, path: str, *, depth: int) -> None:
    accepted = array(options, f"{path}.options", maximum=MAX_OPTIONS)
    for index, option in enumerate(accepted):
        _check_option(option, f"{path}.options[{index}]", depth=depth)
    distinct([option["name"] for option in accepted], f"{path}.options.name")
    needs = [bool(option.get("required")) for option in accepted]
    require(needs == sorted(needs, reverse=True), f"{path}.options", "required options must come before optional ones")
    is_nested = [option["type"] in SUBCOMMANDS for option in accepted]
    require(len(set(is_nested)) < 2, f"{path}.options", "subcommands and plain options cannot be mixed")


def _check_option(option: Mapping[str, Any], path: str, *, depth: int) -> None:
    _check_words(option, path)
    if option.get("type") not in set(OptionType):
        raise invalid(f"{path}.type", f"unknown option type {option.get('type')!r}")
    kind = OptionType(option["type"])
    if kind in SUBCOMMANDS:
        require(depth == 0 or (depth == 1 and kind == OptionType.SUBCOMMAND), path, "subcommands are nested too deeply")
        _check_options(option.get("options") or [], path, depth=depth + 1)
        return
    _check_choices(option, kind, path)
    if kind == OptionType.STRING:
        lowest = whole(option.get("min_length", 0), f"{path}.min_length", minimum=0, maximum=6_000)
        whole(option.get("max_length", 6_000), f"{path}.max_length", minimum=max(lowest, 1), maximum=6_000)


def _check_choices(option: Mapping[str, Any], kind: OptionType, path: str) -> None:
    choices = option.get("choices") or []
    require(not choices or kind in WITH_CHOICES, f"{path}.choices", f"a {kind.name} cannot have choices")
    require(not (choices and option.get("autocomplete")), path, "choices and autocomplete exclude each other")
    check_choices(choices, f"{path}.choices")


def check_choices(choices: object, path: str) -> list[dict[str, Any]]:
    """Return the choices when Discord would show them, in a command or as the answer to an autocomplete.

    Raises:
        Refusal: 50035, there are too many or one of them is too long.
    """
    accepted = array(choices, path, maximum=MAX_CHOICES)
    for index, choice in enumerate(accepted):
        text(choice.get("name"), f"{path}[{index}].name", maximum=MAX_CHOICE_LENGTH)
        value = choice.get("value")
        is_right = isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MAX_CHOICE_LENGTH)
        require(is_right, f"{path}[{index}].value", f"must be a number or up to {MAX_CHOICE_LENGTH} characters")
    return accepted


def _characters(thing: Mapping[str, Any]) -> int:
    """Count the characters of name, description and values, of everything inside too; the longest language counts."""
    own = _longest(thing, "name") + _longest(thing, "description")
    choices = sum(_longest(choice, "name") + len(str(choice["value"])) for choice in thing.get("choices") or [])
    return own + choices + sum(_characters(option) for option in thing.get("options") or [])


def _longest(thing: Mapping[str, Any], key: str) -> int:
    return max(len(words) for words in [thing[key], *(thing.get(f"{key}_localizations") or {}).values()])
