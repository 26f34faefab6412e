"""What Discord and Slack have in common for those who sit in front of them: messages, buttons, forms and panels.

A person reads what they see there and presses what they read; only how a message is found and pressed differs, and is
left to the two drivers.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from bot.actions import Action, mark
from bot.catalog import Catalogs
from core.records import FeedbackReason, RequestState, Thumb, WorkspaceSettings
from tests.parity.protocol import NO_WISH, Answer, Kept, Person, Refused, Wish
from tests.parity.reading import CARD_MARK, Seen, answer_in, good_news
from tests.parity.stage import Stage
from tests.parity.waiting import until

T = TypeVar("T")


class ChatPerson(Person, ABC):
    """Somebody in a channel."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._truth = stage.truth
        self._catalogs: Catalogs = stage.services.catalogs
        self._good_news = frozenset(good_news(self._catalogs))
        self._heard: frozenset[str] = frozenset()

    @abstractmethod
    def sees(self) -> Sequence[Seen]:
        """Return what the person sees now, oldest first."""

    @abstractmethod
    async def types(self, command: str, **options: object) -> None:
        """Use a command."""

    @abstractmethod
    async def clicks(self, seen: Seen, button_id: str) -> None:
        """Press a button that is there."""

    @abstractmethod
    async def sends_form(self, **answers: object) -> None:
        """Fill in the form that the last press opened, and send it."""

    @abstractmethod
    async def sends_idea(self, idea: str, wish: Wish) -> None:
        """Type `/mjprompt` with an idea and options."""

    async def begins(self, idea: str, wish: Wish = NO_WISH) -> str:
        return await self._gets_request(lambda: self.sends_idea(idea, wish))

    async def asks(self, idea: str, wish: Wish = NO_WISH) -> Answer:
        return await self.sees_answer(await self.begins(idea, wish))

    async def looks(self, request_id: str) -> Answer | None:
        card = self.card(request_id)
        return None if card is None else answer_in(card, request_id)

    async def sees_answer(self, request_id: str) -> Answer:
        def answer() -> Answer | None:
            card = self.card(request_id)
            shown = None if card is None else answer_in(card, request_id)
            return None if shown is None or shown.is_waiting else shown

        return await until(answer, f"answer to {request_id} that {type(self).__name__} sees")

    async def presses(self, prompt_id: str, thumb: Thumb) -> None:
        before = self._truth.presses_on(prompt_id)
        action = Action.UP if thumb is Thumb.UP else Action.DOWN
        await self._acts(
            lambda: self._clicks_card(action, prompt_id), lambda: self._truth.presses_on(prompt_id) > before
        )

    async def explains(
        self, prompt_id: str, *, reason: FeedbackReason | None = None, correction: str | None = None
    ) -> None:
        button = mark(Action.EXPLAIN, prompt_id)
        offered = await until(lambda: self._with(button), "offer to explain a 👎")
        query = "SELECT max(updated_at) FROM feedback WHERE candidate_id = ?"
        before = self._truth.value(query, prompt_id)
        await self.clicks(offered, button)
        answers = {"reason": reason and reason.value, "correction": correction}
        given = {name: answer for name, answer in answers.items() if answer is not None}
        await self._acts(lambda: self.sends_form(**given), lambda: self._truth.value(query, prompt_id) != before)

    async def varies(self, prompt_id: str) -> Answer:
        return await self._goes_on(lambda: self._clicks_card(Action.VARY, prompt_id))

    async def remixes(self, request_id: str, idea: str) -> Answer:
        await self._clicks_card(Action.REMIX, request_id)
        return await self._goes_on(lambda: self.sends_form(idea=idea))

    async def rerolls(self, request_id: str) -> Answer:
        return await self._goes_on(lambda: self._clicks_card(Action.REROLL, request_id))

    async def saves(self, prompt_id: str) -> bool:
        outcomes = [self._pattern("cards.done.saved"), self._pattern("cards.done.unsaved")]
        said = await self._hears(lambda: self._clicks_card(Action.SAVE, prompt_id), *outcomes)
        return said == self._text("cards.done.saved")

    async def shares(self, prompt_id: str) -> str:
        before = {seen.id for seen in self.sees()}
        await self._clicks_card(Action.SHARE, prompt_id)

        def shared() -> Seen | None:
            new = [seen for seen in self.sees() if seen.id not in before and not seen.is_private]
            return next((seen for seen in new if seen.prompts), None)

        return (await until(shared, "shared prompt")).text

    async def cancels(self, request_id: str) -> None:
        await self._acts(
            lambda: self._clicks_card(Action.CANCEL, request_id),
            lambda: self._truth.state_of(request_id) == RequestState.CANCELLED.value,
        )

    async def cancels_all(self) -> None:
        await self._hears(lambda: self.types("cancel"), self._pattern("cancel.done"), self._pattern("cancel.nothing"))

    async def deletes(self, request_id: str) -> None:
        await self._acts(
            lambda: self._clicks_card(Action.DELETE, request_id), lambda: self._truth.state_of(request_id) is None
        )
        await until(lambda: self.card(request_id) is None, "end of the deleted message")

    async def history(self) -> str:
        return "\n".join([page.text async for page in self._turns_pages("history")])

    async def favorites(self) -> str:
        return "\n".join([page.text async for page in self._turns_pages("favorites")])

    async def queue(self) -> str:
        return (await self._opens("queue")).text

    async def privacy(self) -> Kept:
        text = (await self._opens("privacy")).text
        counts = {name: self._count_in(text, name) for name in ("requests", "candidates", "votes", "feedback")}
        return Kept(
            **{f"num_{name}": count for name, count in counts.items()},
            num_favorites=self._count_in(text, "favorites"),
            has_consented=self._text("privacy.consent_on") in text,
        )

    async def exports(self) -> Mapping[str, object]:
        panel = await self._opens("privacy")
        await self._clicks_label(panel, "privacy.export")
        exported: Mapping[str, object] = json.loads(await until(self._exported, "export"))
        return exported

    async def consents(self, *, is_given: bool) -> None:
        panel = await self._opens("privacy")
        await self._clicks_label(panel, "privacy.allow" if is_given else "privacy.forbid")
        query = "SELECT c.is_given FROM consents c JOIN users u ON u.id = c.user_id WHERE u.external_id = ? "
        last = f"{query} ORDER BY c.id DESC LIMIT 1"
        await until(lambda: self._truth.value(last, self.external_id) == is_given, "consent on record")

    async def forgets_everything(self) -> None:
        panel = await self._opens("privacy")
        await self._clicks_label(panel, "privacy.delete")
        await self._confirms_forgetting()
        query = "SELECT count(*) FROM users WHERE external_id = ?"
        await until(lambda: self._truth.value(query, self.external_id) == 0, "end of everything about a person")

    async def model(self) -> str:
        return (await self._opens("model show")).text

    async def retrains(self) -> str:
        return await self._decides("retrain start")

    async def looks_at_the_plan(self) -> str:
        return await self._reads("retrain plan")

    async def looks_at_the_training(self) -> str:
        return await self._reads("retrain status")

    async def cancels_training(self) -> str:
        return await self._decides("retrain cancel")

    async def rolls_back(self) -> str:
        return await self._decides("model rollback")

    async def promotes(self, adapter: str) -> str:
        return await self._decides("model promote", adapter=adapter)

    async def forges(self, action: Action, target_id: str) -> None:
        await self._acts(lambda: self._clicks_forged(mark(action, target_id)), lambda: False)

    @abstractmethod
    async def changes_settings(self, settings: WorkspaceSettings) -> None: ...

    @abstractmethod
    async def _clicks_forged(self, button_id: str) -> None:
        """Press a button that the bot never sent, on any message of its own."""

    @abstractmethod
    async def _confirms_forgetting(self) -> None: ...

    @abstractmethod
    async def _decides(self, command: str, **options: object) -> str:
        """Use an operator's command and confirm it; return what the bot says then."""

    @abstractmethod
    def _exported(self) -> str | None:
        """Return the JSON of the export once it is there."""

    async def _goes_on(self, act: Callable[[], Any]) -> Answer:
        return await self.sees_answer(await self._gets_request(act))

    async def _gets_request(self, act: Callable[[], Any]) -> str:
        before = set(self._truth.requests_of(self.external_id))

        def new() -> str | None:
            return next((each for each in self._truth.requests_of(self.external_id) if each not in before), None)

        return await self._acts(act, new)

    async def _acts(self, act: Callable[[], Any], effect: Callable[[], T | None]) -> T:
        """Do something and return its effect.

        Raises:
            Refused: a private sentence came in its place.
        """
        self._listens()
        await act()

        def outcome() -> tuple[T | None, str | None] | None:
            found = effect()
            said = next(iter(self._new_sentences()), None)
            return None if not found and said is None else (found or None, said)

        found, said = await until(outcome, "effect or refusal")
        if found is None:
            raise Refused(said)
        return found

    async def _hears(self, act: Callable[[], Any], *awaited: str) -> str:
        """Do something and return the private sentence of those `awaited` patterns that answers it.

        Raises:
            Refused: another sentence came, which says no good news of something done before.
        """

        def sentence() -> str | None:
            answers = (text for text in self._private_sentences() if any(re.fullmatch(each, text) for each in awaited))
            return next(answers, None)

        return await self._acts(act, sentence)

    async def _opens(self, command: str) -> Seen:
        """Use a command that answers with a panel only the person sees."""
        self._listens()
        await self.types(command)

        return await until(self._new_panel, f"panel of /{command}")

    async def _reads(self, command: str) -> str:
        """Return the panel that a command shows to operators.

        Raises:
            Refused: it shows another sentence.
        """
        text = (await self._opens(command)).text
        if "Only operators" in text:
            raise Refused(text)
        return text

    async def _turns_pages(self, command: str) -> "Any":
        page = await self._opens(command)
        yield page
        older = self._text("lists.older")
        while any(button.label == older and button.is_enabled for button in page.buttons):
            text = page.text
            await self._clicks_label(page, "lists.older")
            found = await until(lambda now=page.id, was=text: self._changed(now, was), "older page")
            page = found
            yield page

    def _changed(self, message_id: str, text: str) -> Seen | None:
        return next((seen for seen in self.sees() if seen.id == message_id and seen.text not in ("", text)), None)

    async def _clicks_label(self, seen: Seen, key: str) -> None:
        label = self._text(key)
        button = next((each for each in seen.buttons if each.label == label), None)
        assert button is not None, f"There is no {label!r} among {seen.buttons}."
        await self.clicks(seen, button.id)

    async def _clicks_card(self, action: Action, target_id: str) -> None:
        button_id = mark(action, target_id)
        seen = self._with(button_id)
        assert seen is not None, f"Nobody shows {self.external_id} the button {button_id}."
        await self.clicks(seen, button_id)

    def _with(self, button_id: str) -> Seen | None:
        return next((seen for seen in self.sees() if seen.has(button_id)), None)

    def card(self, request_id: str) -> Seen | None:
        """Return the message of a request: a card, and no list that only names the request."""
        for seen in self.sees():
            is_card = all(CARD_MARK.fullmatch(button.id) for button in seen.buttons)
            if is_card and request_id in seen.targets(Action.CANCEL, Action.DELETE):
                return seen
        return None

    def _listens(self) -> None:
        """Tell what comes from now on from what was there."""
        self._heard = frozenset(seen.id for seen in self.sees())

    def _is_new(self, seen: Seen) -> bool:
        return seen.id not in self._heard and bool(seen.text)

    def _new_panel(self) -> Seen | None:
        """Return a private message that is no late sentence of something done before."""
        panels = (seen for seen in self.sees() if seen.is_private and self._is_new(seen))
        return next((seen for seen in panels if seen.text not in self._good_news), None)

    def _private_sentences(self) -> Iterator[str]:
        return (seen.text for seen in self.sees() if seen.is_private and self._is_new(seen) and not seen.buttons)

    def _new_sentences(self) -> Iterator[str]:
        """Return private sentences that say no good news; a message that waits for its answer is none."""
        placeholder = self._text("cards.placeholder")
        sentences = (text for text in self._private_sentences() if placeholder not in text)
        return (text for text in sentences if text not in self._good_news)

    def _count_in(self, text: str, name: str) -> int:
        match = re.search(self._pattern(f"privacy.{name}"), text)
        assert match is not None, f"The panel says nothing of {name}: {text}"
        return int(match[1])

    def _pattern(self, key: str) -> str:
        return re.escape(self._text(key, count="COUNT")).replace("COUNT", r"(\d+)")

    def _text(self, key: str, **values: object) -> str:
        return self._catalogs.text("en", key, **values)
