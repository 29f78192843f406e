# SPDX-License-Identifier: Apache-2.0
"""Makes a failing case as small as it can be while it fails alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from dmabed.campaign.model import Case, Record

Live = Callable[[Case], Record]


def shrink(record: Record, live: Live) -> None:
    """Find the least case that fails with the fingerprint of *record*: no fault and no part of the condition can be left out of
    it. *record* gets its id, its line and its findings."""
    least, case = record, record.case
    while True:
        smaller = next((found for one in _smaller(case) if (found := live(one)).fails and found.fingerprint == record.fingerprint),
                       None)
        if smaller is None:
            break
        least, case = smaller, smaller.case
    if least is not record:
        record.minimal, record.replay = case.id, least.replay
        record.findings, record.detail = least.findings, least.detail


def _smaller(case: Case) -> Iterator[Case]:
    """*case* without one of its parts. The faults that fire last are left out first, and a case keeps one."""
    if len(case.faults) > 1:
        for number in reversed(range(len(case.faults))):
            yield replace(case, faults=case.faults[:number] + case.faults[number + 1:])
    parts = case.condition.split(",") if case.condition else []
    for number in range(len(parts)):
        yield replace(case, condition=",".join(parts[:number] + parts[number + 1:]))
