"""The world as Discord writes it: plain dictionaries with every field that discord.py reads.

https://discord.com/developers/docs/resources; unset optional fields are left out or null, as there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.fakes.discord.permissions import EVERYONE, Permission

if TYPE_CHECKING:
    from tests.fakes.discord.messages import Attachment, Message
    from tests.fakes.discord.world import Channel, Guild, User

Payload = dict[str, Any]
JOINED_AT = "2024-01-01T00:00:00.000000+00:00"
CDN = "https://cdn.discordapp.example"

# fmt: off
EMPTY_IN_GUILD = (
    "emojis", "features", "stickers", "voice_states", "threads", "presences", "stage_instances",
    "guild_scheduled_events", "soundboard_sounds",
)
UNSET_IN_GUILD = (
    "icon", "splash", "discovery_splash", "afk_channel_id", "application_id", "system_channel_id", "banner",
    "rules_channel_id", "public_updates_channel_id", "vanity_url_code", "description",
)
ZERO_IN_GUILD = (
    "verification_level", "default_message_notifications", "explicit_content_filter", "mfa_level",
    "system_channel_flags", "premium_tier", "premium_subscription_count", "nsfw_level",
)
# fmt: on


def time_of(seconds: float | None) -> str | None:
    """Write a time as Discord does; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def user(person: User) -> Payload:
    return {
        "id": person.id,
        "username": person.name,
        "global_name": None if person.is_bot else person.name.title(),
        "discriminator": "0",
        "avatar": None,
        "bot": person.is_bot,
        "public_flags": 0,
    }


def member(person: User, permissions: Permission | None = None) -> Payload:
    """Write a member of a guild; `permissions` only come with interactions."""
    written: Payload = {
        "user": user(person),
        "nick": None,
        "avatar": None,
        "roles": [],
        "joined_at": JOINED_AT,
        "premium_since": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }
    return written if permissions is None else {**written, "permissions": str(int(permissions))}


def channel(place: Channel) -> Payload:
    written: Payload = {"id": place.id, "type": int(place.type), "last_message_id": None, "flags": 0}
    if place.guild is None:
        return {**written, "name": place.name, "icon": None, "owner_id": None, "recipients": _recipients(place)}
    return {
        **written,
        "guild_id": place.guild.id,
        "name": place.name,
        "position": 0,
        "parent_id": None,
        "topic": None,
        "nsfw": False,
        "rate_limit_per_user": 0,
        "permission_overwrites": _overwrites(place),
    }


def _recipients(place: Channel) -> list[Payload]:
    return [user(person) for person in place.people]


def _overwrites(place: Channel) -> list[Payload]:
    assert place.guild is not None
    denied = Permission(0)
    denied |= Permission(0) if place.can_view else Permission.VIEW_CHANNEL
    denied |= Permission(0) if place.can_send else Permission.SEND_MESSAGES
    return [{"id": place.guild.id, "type": 0, "allow": "0", "deny": str(int(denied))}] if denied else []


def guild(server: Guild, bot: User) -> Payload:
    everyone = {
        "id": server.id,
        "name": "@everyone",
        "permissions": str(int(EVERYONE)),
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "position": 0,
        "flags": 0,
    }
    return {
        **{key: [] for key in EMPTY_IN_GUILD},
        **dict.fromkeys(UNSET_IN_GUILD),
        **dict.fromkeys(ZERO_IN_GUILD, 0),
        "id": server.id,
        "name": server.name,
        "owner_id": next(iter(server.members), bot.id),
        "preferred_locale": server.locale,
        "afk_timeout": 300,
        "premium_progress_bar_enabled": False,
        "joined_at": JOINED_AT,
        "large": False,
        "unavailable": False,
        "member_count": len(server.members) + 1,
        "roles": [everyone],
        "members": [member(bot)],
        "channels": [channel(place) for place in server.channels if not place.is_deleted],
    }


def message(post: Message) -> Payload:
    written: Payload = {
        "id": post.id,
        "channel_id": post.channel.id,
        "author": user(post.author),
        "content": post.content,
        "timestamp": time_of(post.created_at),
        "edited_timestamp": time_of(post.edited_at),
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [_attachment(each) for each in post.attachments],
        "embeds": post.embeds,
        "components": post.components,
        "pinned": False,
        "type": 0,
        "flags": int(post.flags),
    }
    if post.nonce is not None:
        written["nonce"] = post.nonce
    if post.reply_to is not None:
        written |= {"type": 19, "message_reference": {"channel_id": post.channel.id, "message_id": post.reply_to}}
    if post.interaction is not None:
        written |= _interaction_fields(post)
    return written


def _interaction_fields(post: Message) -> Payload:
    assert post.interaction is not None
    application_id = post.author.id
    metadata = {
        "id": post.interaction.id,
        "type": int(post.interaction.kind),
        "user": user(post.interaction.user),
        "authorizing_integration_owners": post.interaction.owners,
    }
    return {"application_id": application_id, "webhook_id": application_id, "interaction_metadata": metadata}


def _attachment(file: Attachment) -> Payload:
    url = f"{CDN}/attachments/{file.id}/{file.filename}"
    return {"id": file.id, "filename": file.filename, "size": len(file.content), "url": url, "proxy_url": url}
