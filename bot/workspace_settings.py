"""Checks of what a workspace's admin typed into the settings: pure functions, one sentence for each refusal."""

from collections.abc import Sequence

from core.characters import shown
from core.errors import InvalidParameter
from core.midjourney_versions import canonical_version
from core.parameters import parse, render_parameters, require_valid
from core.records import WorkspaceSettings
from core.settings import Settings

MAX_QUOTA = 10_000  # requests a person and day


def readable_settings(settings: WorkspaceSettings, *, languages: Sequence[str], product: Settings) -> WorkspaceSettings:
    """Return the settings in their canonical spelling.

    Raises:
        InvalidParameter: a value is unknown or out of range, or the ratio does not fit the version.
    """
    version = _version(settings.midjourney_version)
    return WorkspaceSettings(
        midjourney_version=version,
        aspect_ratio=_aspect_ratio(settings.aspect_ratio, version or product.midjourney_version),
        is_private=settings.is_private,
        max_requests_per_day=_quota(settings.max_requests_per_day),
        language=_language(settings.language, languages),
    )


def _version(name: str | None) -> str | None:
    if name is None:
        return None
    version = canonical_version(name)
    if version is None:
        raise InvalidParameter(f"There is no Midjourney version '{shown(name)}'; choose one such as 8.2 or niji 7.")
    return version


def _aspect_ratio(ratio: str | None, version: str) -> str | None:
    if ratio is None:
        return None
    prompt = parse(f"a picture --ar {ratio}")
    if [parameter.name for parameter in prompt.parameters] != ["aspect"]:
        raise InvalidParameter(f"The aspect ratio '{shown(ratio)}' is not W:H; choose one such as 16:9.")
    require_valid(prompt, version)
    return render_parameters(prompt).removeprefix("--ar ")


def _quota(limit: int | None) -> int | None:
    if limit is not None and not 1 <= limit <= MAX_QUOTA:
        raise InvalidParameter(f"{limit} is no possible number of requests a day; choose 1 to {MAX_QUOTA}.")
    return limit


def _language(language: str | None, languages: Sequence[str]) -> str | None:
    if language is not None and language not in languages:
        raise InvalidParameter(
            f"There are no texts in the language '{shown(language)}'; choose {', '.join(languages)}."
        )
    return language
