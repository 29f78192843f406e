# SPDX-License-Identifier: Apache-2.0
"""Every flawed example gives exactly its finding at its line, and every clean one gives none, in every life.

A finding names the line with ``# FLAW``; where it names the store, the doorbell, the allocation or the handler behind the
flaw instead, that line carries ``# NAMED HERE``.
"""

from __future__ import annotations

import ast
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from allocator.frames import Placement
from dmabed.bed import Bed
from dmabed.result import verdict_of
from dmabed.spec import LIVES
from dmabed.world import World
from hw.capture import read_frames
from miniport.versions import WINDOWS, ndis_of
from verifier import rulebook
from verifier.rule import declared_rules
from verifier.where import place

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXPECTED = {
    "aligned_free": "shared-free-exact",
    "boundary": "dma-boundary",
    "cached_flag_flipped": "shared-free-exact",
    "completed_twice": "send-complete-once",
    "completed_under_lock": "lock-not-across-upcall",
    "doorbell_first": "desc-before-doorbell",
    "free_under_lock": "shared-free-irql-xp",
    "freed_in_shutdown": "shared-free-not-in-shutdown",
    "freed_twice": "shared-free-twice",
    "half_freed": "shared-free-no-subrange",
    "halt_without_stop": "shared-free-nic-stopped",
    "interior_pointer_freed": "contig-free-exact-base",
    "interrupt_left_enabled": "int-deregister-disable-first",
    "interrupt_not_quiet": "int-isr-quiet",
    "last_byte_above_width": "dma-width",
    "leak_in_unwind": "init-fail-release-all",
    "length_rounded_up": "shared-free-exact",
    "lock_kept": "lock-balanced",
    "map_registers_first": "shared-free-before-mapregs",
    "mapping_completed_early": "mapreg-valid-window",
    "no_lock_in_send": "lockset",
    "one_descriptor_too_many": "shared-bounds",
    "own_bit_first": "desc-own-last",
    "physical_address": "shared-pa-is-logical",
    "shutdown_masks_only": "shutdown-quiesce",
    "slave_crosses_64k": "dma-boundary",
    "slave_word_unshifted": "dma-stray",
    "stale_last_byte": "wire-bytes-of-this-frame",
    "stale_padding": "wire-bytes-of-this-frame",
    "state_in_the_object": "miniport-state-undeclared",
    "stop_not_flushed": "mmio-flush-before-free",
    "truncated_address": "dma-width",
}
WITH_CONTIGUOUS_MEMORY = {"boundary", "interior_pointer_freed"}
"""Clean examples whose card reaches contiguous memory: a notice, and no finding."""


def names(folder: str) -> list[str]:
    return sorted(path.stem for path in (EXAMPLES / folder).glob("[!_]*.py"))


def marked_lines(name: str, mark: str) -> list[int]:
    lines = (EXAMPLES / "flawed" / f"{name}.py").read_text("utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if re.search(rf"# {mark}\b", line)]


def named_line(name: str) -> str:
    """``examples/flawed/NAME.py:LINE`` of the line that the finding has to name."""
    line, = marked_lines(name, "NAMED HERE") or marked_lines(name, "FLAW")
    return f"examples/flawed/{name}.py:{line}"


def run(folder: str, name: str, **options: Any) -> dict[str, Any]:
    return Bed(str(EXAMPLES / folder / f"{name}.py"), **options).run()


def shown(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["rule"], finding["where"]) for finding in result["findings"]]


def live(folder: str, name: str, **options: Any) -> World:
    """As `run`, without the JSON: sweeps live some thousand worlds."""
    return Bed(str(EXAMPLES / folder / f"{name}.py"), **options).world()


def found(world: World) -> list[tuple[str, str | None]]:
    return [(finding.rule.id, place(finding.where, world.base)) for finding in world.machine.findings.errors]


# Flawed


@pytest.mark.parametrize("name", names("flawed"))
def test_a_flaw_gives_exactly_its_finding_at_its_line(name: str) -> None:
    assert shown(run("flawed", name)) == [(EXPECTED[name], named_line(name))]


