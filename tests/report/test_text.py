# SPDX-License-Identifier: Apache-2.0
"""What ``dmabed run`` prints."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmabed.report import text

Run = dict[str, Any]
Sources = dict[str, list[str]]


def too_wide(output: str, width: int) -> list[str]:
    return [line for line in output.splitlines() if len(line) > width and not line.lstrip().startswith("replay ")]


@pytest.mark.parametrize("width", [60, 79, 80, 81, 132])
@pytest.mark.parametrize("run", ["clean_run", "faulty_run", "huge_run"])
def test_no_line_but_replay_is_wider_than_the_terminal(run: str, width: int, request: pytest.FixtureRequest,
                                                       sources: Sources) -> None:
    assert too_wide(text.render(request.getfixturevalue(run), width=width, sources=sources), width) == []


def test_replay_command_stays_one_line_to_be_copied(faulty_run: Run) -> None:
    command = faulty_run["findings"][0]["replay"]
    assert len(command) > 80
    assert f"   replay     {command}" in text.render(faulty_run).splitlines()


def test_last_line_is_the_verdict(clean_run: Run, faulty_run: Run, huge_run: Run) -> None:
    last = [text.render(run).splitlines()[-1] for run in (clean_run, faulty_run, huge_run)]
    assert last == ["verdict  clean", "verdict  3 findings", "verdict  1 finding"]


def test_refusal_names_the_status(clean_run: Run) -> None:
    refused = {**clean_run, "verdict": "refused", "status": "NDIS_STATUS_RESOURCES"}
    assert text.render(refused).endswith("verdict  refused (NDIS_STATUS_RESOURCES)\n")


def test_error_says_what_and_what_to_do() -> None:
    error = {"schema": 1, "verdict": "error", "error": {"kind": "usage", "message": "no NIC is called 'pcent'",
                                                        "remedy": "did you mean pcnet?"}}
    assert text.render(error).splitlines() == [
        "usage: no NIC is called 'pcent'", "   remedy     did you mean pcnet?", "", "verdict  error"]


def test_finding_block_shows_picture_allocation_line_remedy(faulty_run: Run, sources: Sources) -> None:
    output = text.render(faulty_run, sources=sources)
    block = output[output.index("dma-boundary   "):output.index("dma-width   ")].splitlines()
    assert block[2:7] == [
        "   logical addresses",
        "   0x00fff000               0x01000000               0x01001000",
        "   |======== 0x1000 ========|!!!!!!!! 0x1000 !!!!!!!!|",
        "                            ^ the device's counter wraps: its next byte goes to",
        "                              0x00000000, interrupt vectors (kernel)"]
    assert "   allocated  mynic.py:39  shared memory #2, 0x2000 bytes, uncached" in block
    assert '              > adapter.write_register("TXBASE", tx.logical)' in block
    assert "   remedy     over-allocate and place, or pass BoundaryAddressMultiple=0x1000000" in block
    assert any(line.startswith("   then       dma-stray") for line in block)


def test_allocation_beyond_the_reach_and_across_a_boundary_is_marked(faulty_run: Run) -> None:
    rows = [line for line in text.render(faulty_run).splitlines() if line[:3] in ("1  ", "2  ", "3  ")]
    assert [("BEYOND" in row, "crosses" in row) for row in rows] == [(False, False), (False, True), (True, True)]


@pytest.mark.parametrize(("length", "reach", "boundary"), [
    (0xFFF, "ok", "ok"), (0x1000, "ok", "ok"), (0x1001, "BEYOND", "crosses")])
def test_last_byte_of_an_allocation_decides_whether_it_fits(clean_run: Run, length: int, reach: str, boundary: str,
                                                            ) -> None:
    first = {**clean_run["allocations"][0], "physical": 0x03FFF000, "logical": 0x03FFF000, "length": length}
    row = next(line for line in text.render({**clean_run, "allocations": [first]}).splitlines()
               if line.startswith("1  0x"))
    assert row.split()[5:7] == [reach, boundary]


def test_logical_column_appears_where_the_bus_has_an_offset(clean_run: Run) -> None:
    assert "logical = physical" in text.render(clean_run)
    for allocation in clean_run["allocations"]:
        allocation["logical"] += 0x40000000
    assert "0x40ffe000" in text.render(clean_run)


def test_not_exercised_is_counted_and_named(clean_run: Run) -> None:
    output = text.render(clean_run)
    assert "not seen   3 rules, 2 handlers, 2 lines" in output
    assert "mynic.py:71-74, 102" in output


@pytest.mark.parametrize("times, shown", [(1, None), (2, "and 1 more time"), (1235, "and 1,234 more times")])
def test_repeated_finding_says_how_often(faulty_run: Run, times: int, shown: str | None) -> None:
    finding = {**faulty_run["findings"][0], "time_ns": 61_200, "times": times}
    output = text.render({**faulty_run, "findings": [finding], "notices": []})
    rows = [line for line in output.splitlines() if line.startswith("   time ")]
    assert rows == ["   time       61.2 us" + (f", {shown}" if shown else "")]


@pytest.mark.parametrize("key, thing, head", [("findings", "finding", "dma-boundary   "), ("notices", "notice", ": dma-boundary")])
@pytest.mark.parametrize("number, more", [(99, None), (100, None), (101, "1 more {} is"), (1203, "1,103 more {}s are")])
def test_hundred_findings_are_listed_and_the_rest_counted(
        faulty_run: Run, key: str, thing: str, head: str, number: int, more: str | None) -> None:
    finding = {**faulty_run["findings"][0], "span": None, "consequences": []}
    lines = text.render({**faulty_run, "findings": [], "notices": [], key: [finding] * number}).splitlines()
    assert sum(head in line for line in lines) == min(number, 100)
    assert [line for line in lines if "not listed" in line] == (
        [f"{more.format(thing)} not listed; --json holds all"] if more else [])


def test_hundred_consequences_are_listed_and_the_rest_counted(faulty_run: Run) -> None:
    consequence = {"rule": "lost-cause", "message": "gone", "where": None, "time_ns": 1}
    finding = {**faulty_run["findings"][0], "consequences": [consequence] * 102}
    lines = text.render({**faulty_run, "findings": [finding]}).splitlines()
    assert sum("lost-cause" in line for line in lines) == 100
    assert "   then       2 more consequences are not listed; --json holds all" in lines


def test_corrupted_memory_is_listed(clean_run: Run) -> None:
    clean_run["corrupted"] = [{"address": 0x1000, "length": 64, "owner": "packet pool"}]
    assert "   0x00001000  64 bytes  packet pool" in text.render({**clean_run, "verdict": "unchecked"}).splitlines()


def test_control_characters_never_reach_the_terminal(faulty_run: Run) -> None:
    faulty_run["findings"][0]["message"] = "evil\x1b[2J\r\nmessage\x00"
    output = text.render(faulty_run)
    assert all(c.isprintable() or c == "\n" for c in output)
    assert "\\x1b[2J" in output


def test_colour_changes_nothing_but_colour(faulty_run: Run, sources: Sources) -> None:
    plain = text.render(faulty_run, sources=sources)
    coloured = text.render(faulty_run, sources=sources, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_text_is_the_same_each_time(faulty_run: Run, sources: Sources) -> None:
    assert text.render(faulty_run, sources=sources) == text.render(faulty_run, sources=sources)


def test_import_costs_no_rich_jinja_or_click() -> None:
    code = "import sys, dmabed.report.text; print(sorted({'rich', 'jinja2', 'click'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(message=st.text(max_size=200), owner=st.text(max_size=60), where=st.text(max_size=100),
       address=st.integers(0, 2**64 - 2**20), length=st.integers(0, 2**20), width=st.integers(60, 120),
       space=st.sampled_from(["logical", "physical", "virtual"]),
       rule=st.sampled_from(["dma-width", "dma-boundary", "dma-alignment", "dma-length", "shared-bounds"]))
def test_any_finding_fits_the_width(faulty_run: Run, message: str, owner: str, where: str, address: int, length: int,
                                    width: int, space: str, rule: str) -> None:
    finding = {**faulty_run["findings"][0], "message": message, "owner": owner, "where": where, "rule": rule,
               "span": {"space": space, "address": address, "length": length}}
    assert too_wide(text.render({**faulty_run, "findings": [finding]}, width=width), width) == []


def test_detail_of_a_finding_is_shown_line_by_line_and_not_wrapped(faulty_run: Run) -> None:
    dump = "  > 0x00c0 expected  6a 71 c8 37 c2 85 4e e3 be d0 b0 df 2b 65 d3 8e"
    faulty_run["findings"][0]["detail"] = dump
    assert f"   {dump}" in text.render(faulty_run)
