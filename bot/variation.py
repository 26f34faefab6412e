"""What a variation of one candidate asks for: a pure function from a prompt to an idea.

The person's subject always stays; of what the model added, the first half of its phrases does, with the candidate's
parameters. It knows no rows.
"""

from collections.abc import Iterator

from core.errors import UserError
from core.idea import Idea, read_idea
from core.parameters import Prompt, parse, render
from core.records import NewRequest


def varied_idea(candidate_text: str, origin: NewRequest) -> Idea:
    """Return the idea for more prompts like the candidate of `origin`, as rich as an idea may be.

    Phrases that make the idea too long or unreadable go, the last ones first; the original idea is always possible.

    Raises:
        UserError: not even the original idea is taken any more.
    """
    candidate = parse(candidate_text)
    for text in _subjects(candidate.text, origin.subject):
        varied = Prompt(images=candidate.images, text=text, parameters=candidate.parameters)
        try:
            return read_idea(render(varied), version=origin.midjourney_version)
        except UserError:
            continue
    return read_idea(origin.idea, version=origin.midjourney_version)


def _subjects(candidate_text: str, subject: str) -> Iterator[str]:
    """Yield the first half of the candidate's phrases, then one less each time, always with the subject."""
    phrases = [phrase.strip() for phrase in candidate_text.split(",")]
    for kept in range(max(1, len(phrases) // 2), 0, -1):
        text = ", ".join(phrases[:kept])
        if subject.casefold() in text.casefold():
            yield text
        elif text.casefold() not in subject.casefold():
            yield f"{subject}, {text}"
    yield subject
