"""The suite's own rule: nothing is skipped silently in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT

SUITE = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="a reason")
def test_is_skipped():
    pass

@pytest.mark.xfail(strict=True)
def test_fails_as_expected():
    assert False
"""


MODULE = "import pytest\npytest.skip('all of it', allow_module_level=True)\n"


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "--numprocesses", "2")], ids=["alone", "two processes"])
@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_skip_fails_the_session_in_ci_only(tmp_path: Path, ci: str, status: int, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "test_module.py").write_text(MODULE)
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.skips_in_ci",
            *workers,
            "--rootdir",
            str(tmp_path),
            str(tmp_path),
        ],
        cwd=PROJECT_ROOT,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    reported = sorted(line for line in ended.stdout.splitlines() if line.startswith("skipped: "))
    assert reported == (["skipped: test_module.py", "skipped: test_suite.py::test_is_skipped"] if ci else [])
