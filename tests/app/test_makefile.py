"""`make venv` where something is missing; every program that it calls is a small script here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT

SOUND = "#!/bin/sh\nexit 0\n"
WITHOUT_PIP = '#!/bin/sh\ncase "$*" in *"-m pip"*) exit 1 ;; esac\n'
# Makes an environment like the real one, once what it needs (the file `ensurepip`) is there.
PYTHON = """#!/bin/sh
case "$*" in
    *"import ensurepip"*) test -e ensurepip ;;
    *"import sys"*) echo python3.11-venv ;;
    *"venv --clear .venv") rm -rf .venv && mkdir -p .venv/bin && cp sound .venv/bin/python ;;
    *"venv .venv") mkdir -p .venv/bin && cp sound .venv/bin/python ;;
esac
"""
APT_GET = '#!/bin/sh\necho "$*" >>apt-get.log\ncase "$*" in install*python3.11-venv) touch ensurepip ;; esac\n'


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without code, with scripts for `id` (it says root), `apt-get` and Python."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT_ROOT / name, tmp_path)
    write_script(tmp_path / "sound", SOUND)
    write_script(tmp_path / "bin" / "python3", PYTHON)
    write_script(tmp_path / "bin" / "apt-get", APT_GET)
    write_script(tmp_path / "bin" / "id", "#!/bin/sh\necho 0\n")
    return tmp_path


def make_venv(project: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{project / 'bin'}:{os.environ['PATH']}"}
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON"):
        environment.pop(name, None)
    command = ["make", "venv", f"PYTHON={project / 'bin' / 'python3'}"]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_environment_that_was_interrupted_is_made_anew(project: Path) -> None:
    (project / "ensurepip").touch()
    write_script(project / ".venv" / "bin" / "python", WITHOUT_PIP)
    made = make_venv(project)
    assert made.returncode == 0, made.stderr
    assert (project / ".venv" / ".installed").exists()
    assert not (project / "apt-get.log").exists()


def test_environment_that_is_sound_is_kept(project: Path) -> None:
    (project / "ensurepip").touch()
    write_script(project / ".venv" / "bin" / "python", SOUND)
    (project / ".venv" / "kept").touch()
    assert make_venv(project).returncode == 0
    assert (project / ".venv" / "kept").exists()


def test_root_of_a_debian_gets_the_venv_module_of_that_python(project: Path) -> None:
    made = make_venv(project)
    assert made.returncode == 0, made.stderr
    assert "python3.11-venv" in (project / "apt-get.log").read_text()


def test_a_python_that_cannot_make_environments_is_one_sentence_for_everybody_else(project: Path) -> None:
    write_script(project / "bin" / "id", "#!/bin/sh\necho 1000\n")
    made = make_venv(project)
    assert made.returncode != 0
    assert "cannot make environments; install its venv module" in made.stderr
    assert not (project / "apt-get.log").exists()
