"""What all tiers share: where CI=true a skipped test is a failed one, and results are counted."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# No test is a matter of time: the machine may be busy with an emulated one.
settings.register_profile("meshwatch", deadline=None)
settings.load_profile("meshwatch")

# A shell that runs us in the background has us ignore it, and what we start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

CI = os.environ.get("CI") == "true"


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if CI and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.longrepr = f"CI=true and this did not run: {_reason(report.longrepr)}"
        report.outcome = "failed"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A tier that quietly tests nothing is worse than a red one."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is being imported."""
    report = yield
    _refuse_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Leave the counts where tools/tiers asked for them, so that it can add up its tiers.

    And why something was skipped, which is easily overlooked far above the sums.
    """
    tally = os.environ.get("MESHWATCH_TALLY")
    if tally:
        stats = terminalreporter.stats
        failed = len(stats.get("failed", ())) + len(stats.get("error", ()))
        told = {
            "passed": len(stats.get("passed", ())),
            "failed": failed,
            "skipped": [f"{r.nodeid}: {_reason(r.longrepr)}" for r in stats.get("skipped", ())],
        }
        Path(tally).write_text(json.dumps(told))
