"""The commands that a bot registered, and what Discord's client makes of what a person types.

A client refuses before the bot hears of it: hidden commands, missing or unknown options, values out of range.
"""

from collections.abc import Mapping
from typing import Any

from tests.fakes.discord.command_limits import CHAT_INPUT, SUBCOMMANDS, OptionType, check_commands
from tests.fakes.discord.errors import NotPossible
from tests.fakes.discord.ids import Snowflakes
from tests.fakes.discord.interactions import GUILD_INSTALL, USER_INSTALL, Context, context_of
from tests.fakes.discord.permissions import Permission
from tests.fakes.discord.world import Channel, User

Command = dict[str, Any]
MAX_INTEGER = 2**53


class Commands:
    """The registered commands; key None holds those that exist everywhere, the others are of one guild."""

    def __init__(self, ids: Snowflakes, application_id: str) -> None:
        self._ids = ids
        self._application_id = application_id
        self._registered: dict[str | None, list[Command]] = {}
        self.num_syncs = 0

    def of(self, guild_id: str | None) -> list[Command]:
        """Return what is registered for this guild only, or everywhere for None."""
        return self._registered.get(guild_id, [])

    def register(self, guild_id: str | None, commands: object) -> list[Command]:
        """Replace the commands; those that keep their name keep their id.

        Raises:
            Refusal: 50035, one of them breaks a limit.
        """
        self.num_syncs += 1
        known = {command["name"]: command["id"] for command in self.of(guild_id)}
        accepted = check_commands(commands)
        self._registered[guild_id] = [
            self._complete(command, guild_id, known.get(command["name"]) or self._ids.next()) for command in accepted
        ]
        return self.of(guild_id)

    def seen_by(self, user: User, channel: Channel) -> list[Command]:
        """Return the slash commands that Discord offers to this person here."""
        own = self.of(channel.guild.id) if channel.guild else []
        every = [command for command in own + self.of(None) if command["type"] == CHAT_INPUT]
        return [
            command for command in every if owners_of(command, user, channel) and _is_allowed(command, user, channel)
        ]

    def find(self, name: str, user: User, channel: Channel) -> Command:
        """Return the command called `name`.

        Raises:
            NotPossible: there is none, or this person does not see it here.
        """
        seen = self.seen_by(user, channel)
        for command in seen:
            if command["name"] == name:
                return command
        raise NotPossible(f"{user.name} sees no /{name} here, only {[command['name'] for command in seen]}")

    def _complete(self, command: Command, guild_id: str | None, command_id: str) -> Command:
        permissions = command.get("default_member_permissions")
        return {
            "type": CHAT_INPUT,
            "description": "",
            "nsfw": False,
            "dm_permission": True,
            "contexts": None,
            "options": [],
            **command,
            "integration_types": command.get("integration_types") or [0],
            "id": command_id,
            "application_id": self._application_id,
            "version": self._ids.next(),
            "default_member_permissions": None if permissions is None else str(permissions),
            **({} if guild_id is None else {"guild_id": guild_id}),
        }


def owners_of(command: Mapping[str, Any], user: User, channel: Channel) -> dict[str, str]:
    """Return the installs that offer `command` here; empty when none does.

    As at Discord, `dm_permission` counts only where there are no `contexts`.
    """
    everywhere = [*Context] if command["dm_permission"] else [Context.GUILD]
    contexts = everywhere if command["contexts"] is None else command["contexts"]
    if context_of(channel) not in contexts:
        return {}
    offered = installs_at(user, channel)
    return {install: owner for install, owner in offered.items() if int(install) in command["integration_types"]}


def installs_at(user: User, channel: Channel) -> dict[str, str]:
    """Return every install of the bot that counts here: of the guild, of the person."""
    installs = {USER_INSTALL: user.id} if user.has_installed_app else {}
    if channel.guild is not None and channel.guild.is_bot_member:
        installs[GUILD_INSTALL] = channel.guild.id
    if context_of(channel) == Context.BOT_DIRECT:
        installs[GUILD_INSTALL] = "0"
    return installs


