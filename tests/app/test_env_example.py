""".env.example and the settings say the same, both ways."""

import re

from core.settings import PROJECT_ROOT, Settings

LINE = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$")
PATHS = {"decode_config", "cycle_config", "gate_config", "database_url"}  # relative in the file only


def examples() -> dict[str, str]:
    text = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8")
    return {match[1].lower(): match[2] for line in text.splitlines() if (match := LINE.match(line))}


def test_env_example_names_every_setting_and_nothing_else() -> None:
    assert set(examples()) == set(Settings.model_fields)
    assert len(examples()) >= 20


def test_env_example_shows_the_defaults() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    shown = Settings.model_validate(examples())
    for name in sorted(set(examples()) - PATHS):
        assert getattr(shown, name) == defaults[name], name


def test_paths_in_env_example_are_the_defaults_from_the_project_folder() -> None:
    defaults = {name: str(Settings.model_fields[name].default) for name in PATHS}
    for name in PATHS - {"database_url"}:
        assert defaults[name] == str(PROJECT_ROOT / examples()[name])
    assert defaults["database_url"].replace(f"{PROJECT_ROOT}/", "") == examples()["database_url"]
