"""The suite's own rule: a suite that was started in the background can still interrupt the commands it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT

SUITE = """
import signal
import subprocess
import sys

def test_child_is_interrupted():
    look = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    child = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert child.stdout == "True\\n"
"""


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "--numprocesses", "2")], ids=["alone", "two processes"])
def test_children_can_be_interrupted_where_the_shell_ignores_it(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """Starting the suite with `&` used to fail the tests that press Ctrl-C."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.interrupts", *workers, "--rootdir", str(tmp_path)]
    ended = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command, str(tmp_path)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