@pytest.mark.parametrize("name", names("flawed"))
def test_a_flaw_is_found_whatever_the_seed(name: str) -> None:
    for seed in range(1, 6):
        assert found(live("flawed", name, seed=seed, placement="hostile")) == [(EXPECTED[name], named_line(name))], seed


@pytest.mark.parametrize("name", names("flawed"))
def test_a_flaw_is_found_on_one_processor_and_on_four(name: str) -> None:
    for processors in (1, 4):
        assert found(live("flawed", name, processors=processors)) == [(EXPECTED[name], named_line(name))], processors


@pytest.mark.parametrize("name", ["own_bit_first", "doorbell_first", "physical_address", "halt_without_stop"])
def test_more_frames_do_not_make_two_findings_of_one_flaw(name: str) -> None:
    assert shown(run("flawed", name, frames=40)) == [(EXPECTED[name], named_line(name))]


def test_a_truncated_address_names_the_block_that_it_hits() -> None:
    finding, = run("flawed", "truncated_address")["findings"]
    assert finding["owner"] == "contiguous memory #1"
    assert "bounce pages" in finding["message"]


def test_a_leak_names_what_is_lost_and_initialize_fails() -> None:
    result = run("flawed", "leak_in_unwind")
    assert result["status"] == "NDIS_STATUS_RESOURCES"
    assert result["findings"][0]["span"]["length"] == 8 << 20


@pytest.mark.parametrize("ram", ["8M", "256M"])
def test_a_mapping_completed_early_is_found_with_and_without_bounce_pages(ram: str) -> None:
    name = "mapping_completed_early"
    assert shown(run("flawed", name, ram=ram)) == [(EXPECTED[name], named_line(name))]


def test_the_free_under_a_lock_is_allowed_by_windows_2000() -> None:
    assert shown(run("flawed", "free_under_lock", windows="2000")) == []


# Clean


def worlds(name: str) -> list[dict[str, str]]:
    """Every life, placement and Windows version that takes one of the NDIS versions of the example."""
    versions = Bed(str(EXAMPLES / "clean" / f"{name}.py")).miniport.ndis_versions
    taken = [windows for windows in WINDOWS if any(version <= ndis_of(windows) for version in versions)]
    return [{"life": life, "placement": placement.value, "windows": windows}
            for life, placement, windows in product(LIVES, Placement, taken)]


@pytest.mark.parametrize("name", names("clean"))
def test_a_clean_example_has_no_finding_in_any_life_placement_and_windows(name: str) -> None:
    notices = {"contig-not-for-ndis-dma"} if name in WITH_CONTIGUOUS_MEMORY else set()
    for options in worlds(name):
        world = live("clean", name, **options)
        assert (verdict_of(world), found(world), world.lost) == ("clean", [], 0), options
        assert {notice.rule.id for notice in world.machine.findings.notices} == notices, options


@pytest.mark.parametrize("name", names("clean"))
def test_a_clean_example_has_no_finding_whatever_the_seed_and_the_processors(name: str) -> None:
    for seed, processors in product(range(1, 6), (1, 2, 4)):
        world = live("clean", name, seed=seed, processors=processors)
        assert (verdict_of(world), found(world)) == ("clean", []), (seed, processors)


def test_the_serialized_example_runs_where_only_ndis_4_is_known() -> None:
    assert run("clean", "serialized", windows="nt4")["world"]["ndis"] == "4.0"


def test_map_registers_bounce_what_lies_beyond_the_declared_width() -> None:
    def pages(ram: str) -> int:
        rows = run("clean", "map_registers", ram=ram)["timeline"]
        return sum("NdisMAllocateMapRegisters: " in row["text"] for row in rows)

    assert (pages("8M"), pages("256M")) == (0, 1)


@pytest.mark.parametrize("name", ["map_registers", "scatter_gather"])
def test_what_is_not_copied_is_sent_in_as_many_pieces_as_it_has_buffers(name: str) -> None:
    rows = run("clean", name, frames=1)["timeline"]
    assert sum("of transmit data" in row["text"] for row in rows) == 2


