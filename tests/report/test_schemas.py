# SPDX-License-Identifier: Apache-2.0
"""The JSON schemas that are shipped: what the samples must satisfy, and what must not pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import dmabed.report.facts

Run = dict[str, Any]
DIRECTORY = Path(dmabed.report.facts.__file__).parents[1] / "schemas"
NAMES = ["run", "map", "nics", "error"]


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DIRECTORY / f"{name}.schema.json").read_text(encoding="utf-8"))
    return loaded


def valid(name: str, value: object) -> bool:
    return bool(Draft202012Validator(schema(name)).is_valid(value))


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("run", ["clean_run", "faulty_run", "huge_run"])
def test_sample_runs_and_their_maps_satisfy_the_schema(run: str, request: pytest.FixtureRequest) -> None:
    value = request.getfixturevalue(run)
    Draft202012Validator(schema("run")).validate(value)
    Draft202012Validator(schema("map")).validate(value["map"])


@pytest.mark.parametrize("key", ["schema", "verdict", "status", "world", "allocations", "findings", "notices", "frames",
                                 "not_exercised", "handlers", "limits", "map", "log"])
def test_run_without_a_promised_key_fails(clean_run: Run, key: str) -> None:
    del clean_run[key]
    assert not valid("run", clean_run)


def test_run_with_a_wrong_value_fails(clean_run: Run, faulty_run: Run) -> None:
    assert not valid("run", {**clean_run, "verdict": "passed"})
    assert not valid("run", {**clean_run, "verdict": "findings"}), "a verdict of findings without a finding"
    assert not valid("run", {**faulty_run, "verdict": "clean"}), "a clean verdict with findings"
    assert not valid("run", {**clean_run, "verdict": "unchecked"}), "--silicon lists what it corrupted"
    assert not valid("run", {**clean_run, "frames": {"sent": -1, "received": 0, "lost": 0, "padded": 0}})
    faulty_run["findings"][0]["span"]["space"] = "bus"
    assert not valid("run", faulty_run)


def test_misspelled_key_of_a_finding_fails(faulty_run: Run) -> None:
    faulty_run["findings"][0]["bug_check"] = "0xC4"
    assert not valid("run", faulty_run)


def test_addresses_may_exceed_53_bits(huge_run: Run) -> None:
    assert huge_run["allocations"][0]["virtual"] > 2**53
    assert valid("run", huge_run)


def test_nics_take_a_name_or_the_limits(clean_run: Run) -> None:
    nic = {"name": "reference", "bus": "pci", "description": "teaching device"}
    assert valid("nics", {"nics": [{**nic, "limits": "reference"}, {**nic, "limits": clean_run["limits"]}]})
    assert not valid("nics", {"nics": [nic]})


def test_error_has_kind_message_and_remedy() -> None:
    error = {"kind": "usage", "message": "no such NIC", "remedy": "try pcnet"}
    assert valid("error", {"schema": 1, "verdict": "error", "error": error})
    for key in error:
        rest = {k: v for k, v in error.items() if k != key}
        assert not valid("error", {"schema": 1, "verdict": "error", "error": rest})


def test_definitions_that_stand_in_two_files_agree() -> None:
    run, map_, nics = schema("run"), schema("map"), schema("nics")
    for name in ("range", "block"):
        assert run["$defs"][name] == map_["$defs"][name]
    assert run["$defs"]["limits"] == nics["$defs"]["limits"]
    assert run["$defs"]["map"]["properties"] == map_["properties"]
    assert run["$defs"]["map"]["required"] == map_["required"]
