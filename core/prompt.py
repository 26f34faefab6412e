"""A Midjourney prompt taken apart: image links, text, parameters. It knows no rules."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter under its full name; `values` is empty for a flag and holds the items of a list."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt; `text` may hold `::` weights (core/multi_prompts.py) and `{a, b}` permutations."""

    images: tuple[str, ...] = ()
    text: str = ""
    parameters: tuple[Parameter, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter with the full name `name`, or None if the prompt has none."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)