def test_the_example_that_can_do_with_less_frees_the_large_block_in_initialize() -> None:
    freed = [(block["length"], block["freed_in"]) for block in run("clean", "leak_in_unwind")["allocations"]]
    assert (8 << 20, "initialize") in freed
    assert freed.count((64 << 10, "halt")) == 2


# What silicon does


def test_above_the_width_silicon_overwrites_exactly_the_bytes_that_the_truncated_address_names() -> None:
    result = run("flawed", "last_byte_above_width", silicon=True)
    base, reach = result["allocations"][0]["logical"], 1 << 26
    received = [60, 61, 64, 512, 1513, 1514, 60, 61]
    slots = [(base + 2048 * slot, length) for slot, length in enumerate(received)]
    above = [(address, length) for address, length in slots if address + length > reach]
    assert above and all(address >= reach for address, _ in above)
    assert [(c["address"], c["length"]) for c in result["corrupted"]] == [(address % reach, length) for address, length in above]
    assert result["verdict"] == "unchecked" and not result["findings"]


def test_across_the_boundary_silicon_overwrites_exactly_the_bytes_that_the_wrapped_address_names() -> None:
    result = run("flawed", "boundary", silicon=True)
    base, boundary = result["allocations"][-1]["physical"], 16 << 20
    received = [60, 61, 64, 512, 1513, 1514, 60, 61]
    expected = []
    for slot, length in enumerate(received):
        start = base + 1600 * slot
        beyond = start + length - (start // boundary + 1) * boundary
        if beyond > 0:
            expected.append((start // boundary * boundary, beyond))
    assert expected and [(c["address"], c["length"]) for c in result["corrupted"]] == expected


# The examples as a set


def test_the_table_lists_every_flawed_example() -> None:
    assert names("flawed") == sorted(EXPECTED)
    assert len(EXPECTED) >= 12


@pytest.mark.parametrize("name", names("flawed"))
def test_a_flawed_example_says_what_is_wrong_what_to_expect_and_how_to_mend_it(name: str) -> None:
    text = ast.get_docstring(ast.parse((EXAMPLES / "flawed" / f"{name}.py").read_text("utf-8"))) or ""
    assert [line.partition(":")[0] for line in text.splitlines()[2:]] == ["Wrong", "Silicon", "Expected", "Mend"]
    assert re.findall(r"^Expected: ([a-z0-9-]+), ", text, re.MULTILINE) == [EXPECTED[name]]


@pytest.mark.parametrize("name", names("flawed"))
def test_a_flawed_example_has_one_flaw(name: str) -> None:
    assert len(marked_lines(name, "FLAW")) == 1
    assert len(marked_lines(name, "NAMED HERE")) <= 1


@pytest.mark.parametrize("rule", sorted(set(EXPECTED.values())))
def test_an_expected_rule_is_enforced_and_described(rule: str) -> None:
    assert rule in declared_rules()
    assert rule in rulebook.ids() or declared_rules()[rule].text


def test_at_least_six_flawed_examples_have_a_clean_twin_that_names_them() -> None:
    twins = [name for name in names("clean") if name in EXPECTED]
    assert len(twins) >= 6
    for name in twins:
        assert f"``flawed/{name}.py``" in (EXAMPLES / "clean" / f"{name}.py").read_text("utf-8")


def test_a_clean_example_marks_no_flaw() -> None:
    for name in names("clean"):
        assert "# FLAW" not in (EXAMPLES / "clean" / f"{name}.py").read_text("utf-8")


def test_both_folders_hold_the_same_helper() -> None:
    assert (EXAMPLES / "clean" / "_base.py").read_bytes() == (EXAMPLES / "flawed" / "_base.py").read_bytes()


def test_the_capture_holds_long_frames_and_then_short_ones() -> None:
    assert [len(frame) for frame in read_frames(EXAMPLES / "short_frames.pcapng")] == [200] * 8 + [42] * 8
