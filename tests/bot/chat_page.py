"""The chat as a person meets it: one browser window, with what went wrong in its console."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

IDEA = "a boy running in the snow"
PATIENCE_MILLISECONDS = 20_000  # on a machine that does much else


@dataclass(kw_only=True)
class ChatPage:
    """One browser window on the chat, and what went wrong in its console."""

    page: Page
    context: BrowserContext
    problems: list[str] = field(default_factory=list)

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Your idea")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def panel(self) -> Locator:
        return self.page.get_by_role("dialog")

    @property
    def cards(self) -> Locator:
        return self.page.get_by_role("list", name="Prompts").get_by_role("listitem")

    def thumb(self, direction: str, rank: int = 1) -> Locator:
        return self.page.get_by_role("button", name=f"Thumb {direction} for prompt {rank},").last

    async def ask(self, idea: str = IDEA) -> None:
        await self.box.fill(idea)
        await self.box.press("Enter")

    async def ask_and_wait(self, idea: str = IDEA) -> None:
        before = await self.cards.count()
        await self.ask(idea)
        await expect(self.cards).to_have_count(before + 4)

    async def command(self, name: str) -> None:
        """Type one of the page's own commands and send it."""
        await self.box.fill(name)
        await self.box.press("Escape")  # closes the list of commands, so that Enter sends what stands there
        await self.box.press("Enter")

    def note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def forgive_failed_loads(self) -> None:
        """Chromium reports every 4xx and lost connection in the console; some tests make them happen."""
        self.problems = [problem for problem in self.problems if not problem.startswith("Failed to load resource")]


expect.set_options(timeout=PATIENCE_MILLISECONDS)


@asynccontextmanager
async def open_chat(chromium: Browser, address: str, *, visitor: str | None = None) -> AsyncIterator[ChatPage]:
    """Open the chat in a fresh browser profile, as `visitor` where given; its console must stay free of errors."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 900}, base_url=address)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    if visitor is not None:
        await context.add_cookies([{"name": "mjprompt_visitor", "value": visitor, "url": address}])
    page = await context.new_page()
    chat = ChatPage(page=page, context=context)
    page.on("console", chat.note)
    page.on("pageerror", lambda error: chat.problems.append(str(error)))
    await page.goto("/")
    await expect(page.get_by_role("heading", name="What do you want to see?")).to_be_visible()
    yield chat
    await context.close()
    assert chat.problems == []
