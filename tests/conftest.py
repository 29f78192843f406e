# SPDX-License-Identifier: Apache-2.0
"""With DMABED_FORBID_SKIPS=1 in the environment a skipped test, or a skipped module, fails the run."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

SKIPS_ARE_FORBIDDEN = os.environ.get("DMABED_FORBID_SKIPS", "") not in ("", "0")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if SKIPS_ARE_FORBIDDEN and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and DMABED_FORBID_SKIPS forbids it: {reason}"
