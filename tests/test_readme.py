"""What README and the other pages say exists: files, make targets, commands, options, settings and links.

README's file map is the fenced block under "## File map". A line opens a folder by its first word; file names after
it are looked up there, and every name with a `/` from the project's folder.
"""

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer

from app.cli import cli
from core.settings import PROJECT_ROOT, Settings

README = PROJECT_ROOT / "README.md"
OPERATIONS = PROJECT_ROOT / "docs" / "operations.md"
HIDDEN_FOLDERS_OF_OURS = {".ci"}  # other hidden folders belong to tools

FILE_MAP = re.compile(r"^## File map$.*?^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAP_LINE = re.compile(r"([\w.-]+)/\s+(.*)")
FILE_NAME = re.compile(r"[\w./-]+\.(?:py|toml|md|ini|json|jsonl|txt|css|html|js|png)\b")
FOLDER_NAME = re.compile(r"\b[\w-]+/[\w/-]+(?![\w.])")

FENCED = re.compile(r"^( *)```[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`([^`]+)`")
MAKE_TARGET = re.compile(r"(?:^|\$ |&& )make ((?:[A-Z]+=\S+ )*)([a-z]+)")
MJPROMPT = re.compile(r"(?:^|\$ |bin/)mjprompt (?=[a-z-])(.*)")
ASSIGNMENT = re.compile(r"(?<!\w)([A-Z]+(?:_[A-Z]+)*)=")
OTHER_VARIABLES = {"HF_TOKEN", "HF_HOME", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "CI", "PYTHON", "DATA"}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+?)\s*$", re.MULTILINE)
SETTING_ROW = re.compile(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", re.MULTILINE)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def is_ignored(name: str) -> bool:
    """Tell whether git or we leave a folder or file of this name out of the project."""
    patterns = [line.strip("/") for line in read(PROJECT_ROOT / ".gitignore").splitlines() if line]
    is_hidden = name.startswith(".") and name not in HIDDEN_FOLDERS_OF_OURS
    return is_hidden or any(fnmatch(name, pattern) for pattern in patterns)


def pages() -> list[Path]:
    """Every Markdown page of the project."""
    return sorted(file for file in files_below(PROJECT_ROOT) if file.suffix == ".md")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield each file below `folder`, leaving out what is ignored and everything below that."""
    for path in folder.iterdir():
        if is_ignored(path.name):
            continue
        if path.is_dir():
            yield from files_below(path)
        else:
            yield path


def file_map() -> dict[str, set[Path]]:
    """Return the file map: each top-level folder with the paths that its line names."""
    block = FILE_MAP.search(read(README))
    assert block is not None, 'README has no fenced block under "## File map"'
    lines = [MAP_LINE.fullmatch(line) for line in block[1].splitlines() if line.strip()]
    assert None not in lines, "a line of the file map does not begin with a folder"
    return {line[1]: named_paths(line[1], line[2]) for line in lines if line is not None}


def named_paths(folder: str, text: str) -> set[Path]:
    files = {PROJECT_ROOT / (name if "/" in name else f"{folder}/{name}") for name in FILE_NAME.findall(text)}
    return files | {PROJECT_ROOT / name for name in FOLDER_NAME.findall(FILE_NAME.sub("", text))}


def code_of(page: Path) -> Iterator[str]:
    """Yield the page's code: each line of its fenced blocks, and each code span outside of them."""
    text = read(page)
    for block in FENCED.finditer(text):
        yield from block[2].splitlines()
    for span in CODE_SPAN.findall(FENCED.sub("", text)):
        yield " ".join(span.split())


def found_in_code(pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    """Yield each match of `pattern` in the code of all pages."""
    return ((page, match) for page in pages() for code in code_of(page) for match in pattern.finditer(code))


def problem_of(words: list[str]) -> str | None:
    """Say what does not exist in a command, None when all of it does."""
    command = typer.main.get_command(cli)
    for word in words:
        children = getattr(command, "commands", None)
        if children is not None and not word.startswith("-"):
            if word not in children:
                return f"no command {word!r}"
            command = children[word]
        elif word.startswith("--"):
            options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
            if word not in options:
                return f"no option {word!r}"
    return None


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = HEADING.findall(FENCED.sub("", read(page)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_nowhere(page: Path, target: str) -> bool:
    """Tell whether a relative link of `page` names a file or heading that is not there."""
    name, _, anchor = target.partition("#")
    file = (page.parent / name).resolve() if name else page
    return not file.exists() or bool(anchor and anchor not in anchors(file))


def test_file_map_and_disk_have_the_same_top_level_folders() -> None:
    on_disk = {path.name for path in PROJECT_ROOT.iterdir() if path.is_dir() and not is_ignored(path.name)}
    assert set(file_map()) == on_disk
    assert len(on_disk) >= 13


def test_every_path_in_the_file_map_exists() -> None:
    named = set().union(*file_map().values())
    assert {str(path) for path in named if not path.exists()} == set()
    assert len(named) >= 3


def test_every_file_that_readme_names_by_its_path_exists() -> None:
    named = {name for name in CODE_SPAN.findall(FENCED.sub("", read(README))) if "/" in name}
    named = {name for name in named if FILE_NAME.fullmatch(name)}
    assert {name for name in named if not (PROJECT_ROOT / name).exists()} == set()
    assert len(named) >= 4


@pytest.mark.parametrize("text", ["nowhere.py", "core/nowhere.py", "the part in core/nowhere"])
def test_a_path_that_does_not_exist_is_found_out(text: str) -> None:
    assert not any(path.exists() for path in named_paths("core", text))
    assert len(named_paths("core", text)) == 1


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", read(PROJECT_ROOT / "Makefile"), flags=re.MULTILINE))
    named = {match[2] for _, match in found_in_code(MAKE_TARGET)}
    assert named - targets == set()
    assert {"run", "test", "check", "venv", "pocket"} <= named


def test_every_mjprompt_command_and_option_that_a_page_names_exists() -> None:
    commands = [
        (page, shlex.split(match[1].replace("…", ""), comments=True)) for page, match in found_in_code(MJPROMPT)
    ]
    problems = [(page.name, words, problem_of(words)) for page, words in commands]
    assert [problem for problem in problems if problem[2]] == []
    assert {words[0] for _, words in commands} >= {"run", "bot", "worker", "ask", "doctor", "db", "pretrain"}


def test_commands_that_do_not_exist_are_found_out() -> None:
    assert problem_of(["fly"]) == "no command 'fly'"
    assert problem_of(["db", "downgrade"]) == "no command 'downgrade'"
    assert problem_of(["ask", "a boy --ar 16:9", "--fast"]) == "no option '--fast'"
    assert problem_of(["ask", "a boy --ar 16:9", "--json"]) is None


def test_every_variable_that_a_page_sets_is_a_setting() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    named = {match[1] for _, match in found_in_code(ASSIGNMENT)}
    assert named - settings - OTHER_VARIABLES == set()
    assert len(named & settings) >= 5


def test_every_setting_has_one_row_in_the_manual_with_its_default() -> None:
    examples = dict(re.findall(r"^#([A-Z_]+)=(.*)$", read(PROJECT_ROOT / ".env.example"), flags=re.MULTILINE))
    rows = SETTING_ROW.findall(read(OPERATIONS))
    assert len(rows) == len(dict(rows)) == len(Settings.model_fields)
    assert dict(rows) == examples


def test_every_relative_link_leads_somewhere() -> None:
    links = [(page, target) for page in pages() for target in LINK.findall(FENCED.sub("", read(page)))]
    relative = [(page, target) for page, target in links if not re.match(r"[a-z]+:", target)]
    broken = [(page.name, target) for page, target in relative if leads_nowhere(page, target)]
    assert broken == []
    assert len(relative) >= 20
