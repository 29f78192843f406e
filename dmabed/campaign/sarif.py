# SPDX-License-Identifier: Apache-2.0
"""A campaign as a SARIF 2.1.0 log (OASIS): one result for each cause, at its file and line, for viewers of code scanning."""

from __future__ import annotations

import json
from typing import Any

from dmabed import __version__
from dmabed.campaign.engine import Campaign
from dmabed.campaign.result import clusters
from verifier.rule import declared_rules

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_text(campaign: Campaign) -> str:
    """The log as JSON text."""
    results, rules = [], {}
    for cluster in clusters(campaign):
        record = cluster.first
        for finding in record.findings[:1]:
            rule = finding["rule"]
            declared = declared_rules().get(rule)
            rules[rule] = {"id": rule, "shortDescription": {"text": (declared.text if declared else "") or rule},
                           "help": {"text": finding["remedy"] or rule}}
            result: dict[str, Any] = {
                "ruleId": rule, "level": "error", "kind": "fail",
                "message": {"text": f"{finding['message']}\n{record.outcome} under {record.case.id}\n{record.replay}"},
                "partialFingerprints": {"dmabed/v1": cluster.fingerprint}, "occurrenceCount": len(cluster.records)}
            if cluster.expected:
                result["suppressions"] = [{"kind": "external", "justification": "expected by the baseline"}]
            file, _, line = str(finding["where"] or "").rpartition(":")
            if file and line.isdecimal():
                result["locations"] = [{"physicalLocation": {
                    "artifactLocation": {"uri": file}, "region": {"startLine": int(line)}}}]
            results.append(result)
    driver = {"name": "dmabed", "version": __version__, "rules": [rules[rule] for rule in sorted(rules)]}
    log = {"$schema": _SCHEMA, "version": "2.1.0",
           "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}]}
    return json.dumps(log, indent=2) + "\n"
