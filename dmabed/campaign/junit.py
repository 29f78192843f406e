# SPDX-License-Identifier: Apache-2.0
"""A campaign as a JUnit file: one test case for each world, with names that stay from run to run. It holds no times."""

from __future__ import annotations

from xml.etree import ElementTree

from dmabed.campaign.engine import Campaign
from dmabed.campaign.model import Record
from dmabed.campaign.result import point_name


def junit_text(campaign: Campaign, miniport: str) -> str:
    """The XML. A test case is called by the id of its world, its class by miniport and fault point; a world that a baseline expects
    counts as skipped."""
    suite = ElementTree.Element("testsuite", name=f"dmabed faults {miniport}")
    failures = skipped = errors = 0
    for record in campaign.records:
        case = ElementTree.SubElement(suite, "testcase", classname=_plain(f"dmabed.{miniport}.{point_name(record)}"),
                                      name=_plain(record.case.id))
        if campaign.expected(record):
            skipped += 1
            ElementTree.SubElement(case, "skipped", message=f"expected by the baseline: {record.fingerprint}")
        elif record.outcome == "not-proven":
            errors += 1
            ElementTree.SubElement(case, "error", type="not-proven", message=_plain(record.detail)).text = _text(record)
        elif record.fails:
            failures += 1
            ElementTree.SubElement(case, "failure", type=record.outcome, message=_plain(_message(record))).text = _text(record)
        else:
            ElementTree.SubElement(case, "system-out").text = record.outcome
    for name, kind, message in ("complete", "incomplete", campaign.incomplete), ("proven", "not-proven", campaign.nothing_shown):
        if message:
            errors += 1
            case = ElementTree.SubElement(suite, "testcase", classname=_plain(f"dmabed.{miniport}"), name=name)
            ElementTree.SubElement(case, "error", type=kind, message=message)
    for name, number in ("tests", len(suite)), ("failures", failures), ("errors", errors), ("skipped", skipped):
        suite.set(name, str(number))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _message(record: Record) -> str:
    if record.findings:
        return f"{record.findings[0]['rule']}: {record.findings[0]['message']}"
    return record.detail or record.outcome


def _text(record: Record) -> str:
    lines = [f"{finding['rule']}: {finding['message']} ({finding['where'] or 'no line of the miniport'})" for finding in record.findings]
    return _plain("\n".join([*lines, *([record.detail] if record.detail else []), record.replay]))


def _plain(text: str) -> str:
    """*text* without characters that XML 1.0 cannot hold."""
    return "".join(c if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "?" for c in text)
