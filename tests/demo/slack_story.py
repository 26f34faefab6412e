"""The conversation on Slack, told in steps and drawn as it goes: commands, votes, a form, Save and the app's Home.

Alice's screen is drawn: what only others see is not on it.
"""

from collections.abc import Callable
from typing import TypeVar

from tests.demo.page import Conversation, narration_html
from tests.demo.slack_drawing import form_html, home_html, message_html
from tests.demo.steps import NUM_PROMPTS, Steps
from tests.fakes.slack.deliveries import Delivery
from tests.fakes.slack.messages import Message
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.views import View
from tests.fakes.slack.workspaces import Team

T = TypeVar("T")
IDEA = "a lighthouse in a storm --ar 16:9"
BEFORE_HER = ("a fox in a birch forest --private", "a castle on a cliff --private")
CORRECTION = "a lighthouse in a storm, huge waves, oil painting --ar 16:9"
REASON = "wrong_style"
ANSWER_SECONDS = 120.0
SHOWN_SECONDS = 20.0


class SlackStory:
    """One workspace with one channel, and the people in it."""

    def __init__(self, slack: FakeSlack, team: Team, steps: Steps) -> None:
        self._slack = slack
        self._steps = steps
        self._team = team
        self._channel = team.add_channel("prompts")
        self._alice = team.add_user("alice").at(self._channel)
        self._bob = team.add_user("bob").at(self._channel)

    async def told(self) -> Conversation:
        """Play it; return its drawing.

        Raises:
            DemoFailed: something was not acknowledged.
            AssertionError: something did not happen in time.
        """
        answer = await self._asked()
        await self._voted(answer)
        offer, form = await self._explained(answer)
        saved = [narration_html("alice presses Save below the first prompt"), await self._saved(answer)]
        refused = [narration_html("alice, who is no operator, sends /retrain"), await self._refused()]
        home = [narration_html("alice opens the app's Home"), await self._home()]
        votes = narration_html("bob presses 👍 below the first prompt, alice 👎 below the third")
        voted = [narration_html(f"alice sends /mjprompt {IDEA}"), message_html(answer), votes]
        return Conversation(
            platform="slack",
            place=self._team.name,
            channel=self._channel.name,
            pieces=[*voted, offer, form, *saved, *refused, *home],
            highlights=[*voted, form],
        )

    async def _asked(self) -> Message:
        for idea in BEFORE_HER:
            self._acknowledged(f"bob types /mjprompt {idea}", await self._bob.slash("/mjprompt", idea))
        self._acknowledged(f"alice types /mjprompt {IDEA}", await self._alice.slash("/mjprompt", IDEA))
        message = await self._shown(lambda: self._channel.newest, within_seconds=ANSWER_SECONDS)
        await self._shown(lambda: _is_waiting(message) or _is_answered(message))
        self._steps.tell(f"her message says: {message.text.splitlines()[-1]}")
        await self._shown(lambda: _is_answered(message), within_seconds=ANSWER_SECONDS)
        self._steps.tell(f"her message shows {NUM_PROMPTS} prompts")
        return message

    async def _voted(self, answer: Message) -> None:
        self._acknowledged("bob presses 👍 below the first prompt", await self._bob.click(answer, "👍"))
        await self._shown(lambda: answer.buttons[0][0] == "👍 1")
        self._steps.tell("everybody sees 👍 1")

    async def _explained(self, answer: Message) -> tuple[str, str]:
        self._acknowledged("alice presses 👎 below the third prompt", await self._alice.click(answer, "👎", nth=2))
        offer = await self._private_answer(lambda message: bool(message.buttons))
        drawn = message_html(offer)
        pressed = await self._alice.click(offer, offer.buttons[0][0])
        form = await self._shown(lambda: self._alice.person.form)
        self._acknowledged("alice presses Tell us why, and a form opens", pressed)
        given = {"reason": REASON, "correction": CORRECTION}
        filled = form_html(form, given)
        self._acknowledged("alice sends a reason and a better prompt", await self._alice.submit(form, given))
        self._steps.tell(f"the form says: {form.text}")
        await self._shown(lambda: [label for label, _, _ in answer.buttons if label == "👎 1"])
        return drawn, filled

    async def _saved(self, answer: Message) -> str:
        self._acknowledged("alice presses Save below the first prompt", await self._alice.click(answer, "Save"))
        saved = await self._private_answer(lambda message: not message.buttons)
        self._steps.tell(f"only she sees: {saved.text}")
        return message_html(saved)

    async def _refused(self) -> str:
        before = len(self._alice.sees())
        self._acknowledged("alice, who is no operator, types /retrain", await self._alice.slash("/retrain"))
        await self._shown(lambda: len(self._alice.sees()) > before)
        refusal = self._alice.sees()[-1]
        self._steps.tell(f"only she sees: {refusal.text}")
        return message_html(refusal)

    async def _home(self) -> str:
        self._acknowledged("alice opens the app's Home", await self._alice.person.opens_home())
        home = await self._shown(lambda: self._alice.person.home)
        self._steps.tell(f"her Home shows: {' · '.join(_headings(home))}")
        return home_html(home, num_parts=2)

    async def _private_answer(self, fits: Callable[[Message], bool]) -> Message:
        return await self._shown(
            lambda: next((each for each in reversed(self._alice.sees()) if each.is_ephemeral and fits(each)), None)
        )

    async def _shown(self, find: Callable[[], T | None], *, within_seconds: float = SHOWN_SECONDS) -> T:
        return await self._slack.wait_for(find, within_seconds=within_seconds)

    def _acknowledged(self, what: str, delivery: Delivery) -> None:
        self._steps.acknowledged(what, delivery.acked_after_seconds)


def _is_waiting(message: Message) -> bool:
    return any(mark.startswith("mj1:cancel:") for _, mark, _ in message.buttons)


def _is_answered(message: Message) -> bool:
    return sum(mark.startswith("mj1:up:") for _, mark, _ in message.buttons) == NUM_PROMPTS


def _headings(home: View) -> list[str]:
    return [block["text"]["text"] for block in home.blocks if block["type"] == "header"]
