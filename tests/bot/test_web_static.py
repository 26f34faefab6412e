"""The page's files: nothing from elsewhere, nothing inline, no markup from data, colours that can be read."""

import re
from html.parser import HTMLParser

import pytest

from bot.web.routes import STATIC_FOLDER

SCRIPTS = sorted(STATIC_FOLDER.glob("*.js"))
STYLES = sorted(STATIC_FOLDER.glob("*.css"))
PAGE = (STATIC_FOLDER / "index.html").read_text(encoding="utf-8")

# Text and what it stands on; WCAG AA asks a contrast of 4.5 for text and 3 for what shows where a control is.
TEXT_ON: dict[str, tuple[str, ...]] = {
    "ink": ("snow", "surface", "surface-raised", "hollow", "parameter-wash"),
    "ink-soft": ("snow", "surface", "surface-raised", "hollow"),
    "on-slate": ("slate",),
    "on-slate-soft": ("slate",),
    "on-rufous": ("rufous",),
    "surface": ("disliked",),
    "rufous": ("surface",),
    "parameter": ("snow", "surface", "surface-raised", "parameter-wash"),
    "liked": ("surface", "liked-wash"),
    "disliked": ("surface", "surface-raised", "disliked-wash"),
}
CONTROL_ON: dict[str, tuple[str, ...]] = {
    "line-strong": ("snow", "surface-raised", "hollow"),
    "focus": ("snow", "surface"),
    "liked": ("snow",),
}


def pairs(wanted: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(front, back) for front, backs in wanted.items() for back in backs]


class PageReader(HTMLParser):
    """Collects what a strict content policy cares about."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        for name, value in attributes:
            if name in ("src", "href") and value is not None:
                self.addresses.append(value)
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")

    def handle_data(self, data: str) -> None:
        if self._tag in ("script", "style") and data.strip():
            self.inline.append(data)


def test_page_has_nothing_inline_and_every_address_is_its_own() -> None:
    reader = PageReader()
    reader.feed(PAGE)
    assert reader.inline == []
    files = [address for address in reader.addresses if address.startswith("/static/")]
    assert all((STATIC_FOLDER / file.removeprefix("/static/")).is_file() for file in files)
    assert len(files) >= 11
    assert all(address.startswith(("/static/", "#")) for address in reader.addresses)


def test_every_module_imported_and_every_font_named_is_there() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in (*SCRIPTS, *STYLES))
    named = set(re.findall(r'"/static/([^"]+)"', text))
    assert {name for name in named if not (STATIC_FOLDER / name).is_file()} == set()
    assert len(named) >= 36


def test_no_script_writes_markup_or_runs_text_and_no_file_names_another_host() -> None:
    assert len(SCRIPTS) >= 34
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser")
    for file in (*SCRIPTS, *STYLES):
        text = file.read_text(encoding="utf-8")
        assert not forbidden.search(text), file.name
        assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}, file.name


def test_every_element_that_a_script_asks_for_is_on_the_page() -> None:
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', (STATIC_FOLDER / "main.js").read_text(encoding="utf-8")))
    assert len(wanted) >= 20
    assert wanted <= set(re.findall(r' id="([\w-]+)"', PAGE))


def test_every_icon_that_a_script_uses_is_in_the_sprite() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in SCRIPTS)
    used = set(re.findall(r'iconName: "([\w-]+)"|(?<!#)\b(?:show|icon|button)\("([\w-]+)"', text))
    names = {name for pair in used for name in pair if name} | {"up", "down"}
    assert len(names) >= 10
    assert names <= set(re.findall(r'<symbol id="icon-([\w-]+)"', PAGE))


def tokens() -> dict[str, tuple[str, str]]:
    """Return each colour token's light and dark value."""
    text = (STATIC_FOLDER / "tokens.css").read_text(encoding="utf-8")
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", text)
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_of_black_on_white_is_21() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), pairs(TEXT_ON))
def test_text_can_be_read(front: str, back: str, theme: int) -> None:
    assert contrast(tokens()[front][theme], tokens()[back][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), pairs(CONTROL_ON))
def test_controls_can_be_seen(front: str, back: str, theme: int) -> None:
    assert contrast(tokens()[front][theme], tokens()[back][theme]) >= 3
