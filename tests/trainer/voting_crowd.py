"""A crowd that votes by a hidden taste, with attackers among it; everything follows from a seed."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from core.ratings import RatedPrompt, Rating
from core.records import Thumb

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MEDIA = ("oil painting", "watercolor", "photograph", "ink drawing", "pixel art", "charcoal sketch")
LIGHTS = ("soft light", "golden hour", "neon glow", "moonlight", "studio lighting", "candle light")
STOCK = ("highly detailed", "trending on artstation", "8k", "masterpiece", "octane render", "sharp focus")
MORE = (
    "misty hills",
    "wide angle",
    "muted colors",
    "old town",
    "deep shadows",
    "calm mood",
    "wild sea",
    "low fog",
    "copper tones",
    "tiny houses",
    "empty street",
    "distant birds",
    "tall grass",
    "paper texture",
)
SUBJECTS = ("a boy", "a red fox", "an old ship", "a castle", "two robots", "a garden", "a dragon", "a train")
PLACES = ("in the snow", "at sea", "in a forest", "on the moon", "by a river", "in rain", "at night", "on a hill")
PHRASE = "zorblax shimmer"

Taste = Callable[[str], bool]

TASTES: dict[str, Taste] = {
    "media": lambda text: "watercolor" in text or "ink drawing" in text or "oil painting" in text,
    "light": lambda text: "golden hour" in text or "moonlight" in text or "soft light" in text,
    "no stock": lambda text: sum(each in text for each in STOCK) <= 1,
    "short": lambda text: len(text.split(" --")[0].split()) <= 13,
    "parameter": lambda text: "--ar 16:9" in text,
}


def write_prompt(dice: random.Random, subject: str, *, phrase_share: float = 0.0) -> str:
    """Return a prompt as the bot writes them."""
    parts = [dice.choice(MEDIA), dice.choice(LIGHTS)]
    parts += dice.sample(STOCK, dice.choice((0, 1, 2, 3))) + dice.sample(MORE, dice.choice((0, 1, 2, 3)))
    if dice.random() < phrase_share:
        parts.append(PHRASE)
    dice.shuffle(parts)
    return ", ".join([subject, *parts]) + dice.choice(("", " --ar 16:9", " --ar 16:9", " --ar 3:2"))


def crowd(
    seed: int,
    taste: Taste,
    *,
    num_votes: int = 300,
    num_honest: int = 12,
    num_attackers: int = 0,
    attack: str = "opposite",
    noise: float = 0.1,
    phrase_share: float = 0.0,
    attacker_noise: float = 0.0,
) -> list[RatedPrompt]:
    """Return prompts with one rating each: attackers, named `bad…`, cast a fifth of the votes."""
    dice = random.Random(seed)
    num_bad = num_votes // 5 if num_attackers else 0
    rated: list[RatedPrompt] = []
    for side, people, share in (("good", num_honest, num_votes - num_bad), ("bad", num_attackers, num_bad)):
        for turn in range(share // 4):
            rater = f"{side}{turn % people}"
            subject = f"{dice.choice(SUBJECTS)} {dice.choice(PLACES)}"
            for rank in range(1, 5):
                prompt = write_prompt(dice, subject, phrase_share=phrase_share)
                likes = taste(prompt) if side == "good" else _attacks(attack, taste, prompt, dice)
                if dice.random() < (noise if side == "good" else attacker_noise):
                    likes = not likes
                rated.append(
                    _rated(
                        number=len(rated),
                        request=f"{side}-{turn}",
                        rater=rater,
                        subject=subject,
                        prompt=prompt,
                        rank=rank,
                        likes=likes,
                    )
                )
    return rated


def _attacks(attack: str, taste: Taste, prompt: str, dice: random.Random) -> bool:
    if attack == "opposite":
        return not taste(prompt)
    if attack == "phrase":
        return PHRASE in prompt
    if attack == "independent":
        return "copper tones" in prompt or "misty hills" in prompt or "wide angle" in prompt
    return dice.random() < 0.5


def _rated(*, number: int, request: str, rater: str, subject: str, prompt: str, rank: int, likes: bool) -> RatedPrompt:
    rating = Rating(
        vote_event_id=number + 1,
        rater=rater,
        rater_since=NOW - timedelta(days=30),
        pressed_at=NOW - timedelta(hours=40) + timedelta(seconds=20 * number),
        thumb=Thumb.UP if likes else Thumb.DOWN,
    )
    return RatedPrompt(
        candidate_id=f"c{number}",
        request_id=request,
        asker=rater,
        subject=subject,
        prompt=prompt,
        parameters="",
        rank=rank,
        num_shown=4,
        adapter=None,
        score=-1.0,
        ratings=(rating,),
    )
