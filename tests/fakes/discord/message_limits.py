"""What Discord accepts as a message: a new one, and a change of one.

Everything that has no answer of its own at Discord but that no message of ours may do is told by `could_ping`.
"""

from collections.abc import Mapping
from typing import Any

from tests.fakes.discord.checks import array, optional_text, require
from tests.fakes.discord.component_limits import check_components
from tests.fakes.discord.components import Kind, number, texts_of, walk
from tests.fakes.discord.errors import empty_message
from tests.fakes.discord.messages import Message, MessageFlag

MAX_CONTENT_LENGTH = 2_000
MAX_EMBEDS = 10
MAX_EMBED_CHARACTERS = 6_000
MAX_NONCE_LENGTH = 25
MAX_FILES = 10

FLAGS_OF_NEW = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.IS_COMPONENTS_V2
FLAGS_OF_EDIT = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.IS_COMPONENTS_V2


def read_new(body: Mapping[str, Any], files: Mapping[str, bytes], *, can_be_ephemeral: bool) -> dict[str, Any]:
    """Return the fields of the message that `body` makes.

    Raises:
        Refusal: 50035 or 50006, Discord would not accept it.
    """
    optional_text(body.get("nonce"), "nonce", maximum=MAX_NONCE_LENGTH)
    allowed = FLAGS_OF_NEW | (MessageFlag.EPHEMERAL if can_be_ephemeral else 0)
    values = _read(body, files, flags=_flags(body, allowed))
    if not any((values["content"].strip(), values["embeds"], values["components"], files)):
        raise empty_message()
    return values


def read_edit(message: Message, body: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the fields of `message` after the change that `body` describes; absent keys change nothing.

    Raises:
        Refusal: 50035, Discord would not accept it.
    """
    requested = _flags(body, FLAGS_OF_EDIT)
    is_kept = "flags" not in body or not message.is_v2 or MessageFlag.IS_COMPONENTS_V2 in requested
    require(is_kept, "flags", "IS_COMPONENTS_V2 cannot be removed")
    present = {"content": message.content, "embeds": message.embeds, "components": message.components}
    kept = message.flags & ~MessageFlag.LOADING
    return _read({**present, **body}, {**message.files, **files}, flags=kept | requested)


def could_ping(body: Mapping[str, Any]) -> bool:
    """Tell whether the text in `body` may mention people because nothing forbids it."""
    has_text = any((body.get("content"), body.get("embeds"), texts_of(body.get("components") or [])))
    allowed = body.get("allowed_mentions")
    return has_text and not (isinstance(allowed, dict) and allowed.get("parse") == [])


def _flags(body: Mapping[str, Any], allowed: MessageFlag) -> MessageFlag:
    flags = MessageFlag(body.get("flags") or 0)
    require(not flags & ~allowed, "flags", f"{flags & ~allowed!r} cannot be set here")
    return flags


def _read(body: Mapping[str, Any], files: Mapping[str, bytes], *, flags: MessageFlag) -> dict[str, Any]:
    is_v2 = MessageFlag.IS_COMPONENTS_V2 in flags
    content, embeds, components = body.get("content") or "", body.get("embeds") or [], body.get("components") or []
    optional_text(content, "content", maximum=MAX_CONTENT_LENGTH)
    _check_embeds(embeds)
    check_components(components, is_v2=is_v2)
    _check_files(components, files)
    if is_v2:
        require(not content and not embeds, "content", "IS_COMPONENTS_V2 allows no content and no embeds")
        require(bool(components), "components", "IS_COMPONENTS_V2 needs components")
    number(components)
    return {"content": content, "embeds": embeds, "components": components, "flags": flags}


def _check_embeds(embeds: object) -> None:
    accepted = array(embeds, "embeds", maximum=MAX_EMBEDS)
    for index, embed in enumerate(accepted):
        optional_text(embed.get("title"), f"embeds[{index}].title", maximum=256)
        optional_text(embed.get("description"), f"embeds[{index}].description", maximum=4_096)
        for each in array(embed.get("fields") or [], f"embeds[{index}].fields", maximum=25):
            optional_text(each.get("name"), f"embeds[{index}].fields.name", minimum=1, maximum=256)
            optional_text(each.get("value"), f"embeds[{index}].fields.value", minimum=1, maximum=1_024)
    length = sum(_embed_length(embed) for embed in accepted)
    require(length <= MAX_EMBED_CHARACTERS, "embeds", f"at most {MAX_EMBED_CHARACTERS} characters, not {length}")


def _embed_length(embed: Mapping[str, Any]) -> int:
    own = [embed.get("title"), embed.get("description"), (embed.get("footer") or {}).get("text")]
    fields = [each.get(key) for each in embed.get("fields") or [] for key in ("name", "value")]
    return sum(len(part or "") for part in own + fields)


def _check_files(components: list[dict[str, Any]], files: Mapping[str, bytes]) -> None:
    require(len(files) <= MAX_FILES, "files", f"at most {MAX_FILES}, not {len(files)}")
    for component in walk(components):
        if component["type"] == Kind.FILE:
            name = component["file"]["url"].removeprefix("attachment://")
            require(name in files, "components.file", f"no file called {name!r} came along")
