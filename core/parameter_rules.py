"""Judge a prompt by the table: every problem is one calm sentence with the value, the range and the cure.

It decides nothing about what happens to a prompt that has problems; core/parameters.py does.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction

from core.characters import shown
from core.midjourney_versions import (
    NIJI_VERSIONS,
    NUMBERED_VERSIONS,
    as_parameter,
    canonical_version,
    in_words,
    listed,
    newest,
    titled,
)
from core.multi_prompts import WEIGHT_VERSIONS, has_weights, split_weights
from core.parameter_table import (
    IMAGE,
    MAX_RATIO,
    MAX_RATIO_WITH_HD,
    RETIRED,
    RULES,
    Kind,
    ParameterRule,
    rule_of,
)
from core.prompt import Parameter, Prompt

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_RATIO = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?):([0-9]{1,9}(?:\.[0-9]{1,3})?)")
_LINK = re.compile(r"https?://[^\s<>{}|]+\.[^\s<>{}|]+", re.IGNORECASE)
_STYLE_CODE = re.compile(r"[0-9]{1,10}|random")
_STYLE_WEIGHT = re.compile(r"(.+?)::([0-9]+(?:\.[0-9]+)?)")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def effective_version(prompt: Prompt, version: str) -> str | None:
    """Return the version that reads `prompt`: its own `--v` or `--niji` where that is known, else `version`.

    None means that `version` is asked for and unknown.
    """
    for name, prefix in (("version", ""), ("niji", "niji ")):
        own = prompt.parameter(name)
        known = NUMBERED_VERSIONS if name == "version" else NIJI_VERSIONS
        if own and len(own.values) == 1 and f"{prefix}{own.values[0]}" in known:
            return f"{prefix}{own.values[0]}"
    return canonical_version(version)


def problems(prompt: Prompt, version: str) -> Iterator[str]:
    """Yield a sentence for each problem of a prompt without permutations, those of the text first."""
    effective = effective_version(prompt, version)
    if effective is None:
        known = listed((*NUMBERED_VERSIONS, *NIJI_VERSIONS), "and")
        yield f"There is no Midjourney version {shown(version)}: known are {known}; choose one of them."
        return
    yield from _text_problems(prompt, effective)
    for parameter in prompt.parameters:
        problem = _parameter_problem(parameter, prompt, effective)
        if problem:
            yield problem
    yield from _conflicts(prompt)


def _text_problems(prompt: Prompt, version: str) -> Iterator[str]:
    if not prompt.text and len(prompt.images) == 1:
        yield f"The image link {shown(prompt.images[0])} stands alone; add a text or a second image link."
    elif not prompt.text and not prompt.images:
        yield "The prompt has no text; write what the picture should show in front of the parameters."
    if not has_weights(prompt.text):
        return
    if version not in WEIGHT_VERSIONS:
        cure = f"write commas instead or use {as_parameter(newest(WEIGHT_VERSIONS))}"
        yield (
            f"Weights with :: in '{shown(prompt.text)}' do not work in {titled(version)}: "
            f"they work in {in_words(WEIGHT_VERSIONS)}; {cure}."
        )
    elif not sum(part.weight for part in split_weights(prompt.text)) > 0:
        yield f"The weights in '{shown(prompt.text)}' must sum to more than 0; raise a positive one."


def _parameter_problem(parameter: Parameter, prompt: Prompt, version: str) -> str | None:
    rule = rule_of(parameter.name)
    if rule is None:
        return _no_rule(parameter.name)
    if version not in rule.versions:
        return (
            f"{_typed(parameter)} does not work in {titled(version)}: it works in {in_words(rule.versions)}; "
            f"leave it out or use {as_parameter(newest(rule.versions))}."
        )
    return (
        _number_of_values(rule, parameter)
        or _CHECKS[rule.kind](rule, parameter, prompt, version)
        or _need(rule, parameter, prompt)
    )


def _no_rule(name: str) -> str:
    if name in RETIRED:
        return f"--{name} is retired and no version of today takes it; {RETIRED[name]}."
    stem = name.partition("-")[0]
    names = [rule.name for rule in RULES] + [rule.spelling for rule in RULES]
    close = [stem] if stem in names else get_close_matches(name[:20], names, n=1)
    cure = f"use --{close[0]} or leave it out" if close else "leave it out"
    return f"--{shown(name)} is not a Midjourney parameter; {cure}."


def _number_of_values(rule: ParameterRule, parameter: Parameter) -> str | None:
    values = parameter.values
    if rule.kind is Kind.FLAG:
        limit: int | None = 0
    elif not values and rule.kind is not Kind.CODES:
        return f"--{rule.name} has no value; try {_example(rule)}."
    else:
        limit = rule.max_values
    if limit is None or len(values) <= limit:
        return None
    takes = {0: "no value", 1: "one value"}.get(limit, f"at most {limit} values")
    extra = shown(" ".join(values[limit:]))
    return f"--{rule.name} takes {takes}, but '{extra}' follows it; write text in front of the parameters."


def _example(rule: ParameterRule) -> str:
    words = {
        Kind.RATIO: "16:9",
        Kind.LIST: "text, blur",
        Kind.LINKS: "https://example.com/picture.png",
        Kind.STYLES: "random",
        Kind.CHOICE: rule.default or (rule.choices_in(None) or ("",))[0],
    }
    return f"--{rule.name} {words.get(rule.kind) or rule.default or rule.minimum}"


def _need(rule: ParameterRule, parameter: Parameter, prompt: Prompt) -> str | None:
    if rule.needs is None:
        return None
    if rule.needs == IMAGE:
        is_met, need = bool(prompt.images), "an image link in front of the text"
    else:
        is_met, need = prompt.parameter(rule.needs) is not None, f"--{rule.needs}"
    return None if is_met else f"{_typed(parameter)} needs {need}; add that or leave --{rule.name} out."


def _typed(parameter: Parameter) -> str:
    return f"--{parameter.name} {shown(' '.join(parameter.values))}".rstrip()


def _conflicts(prompt: Prompt) -> Iterator[str]:
    present = {p.name: p.name for p in prompt.parameters}
    present |= {f"{p.name} {p.values[0]}": p.name for p in prompt.parameters if p.values}
    seen: set[frozenset[str]] = set()
    for parameter in prompt.parameters:
        rule = rule_of(parameter.name)
        for other in rule.conflicts if rule else ():
            pair = frozenset((parameter.name, other))
            if other in present and pair not in seen:
                seen.add(pair)
                yield f"--{parameter.name} and --{other} exclude each other; keep only one of them."


def _check_nothing(rule: ParameterRule, parameter: Parameter, prompt: Prompt, version: str) -> str | None:
    return None


def _check_number(rule: ParameterRule, parameter: Parameter, prompt: Prompt, version: str) -> str | None:
    value, lowest, highest = parameter.values[0], rule.minimum, rule.maximum_in(version)
    where = f" in {titled(version)}" if version in rule.maximum_by_version else ""
    takes = f"it takes {lowest} to {highest}{where}"
    is_number = _NUMBER.fullmatch(value) is not None
    if not is_number or (rule.kind is Kind.INTEGER and "." in value):
        form = "a whole number" if rule.kind is Kind.INTEGER else "a number"
        nearest = min(max(round(Decimal(value[:20])), lowest), highest) if is_number else rule.default or highest
        return f"--{rule.name} {shown(value)} is not {form}: {takes}; try --{rule.name} {nearest}."
    if lowest <= Decimal(value) <= highest:
        return None
    nearest = lowest if Decimal(value) < lowest else highest
    return f"--{rule.name} {shown(value)} is out of range: {takes}; try --{rule.name} {nearest}."


def _check_ratio(rule: ParameterRule, parameter: Parameter, prompt: Prompt, version: str) -> str | None:
    value = parameter.values[0]
    match = _RATIO.fullmatch(value)
    sides = [Fraction(side) for side in match.groups()] if match else []
    if not sides or 0 in sides:
        return (
            f"--{rule.name} {shown(value)} is not a ratio: it takes two whole numbers above 0 with a colon "
            f"between; try --{rule.name} 16:9."
        )
    ratio = sides[0] / sides[1]
    limit, where = (MAX_RATIO_WITH_HD, " with --hd") if prompt.parameter("hd") else (MAX_RATIO, "")
    if max(ratio, 1 / ratio) > limit:
        nearest = f"{limit}:1" if ratio > 1 else f"1:{limit}"
        return (
            f"--{rule.name} {shown(value)} is out of range: it takes 1:{limit} to {limit}:1{where}; "
            f"try --{rule.name} {nearest}."
        )
    if "." in value:
        whole = f"{ratio.numerator}:{ratio.denominator}"
        return f"--{rule.name} {shown(value)} has a fraction: it takes whole numbers; try --{rule.name} {whole}."
    return None


def _check_choice(rule: ParameterRule, parameter: Parameter, prompt: Prompt, version: str) -> str | None:
    value, choices = parameter.values[0], rule.choices_in(version)
    if value.lower() in choices or (version in rule.code_versions and _CODE.fullmatch(value)):
        return None
    if not choices:
        return f"--{rule.name} {shown(value)} is not a style code; leave it out."
    where = "" if rule.choices else f" in {titled(version)}"
    return (
        f"--{rule.name} {shown(value)} is not available{where}: it takes {listed(choices, 'or')}; "
        f"try --{rule.name} {_nearest(value, choices)}."
    )


def _nearest(value: str, choices: tuple[str, ...]) -> str:
    """Return the choice next to `value`, the larger of two at the same distance."""
    if _NUMBER.fullmatch(value) and _NUMBER.fullmatch(choices[0]):
        return min(reversed(choices), key=lambda choice: abs(Decimal(choice) - Decimal(value[:20])))
    return (get_close_matches(value[:20], choices, n=1) or choices[-1:])[0]


def _check_links(rule: ParameterRule, parameter: Parameter, prompt: Prompt, version: str) -> str | None:
    for value in parameter.values:
        if not _LINK.fullmatch(value):
            return (
                f"--{rule.name} {shown(value)} is not a link: it takes https:// links to images; try {_example(rule)}."
            )
    return None


def _check_styles(rule: ParameterRule, parameter: Parameter, prompt: Prompt, version: str) -> str | None:
    for value in parameter.values:
        weighted = _STYLE_WEIGHT.fullmatch(value)
        if weighted and version not in rule.weight_versions:
            return (
                f"--{rule.name} {shown(value)} has a weight, which {titled(version)} does not take: "
                f"weights work in {in_words(rule.weight_versions)}; leave the weight out."
            )
        style = weighted[1] if weighted else value
        if "::" in style or not (_STYLE_CODE.fullmatch(style) or _LINK.fullmatch(style)):
            return (
                f"--{rule.name} {shown(value)} is not a style: it takes https:// links, number codes or "
                f"random; try --{rule.name} random."
            )
    return None


def _check_codes(rule: ParameterRule, parameter: Parameter, prompt: Prompt, version: str) -> str | None:
    for value in parameter.values:
        if not _CODE.fullmatch(value):
            return f"--{rule.name} {shown(value)} is not a code of letters and digits; leave the value out."
    return None


_CHECKS: dict[Kind, Callable[[ParameterRule, Parameter, Prompt, str], str | None]] = {
    Kind.FLAG: _check_nothing,
    Kind.LIST: _check_nothing,
    Kind.INTEGER: _check_number,
    Kind.DECIMAL: _check_number,
    Kind.RATIO: _check_ratio,
    Kind.CHOICE: _check_choice,
    Kind.LINKS: _check_links,
    Kind.STYLES: _check_styles,
    Kind.CODES: _check_codes,
}
