"""Make a prompt of what the model wrote: tidy its end, keep valid parameters, let the person's own win."""

import re
from dataclasses import replace

from core.parameters import merge, parse, render
from falcon.generator import GenerationRequest
from falcon.selection import PARAMETER_TAIL

_SPACE = re.compile(r"\s+")
_SPACE_BEFORE_COMMA = re.compile(r"\s+([,;.])")
_REPEATED_COMMA = re.compile(r"(?:[,;]\s*){2,}")
# What is left of the `::` weights and bare ratios that prompts of 2022 had.
_LEFT_OVER_WEIGHT = re.compile(r"(?<=[^\W\d_]) ?::? ?-?\d+(?:\.\d+)?(?=[\s,]|$)")
_LEFT_OVER_RATIO = re.compile(r"\s\d+:\d+\s*$")
_DANGLING = re.compile(r"(?:[\s,;]+(?:and|or|of|by|with|in|on|at|the|a|an|to|for|from|as|very|--?\w*))*[\s,;:.\-]*$")


def finish_prompt(request: GenerationRequest, continuation: str, *, is_ended: bool) -> str:
    """Return the prompt to offer: the person's subject word for word, the continuation, and valid parameters.

    A continuation that was cut off (not `is_ended`) loses its parameters and its last, unfinished clause.
    """
    body, tail = _split_parameters(continuation)
    if not is_ended:
        body, tail = body.rpartition(",")[0] or body, ""
    body = _tidy(body)
    model = parse(f"{request.subject}{_joint(body)}{body} {tail}".strip())
    user = parse(" ".join([*request.images, request.subject, request.parameters]))
    merged = merge(user, model, request.midjourney_version)
    if not merged.text.startswith(request.subject):  # both together read as a parameter or as a choice in braces
        merged = merge(user, replace(model, text=user.text), request.midjourney_version)
    return render(merged)


def _split_parameters(text: str) -> tuple[str, str]:
    match = PARAMETER_TAIL.search(text)
    return (text[: match.start()], match.group().strip()) if match else (text, "")


def _tidy(body: str) -> str:
    body = _SPACE.sub(" ", body.replace("\ufffd", ""))
    body = _LEFT_OVER_RATIO.sub("", _LEFT_OVER_WEIGHT.sub("", body))
    body = _SPACE_BEFORE_COMMA.sub(r"\1", body)
    body = _REPEATED_COMMA.sub(", ", body)
    return _DANGLING.sub("", body)


def _joint(text: str) -> str:
    return "" if not text or text[0] in ",;." else " "
