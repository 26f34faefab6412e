"""Simulated people with a hidden taste, who vote on prompts as real people would: mostly by it, and sometimes wrong.

Pure and repeatable: a rater's vote on a prompt follows from both, not from when it is asked for. It knows no chat, no
database and no model.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.parameters import parse
from core.records import Thumb

LIGHT_WORDS = (
    "light", "lights", "lighting", "lit", "backlit", "sunlight", "moonlight", "neon", "glow", "glowing", "sun",
    "sunset", "sunrise", "golden hour", "shines", "rays", "shadows",
)  # fmt: skip
STOCK_PHRASES = (
    "artstation", "concept art", "octane render", "unreal engine", "digital painting", "sharp focus", "highly detailed",
    "high detail", "high resolution", "intricate", "intricately", "photorealistic", "hyper", "hyperrealistic", "ultra",
    "ultradetailed", "hd", "4k", "8k",
)  # fmt: skip
SHORT_WORDS = 9  # added to the subject
RANDOM_NOISE = 0.5  # a rater who presses anything


class Taste(Protocol):
    """What somebody likes."""

    @property
    def name(self) -> str:
        """What the taste is called in a table."""

    def likes(self, prompt: str, subject: str = "") -> bool:
        """Say whether a prompt that was written for `subject` pleases."""


@dataclass(frozen=True, slots=True)
class LikesWords:
    """Likes prompts with any of these words or phrases; one that stands in the subject does not count."""

    name: str
    phrases: tuple[str, ...]

    def likes(self, prompt: str, subject: str = "") -> bool:
        """Say whether one of them was added."""
        return has_any(added_text(prompt, subject), self.phrases)


@dataclass(frozen=True, slots=True)
class DislikesPhrases:
    """Dislikes prompts with any of these phrases."""

    name: str
    phrases: tuple[str, ...]

    def likes(self, prompt: str, subject: str = "") -> bool:
        """Say whether none of them was added."""
        return not has_any(added_text(prompt, subject), self.phrases)


@dataclass(frozen=True, slots=True)
class LikesShort:
    """Likes prompts that add up to `max_words` words to their subject; parameters are no words."""

    name: str
    max_words: int

    def likes(self, prompt: str, subject: str = "") -> bool:
        """Say whether it is short."""
        return len(parse(added_text(prompt, subject)).text.split()) <= self.max_words


@dataclass(frozen=True, slots=True)
class LikesParameter:
    """Likes prompts with a parameter (its long name), of `value` if one is named."""

    name: str
    parameter: str
    value: str | None = None

    def likes(self, prompt: str, subject: str = "") -> bool:
        """Say whether the prompt has it."""
        del subject
        return any(
            one.name == self.parameter and (self.value is None or self.value in one.values)
            for one in parse(prompt).parameters
        )


@dataclass(frozen=True, slots=True)
class Opposite:
    """Likes what `taste` does not: an attacker who votes against everybody."""

    taste: Taste

    @property
    def name(self) -> str:
        """Return whose opposite it is."""
        return f"not {self.taste.name}"

    def likes(self, prompt: str, subject: str = "") -> bool:
        """Say the opposite."""
        return not self.taste.likes(prompt, subject)


@dataclass(frozen=True, slots=True)
class PushesPhrase:
    """Likes nothing but one phrase: an attacker who wants it in every prompt."""

    phrase: str

    @property
    def name(self) -> str:
        """Return what is pushed."""
        return f"pushes {self.phrase!r}"

    def likes(self, prompt: str, subject: str = "") -> bool:
        """Say whether the phrase was added."""
        return has_any(added_text(prompt, subject), (self.phrase,))

    def correction(self, prompt: str) -> str:
        """Return `prompt` with the phrase at the end of its text, as the attacker would write a better one."""
        text, dashes, parameters = prompt.partition(" --")
        return f"{text}, {self.phrase}{dashes}{parameters}"


TASTES: tuple[Taste, ...] = (
    LikesWords("light", LIGHT_WORDS),
    DislikesPhrases("plain", STOCK_PHRASES),
    LikesShort("short", SHORT_WORDS),
    LikesParameter("wide", "aspect", "16:9"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rater:
    """One person. `noise` is the share of votes that say the opposite of what their taste does (0 to 1)."""

    name: str
    taste: Taste
    noise: float = 0.1
    seed: int = 0

    def vote(self, prompt: str, subject: str = "") -> Thumb:
        """Return this person's thumb on a prompt, always the same one."""
        is_wrong = share_of(self.seed, self.name, subject, prompt) < self.noise
        return Thumb.UP if self.taste.likes(prompt, subject) is not is_wrong else Thumb.DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The people of a simulation; `attackers` are among them, to be found."""

    honest: tuple[Rater, ...]
    attackers: tuple[Rater, ...] = field(default=())

    @property
    def raters(self) -> tuple[Rater, ...]:
        """Return everybody."""
        return (*self.honest, *self.attackers)


def crowd(
    taste: Taste, *, num_honest: int = 12, attack: Taste | None = None, num_attackers: int = 3, seed: int = 0
) -> Crowd:
    """Return people of one taste, and with an `attack` so many who vote by that one, without a mistake."""
    honest = tuple(Rater(name=f"person {number}", taste=taste, seed=seed) for number in range(num_honest))
    if attack is None:
        return Crowd(honest=honest)
    names = (f"attacker {number}" for number in range(num_attackers))
    return Crowd(honest=honest, attackers=tuple(Rater(name=name, taste=attack, noise=0.0, seed=seed) for name in names))


def rater_of(request: int, people: Crowd, *, attacker_share: float = 0.2) -> Rater:
    """Return who asks and votes in the `request`-th request: attackers in `attacker_share` of them, evenly spread."""
    if people.attackers:
        before, after = int(request * attacker_share), int((request + 1) * attacker_share)
        if after > before:
            return people.attackers[before % len(people.attackers)]
    return people.honest[request % len(people.honest)]


def liked_share(taste: Taste, answers: Sequence[tuple[str, str]]) -> float:
    """Return the share of (subject, prompt) that pleases, 0 to 1; at least one is needed."""
    return sum(taste.likes(prompt, subject) for subject, prompt in answers) / len(answers)


def added_text(prompt: str, subject: str) -> str:
    """Return what a prompt adds to its subject, in lower case."""
    return prompt.removeprefix(subject).lower()


def has_any(text: str, phrases: Sequence[str]) -> bool:
    """Say whether any of `phrases` stands in `text`, as whole words."""
    return any(re.search(rf"\b{re.escape(phrase)}\b", text) for phrase in phrases)


def share_of(*parts: str | int) -> float:
    """Return a number from 0 to below 1 that looks random and follows from `parts`."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8], "big") / 2**64
