"""The conversation on Discord, from the first idea to the last button, told in steps and drawn as it goes.

Alice's screen is drawn: what only others see is not on it.
"""

from collections.abc import Callable

from tests.demo.discord_drawing import form_html, message_html
from tests.demo.page import Conversation, narration_html
from tests.demo.steps import NUM_PROMPTS, DemoFailed, Steps
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Message
from tests.fakes.discord.modal_limits import Modal
from tests.fakes.discord.permissions import Permission
from tests.fakes.discord.server import FakeDiscord

IDEA = "a boy running in the snow"
BEFORE_HER = ("a fox in a birch forest", "a castle on a cliff")
CORRECTION = "a boy running through deep snow, winter morning light, 35mm photograph --ar 3:2"
REASON = "off_topic"
ANSWER_SECONDS = 120.0
SHOWN_SECONDS = 20.0


class DiscordStory:
    """One server with one channel, and the people in it."""

    def __init__(self, discord: FakeDiscord, steps: Steps, place: str) -> None:
        self._discord = discord
        self._steps = steps
        self._place = place
        guild = discord.add_guild(place)
        self._channel = guild.add_channel("prompts")
        owner = discord.add_user("alice")
        guild.add_member(owner, permissions=Permission.ADMINISTRATOR)
        self._alice = owner.at(self._channel)
        self._bob = discord.add_user("bob").at(self._channel)

    async def told(self) -> Conversation:
        """Play it; return its drawing.

        Raises:
            DemoFailed: something was not acknowledged.
            AssertionError: something did not happen in time.
        """
        answer = await self._asked()
        await self._voted(answer)
        offer, form = await self._explained(answer)
        refused, privacy = await self._commands()
        varied = [narration_html("alice presses Vary below the third prompt"), await self._varied(answer)]
        votes = narration_html("bob presses 👍 below the first prompt, alice 👎 below the second")
        voted = [message_html(answer), votes, offer]
        return Conversation(
            platform="discord",
            place=self._place,
            channel=self._channel.name,
            pieces=[*voted, form, refused, privacy, *varied],
            highlights=[*voted, *varied],
        )

    async def _asked(self) -> Message:
        await self._line_forms()
        asked = await self._alice.slash("mjprompt", idea=IDEA)
        self._steps.acknowledged(f"alice types /mjprompt {IDEA}", asked.acked_after_seconds)
        message = _response(asked)
        await self._discord.wait_for(lambda: _is_waiting(message) or _is_answered(message), what="place in the line")
        self._steps.tell(f"her message says: {_last_line(message)}")
        await self._answered(message)
        return message

    async def _line_forms(self) -> None:
        """Have bob ask first, in private, so that alice has to wait."""
        for idea in BEFORE_HER:
            asked = await self._bob.slash("mjprompt", idea=idea, private=True)
            self._steps.acknowledged(f"bob asks in private for {idea}", asked.acked_after_seconds)

    async def _answered(self, message: Message) -> None:
        await self._discord.wait_for(
            lambda: _is_answered(message), timeout_seconds=ANSWER_SECONDS, what=f"{NUM_PROMPTS} prompts"
        )
        self._steps.tell(f"her message shows {NUM_PROMPTS} prompts")

    async def _voted(self, answer: Message) -> None:
        liked = await self._bob.click(answer, _marks(answer, "up")[0])
        self._steps.acknowledged("bob presses 👍 below the first prompt", liked.acked_after_seconds)
        await self._shows(lambda: answer.buttons[0][0] == "👍 1", "bob's vote")
        self._steps.tell("everybody sees 👍 1")

    async def _explained(self, answer: Message) -> tuple[str, str]:
        disliked = await self._alice.click(answer, _marks(answer, "down")[1])
        self._steps.acknowledged("alice presses 👎 below the second prompt", disliked.acked_after_seconds)
        await self._shows(lambda: disliked.followups and ("👎 1" in _labels(answer)), "alice's vote")
        offer = disliked.followups[0]
        opened = await self._alice.click(offer, offer.buttons[0][0])
        self._steps.acknowledged("alice presses Tell us why, and a form opens", opened.acked_after_seconds)
        form, given = _form(opened), {"reason": REASON, "correction": CORRECTION}
        sent = await self._alice.submit(opened, given)
        self._steps.acknowledged("alice sends a reason and a better prompt", sent.acked_after_seconds)
        thanks = await self._private_answer(sent)
        self._steps.tell(f"only she sees: {thanks.text}")
        return message_html(offer), form_html(form, given)

    async def _commands(self) -> tuple[str, str]:
        retrain = await self._alice.slash("retrain start")
        self._steps.acknowledged(
            "alice, admin of this server but no operator, types /retrain start", retrain.acked_after_seconds
        )
        refusal = await self._private_answer(retrain)
        self._steps.tell(f"only she sees: {refusal.text}")
        privacy = await self._alice.slash("privacy")
        self._steps.acknowledged("alice types /privacy", privacy.acked_after_seconds)
        panel = await self._private_answer(privacy)
        self._steps.tell(f"only she sees: {' · '.join(panel.text.splitlines()[1:4])}")
        return message_html(refusal), message_html(panel)

    async def _varied(self, answer: Message) -> str:
        """Have alice vary a prompt; return the new message as it waits."""
        await self._line_forms()
        pressed = await self._alice.click(answer, _marks(answer, "vary")[2])
        self._steps.acknowledged("alice presses Vary below the third prompt", pressed.acked_after_seconds)
        message = _response(pressed)
        await self._discord.wait_for(lambda: _is_waiting(message) or _is_answered(message), what="place in the line")
        self._steps.tell(f"her message says: {_last_line(message)}")
        drawn = message_html(message)
        await self._answered(message)
        return drawn

    async def _private_answer(self, interaction: Interaction) -> Message:
        await self._shows(lambda: _privately(interaction), "a private answer")
        return _privately(interaction)[-1]

    async def _shows(self, seen: Callable[[], object], what: str) -> None:
        await self._discord.wait_for(seen, timeout_seconds=SHOWN_SECONDS, what=what)


def _response(interaction: Interaction) -> Message:
    if interaction.response is None:
        raise DemoFailed("Discord: the command was acknowledged without a message.")
    return interaction.response


def _form(interaction: Interaction) -> Modal:
    if interaction.modal is None:
        raise DemoFailed("Discord: the button opened no form.")
    return interaction.modal


def _privately(interaction: Interaction) -> list[Message]:
    messages = [*([interaction.response] if interaction.response else []), *interaction.followups]
    return [each for each in messages if each.is_ephemeral and each.text]


def _marks(message: Message, action: str) -> list[str]:
    """Return the custom_ids of one kind of button, from top to bottom."""
    return [mark for _, mark in message.buttons if mark is not None and mark.startswith(f"mj1:{action}:")]


def _labels(message: Message) -> list[str]:
    return [label for label, _ in message.buttons]


def _is_waiting(message: Message) -> bool:
    return bool(_marks(message, "cancel"))


def _is_answered(message: Message) -> bool:
    return len(_marks(message, "up")) == NUM_PROMPTS


def _last_line(message: Message) -> str:
    return message.text.splitlines()[-1]
