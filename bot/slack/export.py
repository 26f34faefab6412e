"""A person's data as JSON, all of it: in one private message where it fits, else in numbered direct messages.

The app may not upload files, and asks for no scope to: what is long is cut into parts that give the whole again when
they are put together in order.
"""

import json
from collections.abc import Iterator, Sequence

from bot.slack.blocks import Block, message, plain_section, verbatim
from bot.slack.call import Call
from bot.slack.desk import Desk

PART_CHARACTERS = 2900  # of one block, below the 3000 of a text
PARTS_A_MESSAGE = 10  # keeps a message's JSON far below what Slack takes


async def send_export(desk: Desk, call: Call, _: str | None = None) -> None:
    """Give the person everything that is kept about them."""
    await call.acknowledge()
    data = await desk.services.privacy.export(call.identity)
    speech = await desk.speech_for(call.identity)
    messages = list(parts_of(json.dumps(data, ensure_ascii=True, indent=1)))
    title = speech("privacy.export_ready")
    if len(messages) == 1 and not call.is_on_home:
        await desk.replies.show(call, message([title], [plain_section(title), *messages[0]]))
        return
    for number, blocks in enumerate(messages, start=1):
        line = f"{title} {number}/{len(messages)}"
        await desk.replies.directly(call, message([line], [plain_section(line), *blocks]))


def parts_of(text: str) -> Iterator[Sequence[Block]]:
    """Yield the blocks of each message; all their texts put together are `text`, to the last character."""
    parts = [text[start : start + PART_CHARACTERS] for start in range(0, len(text), PART_CHARACTERS)]
    for start in range(0, len(parts), PARTS_A_MESSAGE):
        yield [verbatim(part) for part in parts[start : start + PARTS_A_MESSAGE]]
