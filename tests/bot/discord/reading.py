"""What a person sees of a message in SimCord: its text and its buttons."""

from collections.abc import Iterator, Sequence
from typing import Any

from simcord.results import InteractionResult, ResponseMessage


def walked(components: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every component, those within others too."""
    for component in components:
        yield component
        yield from walked(component.get("components") or [])


def text_of(message: ResponseMessage | None) -> str:
    """Return all the text of a message."""
    assert message is not None, "there is no message"
    texts = [item["content"] for item in walked(message.components) if item["type"] == 10]
    return "\n".join([message.content, *texts]).strip()


def buttons_of(message: ResponseMessage | None) -> dict[str, str]:
    """Return the custom_ids of a message's enabled buttons by their labels; of equal labels the first one."""
    assert message is not None, "there is no message"
    found: dict[str, str] = {}
    for item in walked(message.components):
        if item["type"] == 2 and not item.get("disabled"):
            found.setdefault(item["label"], item["custom_id"])
    return found


def custom_ids_of(message: ResponseMessage | None, action: str) -> list[str]:
    """Return the custom_ids of one kind of button in their order: `up`, `vary`, …"""
    assert message is not None, "there is no message"
    ids = (item.get("custom_id", "") for item in walked(message.components) if item["type"] == 2)
    return [custom_id for custom_id in ids if custom_id.startswith(f"mj1:{action}:")]


def private_text(result: InteractionResult) -> str:
    """Return the text that only the person saw of a result: its ephemeral response, or its follow-ups."""
    messages = [message for message in (result.response, *result.followups) if message is not None]
    return "\n".join(text_of(message) for message in messages if message.ephemeral)
