# SPDX-License-Identifier: Apache-2.0
"""``dmabed faults`` on the line: exit codes, table, JSON and its schema, list, JUnit, SARIF, report, baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

import dmabed
from dmabed.cli import main

from .conftest import Write
from .test_campaign import LEAKS_ON_THE_SECOND

SCHEMAS = Path(dmabed.__file__).resolve().parent / "schemas"
MEMORY = ("--only", "NdisAllocateMemory*", "--frames", "2", "--workers", "1")


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["faults", *words])


def valid(name: str, value: Any) -> None:
    Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))).validate(value)


def test_a_clean_campaign_exits_with_0_and_fits_80_columns() -> None:
    result = call(*MEMORY)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("verdict  clean\n")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "1 fault armed, 1 fired" in result.stdout.replace("\n         ", " ")


def test_a_finding_exits_with_1_and_every_failing_world_has_its_replay_line(write: Write) -> None:
    result = call(write(LEAKS_ON_THE_SECOND), *MEMORY)
    assert result.exit_code == 1
    assert "init-fail-release-all" in result.stdout
    line, = [one.strip() for one in result.stdout.splitlines() if "dmabed replay" in one]
    words = line.replace("'", "").split()
    again = CliRunner().invoke(main, words[1:])
    assert again.exit_code == 1 and "init-fail-release-all" in again.stdout


@pytest.mark.parametrize(("words", "says"), [
    (("--kinds", "routines"), "did you mean routine"), (("--conditions", "place"), "did you mean placement"), (("--shard", "3/2"), "I/N"),
    (("--shard", "1"), "I/N"), (("--workers", "0"), "--workers"), (("--random", "x"), "--random"), (("--max-time", "-1"), "--max-time"),
    (("--today", "May"), "--today"), (("--silicon",), "silicon"), (("--baseline", "none.toml"), "none.toml"),
    (("--junit", "no/such/x.xml"), "--junit")])
def test_a_wrong_option_exits_with_2_and_is_named(words: tuple[str, ...], says: str) -> None:
    result = call(*words)
    assert result.exit_code == 2 and says in result.stderr


def test_a_name_that_fits_no_fault_point_is_no_clean_campaign_of_nothing() -> None:
    result = call("--only", "NdisMAllocatSharedMemory#1", "--frames", "1")
    assert result.exit_code == 2
    assert "no fault point of this life" in result.stderr and "did you mean NdisMAllocateSharedMemory?" in result.stderr
    assert call("--only", "NdisMAllocateSharedMemory#1", "--frames", "1", "--shard", "2/50", "--no-coverage").exit_code == 0


@pytest.mark.parametrize(("words", "says"), [
    (("--skip", "*"), "skip *: this leaves no fault point"),
    (("--kinds", "routine", "--skip", "Ndis*"), "this leaves no fault point of kind routine"),
    (("--kinds", "device", "--only", "NdisMMapIoSpace"), "no fault point of kind device of this life is called so"),
    (("--only", "NdisMMapIoSpace", "--skip", "*#1*"), "only NdisMMapIoSpace, skip *#1*: no fault point"),
    (("--kinds", ""), "no kind of fault is named"), (("--kinds", ","), "no kind of fault is named"),
    (("--only", ""), "only '': no fault point"), (("--conditions", ","), "no condition is named"),
])
def test_a_selection_that_leaves_nothing_of_what_is_there_is_refused(words: tuple[str, ...], says: str) -> None:
    for more in (), ("--list",):
        result = call(*words, *more, "--frames", "1", "--workers", "1")
        assert result.exit_code == 2 and says in result.stderr and not result.stdout


@pytest.mark.parametrize(("words", "what"), [
    (("--kinds", "async"), "fault point of kind async"), (("--kinds", "async", "--skip", "*#2"), "fault point of kind async"),
    (("--kinds", "routine,async", "--chaos"), "fault point of kind routine or async for chaos")])
def test_a_life_without_a_point_of_that_kind_is_not_proven(words: tuple[str, ...], what: str, tmp_path: Path) -> None:
    file = tmp_path / "none.xml"
    result = call(*words, "--frames", "1", "--workers", "1", "--junit", str(file))
    said = " ".join(result.stdout.split())
    assert result.exit_code == 1 and f"nothing shown: this life has no {what}" in said and " verdict not-proven " in said
    assert 'errors="1"' in file.read_text("utf-8")
    value = json.loads(call(*words, "--frames", "1", "--workers", "1", "--json").stdout)
    valid("faults", value)
    assert (value["verdict"], value["nothing_shown"], value["armed"]) == ("not-proven", f"this life has no {what}", 0)


def test_a_campaign_whose_every_fault_is_unreachable_is_not_proven() -> None:
    words = ("--only", "NdisMAllocateMapRegisters#1=grant-1", "--frames", "1", "--workers", "1")
    value = json.loads(call(*words, "--json").stdout)
    assert (value["points"], value["fired"], len(value["unreachable"])) == (1, 0, 1)
    assert (value["verdict"], value["nothing_shown"]) == ("not-proven", "no fault could have an effect where it was armed")
    assert call(*words, "--shard", "1/2").exit_code == 0


def test_json_satisfies_its_schema_and_that_of_a_run(write: Write) -> None:
    for words in (MEMORY, (write(LEAKS_ON_THE_SECOND), *MEMORY), (*MEMORY, "--max-time", "0")):
        result = call(*words, "--json")
        value = json.loads(result.stdout)
        valid("faults", value)
        valid("run", value)
    assert (value["verdict"], value["incomplete"], result.exit_code) == ("incomplete", "the time is over", 1)


def test_json_lists_every_world_with_faults_outcome_and_findings(write: Write) -> None:
    value = json.loads(call(write(LEAKS_ON_THE_SECOND), *MEMORY, "--json").stdout)
    assert value["verdict"] == "findings"
    worlds = {world["id"]: world for world in value["worlds"]}
    assert worlds["no-fault"]["outcome"] == "recovered"
    bad = worlds["NdisAllocateMemoryWithTag#2"]
    assert (bad["faults"], bad["outcome"], len(bad["findings"])) == (["NdisAllocateMemoryWithTag#2"], "findings", 1)
    assert (value["armed"], value["fired"]) == (3, 3)
    cause, = value["causes"]
    assert cause["worlds"] == 1 and cause["fingerprint"] == bad["findings"][0]["fingerprint"]


def test_the_same_campaign_gives_the_same_bytes() -> None:
    assert call(*MEMORY, "--json").stdout == call(*MEMORY, "--json").stdout


def test_the_list_runs_nothing_and_tells_points_worlds_and_seconds() -> None:
    result = call("--list", *MEMORY)
    assert result.exit_code == 0
    assert "NdisAllocateMemoryWithTag" in result.stdout and "2 worlds, about " in result.stdout
    value = json.loads(call("--list", "--json", *MEMORY).stdout)
    valid("faults-list", value)
    point, = value["points"]
    assert (point["name"], point["uses"], point["worlds"], value["worlds"]) == ("NdisAllocateMemoryWithTag", 1, 1, 2)


def test_junit_has_a_test_case_for_each_world(write: Write) -> None:
    call(write(LEAKS_ON_THE_SECOND), *MEMORY, "--junit", "out.xml")
    suite = ElementTree.parse("out.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("4", "1", "0", "0")
    failed, = [case for case in suite if case.find("failure") is not None]
    assert (failed.get("classname"), failed.get("name")) == (
        "dmabed.mine.py.NdisAllocateMemoryWithTag", "NdisAllocateMemoryWithTag#2")


def test_sarif_names_file_and_line(write: Write) -> None:
    call(write(LEAKS_ON_THE_SECOND), *MEMORY, "--sarif", "out.sarif")
    log = json.loads(Path("out.sarif").read_text("utf-8"))
    result, = log["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (log["version"], result["ruleId"], place["artifactLocation"]["uri"]) == ("2.1.0", "init-fail-release-all", "mine.py")
    assert place["region"]["startLine"] == 9


def test_the_report_shows_table_filter_cause_source_and_replay_line(write: Write) -> None:
    result = call(write(LEAKS_ON_THE_SECOND), *MEMORY, "--report", "out", "--conditions", "placement=low")
    page = Path("out/index.html").read_text("utf-8")
    assert "report   out/index.html" in result.stdout
    for piece in ("NdisAllocateMemoryWithTag#2", "placement=low", 'id="cause-1"', "dmabed replay", 'type="search"', "class=\"here\"",
                  "init-fail-release-all"):
        assert piece in page, piece
    assert "http://" not in page.replace("http://www.w3.org", "") and "src=" not in page


def test_a_written_baseline_makes_the_next_campaign_clean_until_it_expires(write: Write) -> None:
    name = write(LEAKS_ON_THE_SECOND)
    assert call(name, *MEMORY, "--write-baseline", "known.toml", "--today", "2026-05-01").exit_code == 1
    known = (name, *MEMORY, "--baseline", "known.toml", "--today")
    kept = call(*known, "2026-07-30")
    assert kept.exit_code == 0 and "1 world expected by the baseline" in kept.stdout.replace("\n         ", " ")
    gone = call(*known, "2026-07-31")
    assert gone.exit_code == 1 and "is expired (expires 2026-07-30)" in gone.stdout
    value = json.loads(call(*MEMORY, "--baseline", "known.toml", "--today", "2026-05-01", "--json").stdout)
    assert (value["verdict"], value["baseline"][0]["state"]) == ("clean", "unused")
    junit = call(*known, "2026-05-01", "--junit", "out.xml")
    assert junit.exit_code == 0 and 'skipped="1"' in Path("out.xml").read_text("utf-8")
