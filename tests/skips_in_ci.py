"""A plugin of the suite: where the variable CI is set, a skipped test fails the session."""

import os

import pytest

SKIPPED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = []
    config.pluginmanager.register(_SkipWatcher(config.stash[SKIPPED]), "skip watcher")


class _SkipWatcher:
    """Collects what was skipped; an expected failure is no skip."""

    def __init__(self, skipped: list[str]) -> None:
        self._skipped = skipped

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") and session.config.stash[SKIPPED]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if os.environ.get("CI") and config.stash[SKIPPED]:
        terminalreporter.write_sep("=", "in CI a skipped test is a failure", red=True)
        for nodeid in config.stash[SKIPPED]:
            terminalreporter.write_line(f"skipped: {nodeid}")
