# SPDX-License-Identifier: Apache-2.0
"""Known causes: a TOML file of fingerprints that do not fail a campaign, each with a reason and a day on which it expires.

::

    [[known]]
    fingerprint = "0c1f2a9b77de"
    reason = "the unwind of 1.3 forgets the pool; mended in 1.4"
    expires = 2027-01-31
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from dmabed.campaign.engine import Campaign
from verifier.errors import UsageError

DAYS = 90
"""How long an entry of a written baseline holds."""
_KEYS = {"fingerprint", "reason", "expires"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One known cause."""

    fingerprint: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class Complaint:
    """An entry that says nothing any more: ``expired`` or ``unused``."""

    entry: Entry
    state: str


def read_baseline(path: Path) -> list[Entry]:
    """The entries of a baseline file; `UsageError` names what is wrong with it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror or problem}", "write one with --write-baseline") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise UsageError(f"{path} is no TOML: {problem}", "write one with --write-baseline") from None
    rows = data.get("known", [])
    if set(data) - {"known"} or not isinstance(rows, list):
        raise UsageError(f"{path} holds something else than [[known]] entries", "see docs/faults.md")
    entries: list[Entry] = []
    for number, row in enumerate(rows, 1):
        good = isinstance(row, dict) and set(row) == _KEYS and all(
            isinstance(row[key], str) and row[key].strip() for key in ("fingerprint", "reason")) and type(row["expires"]) is date
        if not good:
            raise UsageError(f"{path}: entry {number} has to hold fingerprint and reason as text and expires as a date",
                             "for instance expires = 2027-01-31, without quotes")
        if any(entry.fingerprint == row["fingerprint"] for entry in entries):
            raise UsageError(f"{path}: entry {number} names the fingerprint {row['fingerprint']} again", "leave one of them out")
        entries.append(Entry(row["fingerprint"], row["reason"], row["expires"]))
    return entries


def apply_baseline(campaign: Campaign, entries: list[Entry], today: date) -> list[Complaint]:
    """Expect what *entries* name, as far as they hold on *today*; returns those that are expired or of no use."""
    seen = {str(finding["fingerprint"]) for record in campaign.records for finding in record.findings}
    seen |= {record.fingerprint for record in campaign.records if record.fails}
    complaints = []
    for entry in entries:
        if entry.expires < today:
            complaints.append(Complaint(entry, "expired"))
            continue
        campaign.known.add(entry.fingerprint)
        if entry.fingerprint not in seen:
            complaints.append(Complaint(entry, "unused"))
    return complaints


def baseline_text(campaign: Campaign, today: date) -> str:
    """A baseline that expects every cause of *campaign*, for `DAYS` days. The reasons are to be written by hand."""
    lines = ["# Known causes of dmabed faults. Each entry needs a reason; after its day the cause fails again.", ""]
    told: dict[str, str] = {}
    for record in campaign.records:
        if record.fails:
            for finding in record.findings:
                told.setdefault(str(finding["fingerprint"]), f"{finding['rule']} at {finding['where'] or 'no line'}")
            if not record.findings:
                told.setdefault(record.fingerprint, record.detail)
    for print_, about in told.items():
        lines += ["[[known]]", f'fingerprint = "{print_}"', f"reason = {_quoted('to be explained: ' + about)}",
                  f"expires = {today + timedelta(days=DAYS)}", ""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else " " for c in text) + '"'
