"""Midjourney's parameter language: parse, validate, render, and keep a model's output within the rules.

This is the door; the facts are in core/parameter_table.py and the sentences in core/parameter_rules.py. It
knows nothing of models: `keep_valid`, `creative_only` and `merge` work on any prompt that nobody vouches for.

`render(parse(text))` reads back as the same prompt, and what `keep_valid` and `merge` return has no invalid
parameter.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from core.characters import readable
from core.errors import InvalidParameter
from core.markup import plain_words
from core.multi_prompts import WEIGHT_VERSIONS, Part, has_weights, split_weights, without_weights
from core.parameter_reading import read_prompt
from core.parameter_rules import effective_version, problems
from core.parameter_table import RULES, Kind, rank_of, rule_of, spelling_of
from core.permutations import MAX_PERMUTATIONS, expand_permutations, has_permutations
from core.prompt import Parameter, Prompt

__all__ = [
    "Parameter",
    "Part",
    "Prompt",
    "creative_only",
    "effective_version",
    "expand_permutations",
    "has_permutations",
    "keep_valid",
    "merge",
    "parse",
    "render",
    "render_parameters",
    "require_valid",
    "split_weights",
    "validate",
]

_CREATIVE = frozenset(rule.name for rule in RULES if rule.is_creative)


def parse(text: str) -> Prompt:
    """Read any text as a prompt; nothing is refused, see core/parameter_reading.py for how it is read."""
    return read_prompt(text)


def render(prompt: Prompt) -> str:
    """Return the prompt as people type it: images, text, parameters in the table's order with `--no` last."""
    return " ".join(filter(None, (*prompt.images, prompt.text, render_parameters(prompt))))


def render_parameters(prompt: Prompt) -> str:
    """Return the parameters alone: `--ar 16:9 --c 10 --no text, blur`, or an empty string."""
    ordered = sorted(prompt.parameters, key=lambda parameter: rank_of(parameter.name))
    return " ".join(_render_parameter(parameter) for parameter in ordered)


def validate(prompt: Prompt, version: str) -> tuple[str, ...]:
    """Return one sentence for each problem in `version` (`8.2`, `niji 7`), or in the prompt's own version.

    Permutations are expanded first; a problem that several of them share is told once.
    """
    try:
        readings = _expanded(prompt, MAX_PERMUTATIONS)
    except InvalidParameter as error:
        return (str(error),)
    return tuple(dict.fromkeys(problem for reading in readings for problem in problems(reading, version)))


def require_valid(prompt: Prompt, version: str) -> None:
    """Refuse a prompt that `version` does not take.

    Raises:
        InvalidParameter: the first problem, as one sentence that is safe to show.
    """
    found = validate(prompt, version)
    if found:
        raise InvalidParameter(found[0])


def keep_valid(prompt: Prompt, version: str) -> Prompt:
    """Return the prompt without what `version` does not take; never raises.

    Unknown, retired, out-of-range and conflicting parameters go, the later one of a conflicting pair; words
    after a complete value go; of permutations the first reading stays; `::` weights become commas. What
    `validate` may still say of the result is that there is no text, or that `version` is unknown (then no
    parameter is kept).
    """
    reading = _shortened(_first_reading(prompt))
    effective = effective_version(reading, version)
    bare = replace(reading, text=_plain_text(reading.text, effective), parameters=())
    return _with_valid(bare, reading.parameters, version)


def creative_only(prompt: Prompt) -> Prompt:
    """Return the prompt with only what a language model may add: text and the creative parameters.

    Image and other links, mentions and unreadable characters go, and so does every parameter that costs,
    publishes, repeats or reseeds a job or points at somebody's images. The version goes too: validate
    afterwards.
    """
    reading = parse(plain_words(readable(render(replace(prompt, images=())))))
    kept = tuple(parameter for parameter in reading.parameters if parameter.name in _CREATIVE)
    return replace(reading, images=(), parameters=kept)


def merge(user: Prompt, model: Prompt, version: str) -> Prompt:
    """Return the model's text under the person's images and parameters, with the model's own where they fit.

    The person's always win: of the model's parameters only creative ones stay that the person did not set and
    that are valid together with theirs, in the version that theirs choose. `model.text` is expected to hold
    `user.text`; the person's own text is used where the model wrote none.
    """
    offered = _shortened(creative_only(_first_reading(model)))
    text = _plain_text(offered.text, effective_version(user, version)) or user.text
    taken = {parameter.name for parameter in user.parameters}
    added = [parameter for parameter in offered.parameters if parameter.name not in taken]
    return _with_valid(replace(user, text=text), added, version)


def _render_parameter(parameter: Parameter) -> str:
    rule = rule_of(parameter.name)
    separator = ", " if rule is not None and rule.kind is Kind.LIST else " "
    return f"--{spelling_of(parameter.name)} {separator.join(parameter.values)}".rstrip()


def _with_valid(base: Prompt, parameters: Iterable[Parameter], version: str) -> Prompt:
    """Add to `base` each parameter that brings no new problem, those first that choose the version."""
    accepted, known = base, set(problems(base, version))
    for parameter in sorted(parameters, key=lambda p: p.name not in ("version", "niji")):
        together = sorted((*accepted.parameters, parameter), key=lambda p: rank_of(p.name))
        candidate = replace(accepted, parameters=tuple(together))
        found = set(problems(candidate, version))
        if effective_version(candidate, version) is not None and found <= known:
            accepted, known = candidate, found
    return accepted


def _expanded(prompt: Prompt, limit: int) -> list[Prompt]:
    text = render(prompt)
    return [parse(reading) for reading in expand_permutations(text, limit)] if has_permutations(text) else [prompt]


def _first_reading(prompt: Prompt) -> Prompt:
    try:
        return _expanded(prompt, MAX_PERMUTATIONS)[0]
    except InvalidParameter:
        return parse(re.sub("[{}]", " ", render(prompt)))


def _shortened(prompt: Prompt) -> Prompt:
    """Return the prompt without the words behind the last possible value of each parameter."""
    shorter: list[Parameter] = []
    for parameter in prompt.parameters:
        rule = rule_of(parameter.name)
        limit = None if rule is None else 0 if rule.kind is Kind.FLAG else rule.max_values
        shorter.append(replace(parameter, values=parameter.values[:limit]))
    return parse(render(replace(prompt, parameters=tuple(shorter))))


def _plain_text(text: str, version: str | None) -> str:
    """Return the text without weights where they do not work or cancel each other out."""
    if not has_weights(text):
        return text
    if version in WEIGHT_VERSIONS and sum(part.weight for part in split_weights(text)) > 0:
        return text
    return _settled_text(without_weights(text))


def _settled_text(text: str) -> str:
    """Return the text without what became a parameter or an image by losing its neighbour."""
    return parse(text).text
