"""What the demo tells while it runs: one plain line for each thing that happens. It knows no platform."""

from rich.console import Console
from rich.text import Text

LABEL_WIDTH = 9
MILLISECONDS = 1000
NUM_PROMPTS = 4  # of each answer


class DemoFailed(Exception):
    """Something did not happen as the script says; one plain sentence."""


class Steps:
    """Prints the lines of one platform, and remembers how long acknowledgements took."""

    def __init__(self, console: Console, label: str) -> None:
        self._console = console
        self._label = label
        self.acknowledged_after_seconds: list[float] = []

    def tell(self, text: str) -> None:
        """Print one line."""
        self._console.print(Text.assemble((self._label.ljust(LABEL_WIDTH), "bold green"), text), soft_wrap=True)

    def acknowledged(self, what: str, after_seconds: float | None) -> None:
        """Print what somebody did and how long the acknowledgement took.

        Raises:
            DemoFailed: there was none.
        """
        if after_seconds is None:
            raise DemoFailed(f"{self._label}: {what}, and nothing acknowledged it.")
        self.acknowledged_after_seconds.append(after_seconds)
        self.tell(f"{what} · acknowledged after {after_seconds * MILLISECONDS:.0f} ms")
