"""What the votes have to be after a run of presses: a reference that knows nothing of rows, and the comparison.

The same thumb again takes a vote back, the other one changes it, and a press that comes again changes nothing.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

Pair = tuple[str, str]  # a person's id and a prompt's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One press of a thumb; `pair` is whose and on what."""

    number: int
    pair: Pair
    thumb: str


class VoteModel:
    """The votes as people mean them."""

    def __init__(self) -> None:
        self.standing: dict[Pair, str] = {}
        self.history: defaultdict[Pair, list[str | None]] = defaultdict(list)
        self._seen: set[int] = set()

    def press(self, press: Press) -> None:
        """Take a press in, once."""
        if press.number in self._seen:
            return
        self._seen.add(press.number)
        wanted = None if self.standing.get(press.pair) == press.thumb else press.thumb
        if wanted is None:
            del self.standing[press.pair]
        else:
            self.standing[press.pair] = wanted
        self.history[press.pair].append(wanted)

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many votes stand on each prompt, by prompt and thumb."""
        return Counter((candidate_id, thumb) for (_, candidate_id), thumb in self.standing.items())

    def differences(
        self, votes: Iterable[tuple[str, str, str]], events: Iterable[tuple[str, str, str | None]]
    ) -> list[str]:
        """Compare with all stored votes and all stored events in their order; each row is person, prompt, thumb."""
        stored = {(person, candidate): thumb for person, candidate, thumb in votes}
        told: defaultdict[Pair, list[str | None]] = defaultdict(list)
        for person, candidate, thumb in events:
            told[person, candidate].append(thumb)
        pairs = self.history.keys() | stored.keys() | told.keys()
        return [
            f"{pair}: vote {stored.get(pair)} after {told.get(pair)}, not {self.standing.get(pair)} after "
            f"{self.history.get(pair)}"
            for pair in sorted(pairs)
            if stored.get(pair) != self.standing.get(pair) or told.get(pair) != self.history.get(pair)
        ]


class Presser:
    """Makes presses up: some pairs over and over, so that votes are taken back and changed; reproducible."""

    def __init__(self, pairs: list[Pair], *, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._pairs = pairs
        self._num_made = 0

    def next_press(self, in_flight: set[Pair]) -> Press:
        """Return a press on a pair that is not in flight: nobody presses before they see what their last did."""
        while (pair := self._random.choice(self._pairs)) in in_flight:
            pass
        self._num_made += 1
        return Press(number=self._num_made, pair=pair, thumb=self._random.choice(("up", "up", "down")))

    def is_replay(self, share: float) -> bool:
        """Tell whether the platform tells of an earlier press again now."""
        return self._random.random() < share