def _is_allowed(command: Mapping[str, Any], user: User, channel: Channel) -> bool:
    if channel.guild is None:
        return True
    permissions = channel.guild.permissions_of(user)
    if Permission.ADMINISTRATOR in permissions:
        return True
    if command["name"] in channel.guild.overrides:
        return channel.guild.overrides[command["name"]]
    needed = command["default_member_permissions"]
    if needed is None:
        return Permission.USE_APPLICATION_COMMANDS in permissions
    return int(needed) != 0 and Permission(int(needed)) in permissions


def typed(command: Command, path: list[str], values: Mapping[str, Any], focused: str | None = None) -> Command:
    """Return the data of an interaction in which somebody typed `values` into the (sub)command at `path`.

    `focused` is the option that they are still typing, whose choices they ask for.

    Raises:
        NotPossible: the client would not send that.
    """
    leaf = _walk(command, path)
    options = [_option(leaf, name, value, focused) for name, value in values.items()]
    if focused is None:
        required = [option["name"] for option in leaf.get("options") or [] if option.get("required")]
        missing = [name for name in required if name not in values]
        if missing:
            raise NotPossible(f"/{' '.join([command['name'], *path])} needs {', '.join(missing)}")
    for depth in reversed(range(len(path))):
        kind = OptionType.SUBCOMMAND if depth == len(path) - 1 else OptionType.SUBCOMMAND_GROUP
        options = [{"name": path[depth], "type": int(kind), "options": options}]
    data = {"id": command["id"], "name": command["name"], "type": CHAT_INPUT, "options": options}
    return {**data, "guild_id": command["guild_id"]} if "guild_id" in command else data


def _walk(command: Command, path: list[str]) -> Command:
    leaf = command
    for name in path:
        leaf = next((each for each in leaf.get("options") or [] if each["name"] == name), {})
        if leaf.get("type") not in SUBCOMMANDS:
            raise NotPossible(f"/{command['name']} has no subcommand {name!r}")
    inside = [option["name"] for option in leaf.get("options") or [] if option["type"] in SUBCOMMANDS]
    if inside:
        raise NotPossible(f"/{command['name']} needs one of its subcommands: {', '.join(inside)}")
    return leaf


def _option(leaf: Command, name: str, value: Any, focused: str | None) -> Command:
    option = next((each for each in leaf.get("options") or [] if each["name"] == name), None)
    if option is None:
        raise NotPossible(f"{leaf['name']} has no option {name!r}")
    written = {"name": name, "type": option["type"], "value": value}
    if name == focused:
        if not option.get("autocomplete"):
            raise NotPossible(f"{name} has no autocomplete")
        return {**written, "value": str(value), "focused": True}
    _check_value(option, value)
    return written


def _check_value(option: Command, value: Any) -> None:
    match OptionType(option["type"]):
        case OptionType.STRING:
            is_right = isinstance(value, str) and _is_between(len(value), option, "length", 1, 6_000)
        case OptionType.INTEGER:
            is_right = type(value) is int and _is_between(value, option, "value", -MAX_INTEGER, MAX_INTEGER)
        case OptionType.NUMBER:
            is_right = type(value) in (int, float) and _is_between(value, option, "value", -MAX_INTEGER, MAX_INTEGER)
        case OptionType.BOOLEAN:
            is_right = isinstance(value, bool)
        case kind:
            raise NotPossible(f"This fake cannot fill in options of type {kind.name}")
    choices = [choice["value"] for choice in option.get("choices") or []]
    if not is_right or (choices and value not in choices):
        raise NotPossible(f"The client refuses {value!r} for {option['name']}: {option}")


def _is_between(number: float, option: Command, what: str, lowest: float, highest: float) -> bool:
    return bool(option.get(f"min_{what}", lowest) <= number <= option.get(f"max_{what}", highest))
