"""Which slash commands a typed text may begin with."""

import pytest

from bot.commands import require_known_command
from core.errors import InvalidIdea


@pytest.mark.parametrize(
    "text",
    [
        "/mjprompt a boy running in the snow",
        "  /MJprompt\ta boy",
        "/mjprompt",
        "/imagine prompt: a boy",
        "a boy running in the snow",
        "and/or",
        "/ a slash by itself",
        "a boy /help",
        "",
    ],
)
def test_our_commands_and_plain_ideas_pass(text: str) -> None:
    require_known_command(text)


@pytest.mark.parametrize("text", ["/foo a boy", "/mjprompts a boy", " /help", "/describe"])
def test_another_slash_command_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidIdea, match=r"There is no command /\w+ here; type /mjprompt"):
        require_known_command(text)
