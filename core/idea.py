"""Read what a person typed after the slash command into an idea that is safe to queue, show and answer.

Every refusal is one calm sentence that names the value and the cure. Refused are Markdown that would format, hide or
link something where the prompt is pasted, mentions, links within the text and permutations (several jobs in one).
"""

import re
import unicodedata
from dataclasses import dataclass

from core.characters import shown, unreadable_character
from core.errors import InvalidIdea
from core.markup import find_formatting, find_link, find_mention
from core.parameters import Prompt, has_permutations, parse, render_parameters, require_valid

MAX_IDEA_CHARACTERS = 300

_WHITE = " \t\r\n\u00a0\u3000"
_COMMAND = re.compile(r"\A/(?:mjprompt|imagine)(?:\s+|$)(?:prompt:\s*)?", re.IGNORECASE)
_PERMUTATION = re.compile(r"\{[^{}]*\}")
_EXAMPLE = "for example: a boy running in the snow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """One accepted idea.

    `idea` is the whole of it after cleaning, `subject` its text alone, `parameters` the canonical rendering
    of the person's own parameters (may be empty), `images` their leading image links.
    """

    idea: str
    subject: str
    parameters: str
    images: tuple[str, ...]


def read_idea(text: str, *, version: str) -> Idea:
    """Clean and check an idea for `version`; a leading `/mjprompt` or `/imagine prompt:` is dropped.

    Raises:
        InvalidIdea: it is empty, too long, unreadable, without words, or holds what cannot be taken.
        InvalidParameter: one of the person's own parameters is not valid in the version.
    """
    cleaned = _cleaned(text)
    _require_harmless(cleaned)
    prompt = parse(cleaned)
    _require_words(prompt, cleaned)
    require_valid(prompt, version)
    return Idea(idea=cleaned, subject=prompt.text, parameters=render_parameters(prompt), images=prompt.images)


def _cleaned(text: str) -> str:
    """Return the idea in NFC, with single spaces, without command."""
    trimmed = _COMMAND.sub("", text.strip(_WHITE), count=1).strip(_WHITE)
    # NFC shortens at most to a quarter here; longer text is not worth normalising to be counted.
    normal = trimmed if len(trimmed) > MAX_IDEA_CHARACTERS * 4 else unicodedata.normalize("NFC", trimmed)
    if len(normal) > MAX_IDEA_CHARACTERS:
        raise InvalidIdea(
            f"The idea has {len(normal)} characters, but at most {MAX_IDEA_CHARACTERS} are taken; shorten it."
        )
    unreadable = unreadable_character(normal)
    if unreadable:
        raise InvalidIdea(f"The idea holds {unreadable}, which cannot be taken; type it again without that.")
    cleaned = " ".join(normal.split())
    if not cleaned:
        raise InvalidIdea(f"The idea is empty; type what the picture should show, {_EXAMPLE}.")
    return cleaned


def _require_harmless(cleaned: str) -> None:
    mention = find_mention(cleaned)
    if mention:
        raise InvalidIdea(f"The idea holds the mention {shown(mention)}, which cannot be taken; leave it out.")
    formatting = find_formatting(cleaned)
    if formatting:
        raise InvalidIdea(f"The idea holds the formatting {shown(formatting)}, which cannot be taken; leave it out.")
    if has_permutations(cleaned):
        group = _PERMUTATION.search(cleaned)
        raise InvalidIdea(
            f"The braces in {shown(group.group() if group else cleaned)} would make several prompts at once; "
            "choose one of the options, or ask once for each."
        )


def _require_words(prompt: Prompt, cleaned: str) -> None:
    if not prompt.text and prompt.images:
        raise InvalidIdea(
            f"The idea holds only image links ({shown(prompt.images[0])}); add what the picture should show, "
            f"{_EXAMPLE}."
        )
    if not prompt.text:
        raise InvalidIdea(
            f"The idea holds only parameters ({shown(cleaned)}); "
            f"write what the picture should show in front of them, {_EXAMPLE}."
        )
    unwanted = prompt.parameter("no")
    link = find_link(" ".join((prompt.text, *(unwanted.values if unwanted else ()))))
    if link:
        raise InvalidIdea(
            f"The link {shown(link)} cannot be taken within the text; only image links "
            "(.png, .gif, .webp, .jpg, .jpeg) in front of it are."
        )
    if not any(_is_word_or_picture(mark) for mark in prompt.text):
        raise InvalidIdea(f"The idea {shown(prompt.text)} has no words; type what the picture should show, {_EXAMPLE}.")


def _is_word_or_picture(mark: str) -> bool:
    category = unicodedata.category(mark)
    return category[0] in "LN" or category == "So"
