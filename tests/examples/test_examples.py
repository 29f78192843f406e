# SPDX-License-Identifier: Apache-2.0
"""Every flawed example gives exactly its finding at its line, and every clean one gives none, in every life.

A finding names the line with ``# FLAW``; where it names the store, the doorbell, the allocation or the handler behind the
flaw instead, that line carries ``# NAMED HERE``. A flaw of `FAULTS` shows only when that fault is injected.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from allocator.frames import Placement
from dmabed.bed import Bed
from dmabed.campaign.pairwise import covering_rows
from dmabed.result import verdict_of
from dmabed.spec import LIVES, lives_of
from dmabed.world import World
from hw.capture import read_frames
from hw.nic import Nic
from miniport.versions import WINDOWS, ndis_of
from verifier import rulebook
from verifier.rule import declared_rules
from verifier.where import place

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXPECTED = {
    "acked_after_scan": "lost-cause",
    "address_of_five_bytes": "miniport-exception",
    "aligned_free": "shared-free-exact",
    "aligned_separately": "shared-init-value",
    "all_ones_believed": "miniport-exception",
    "async_context_freed": "shared-async-context",
    "async_counted_late": "time-limit",
    "async_failure_awaited": "time-limit",
    "async_left_behind": "shared-async-outstanding-at-halt",
    "async_not_awaited_in_halt": "shared-async-outstanding-at-halt",
    "boundary": "dma-boundary",
    "boundary_no_power_of_two": "contig-boundary-pow2",
    "buffers_of_the_driver": "dma-stray",
    "cached_flag_flipped": "shared-free-exact",
    "cached_not_flushed": "shared-cached-ndis5",
    "cause_read_twice": "lost-cause",
    "completed_twice": "send-complete-once",
    "completed_under_lock": "lock-not-across-upcall",
    "configured_before_enabled": "config-needs-enable",
    "contiguous_freed_twice": "contig-free-exact-base",
    "descriptor_rewritten": "desc-owner",
    "device_length_trusted": "slave-subrange",
    "dma_left_on_in_d3": "power-d3-quiet",
    "doorbell_first": "desc-before-doorbell",
    "e1000_cause_read_twice": "lost-cause",
    "e1000_reclaim_by_head": "desc-owner",
    "e1000_tail_on_head": "ring-tail",
    "free_under_lock": "shared-free-irql-xp",
    "freed_in_shutdown": "shared-free-not-in-shutdown",
    "freed_in_work_item": "shared-free-irql-xp",
    "freed_twice": "shared-free-twice",
    "freed_twice_in_unwind": "shared-free-twice",
    "freed_with_ndisfreememory": "shared-no-ndisfreememory",
    "half_freed": "shared-free-no-subrange",
    "halt_on_half_an_adapter": "int-deregister-where",
    "halt_without_stop": "shared-free-nic-stopped",
    "high_part_ignored": "contig-phys-64bit",
    "highest_page_too_high": "dma-width",
    "initialize_keeps_old_resources": "resources-current",
    "interior_pointer_freed": "contig-free-exact-base",
    "interrupt_before_registers": "init-ready-before-interrupt",
    "interrupt_left_enabled": "int-deregister-disable-first",
    "interrupt_not_quiet": "int-isr-quiet",
    "isa_base_checked_only": "dma-width",
    "isa_highest_is_no_length": "dma-width",
    "isa_truncated_address": "dma-width",
    "isr_before_ready": "int-isr-quiet",
    "isr_claims_all": "int-isr-false-if-not-ours",
    "isr_sleeps": "int-isr-any-irql-only",
    "isr_table_replaced": "contig-no-use-after-free",
    "last_byte_above_width": "dma-width",
    "leak_in_unwind": "init-fail-release-all",
    "leak_on_second_failure": "init-fail-release-all",
    "length_rounded_up": "shared-free-exact",
    "lock_kept": "lock-balanced",
    "map_registers": "mapreg-direction",
    "map_registers_first": "shared-free-before-mapregs",
    "mapping_completed_early": "mapreg-valid-window",
    "never_hangs": "traffic-after-fault",
    "no_lock_in_send": "lockset",
    "padded_after_doorbell": "desc-before-doorbell",
    "queue_in_pool_without_lock": "lockset",
    "slot_counted_without_lock": "lockset",
    "not_restored_after_suspend": "power-restored",
    "null_not_tested": "shared-alloc-null-both",
    "null_written": "miniport-exception",
    "one_descriptor_too_many": "shared-bounds",
    "own_bit_first": "desc-own-last",
    "packets_kept_in_halt": "send-complete-once",
    "pci_revision_believed": "miniport-exception",
    "pcnet_fcs_indicated": "lost-cause",
    "pcnet_iena_forgotten": "int-dpc-reenable",
    "pcnet_started_bare": "pcnet-rings-first",
    "pcnet_two_windows": "dma-window",
    "physical_address": "shared-pa-is-logical",
    "polls_for_ever": "surprise-all-ones",
    "read_pointer_not_behind": "rx-read-pointer",
    "receive_length_too_large": "shared-bounds",
    "registry_value_as_index": "miniport-exception",
    "reset_completed_twice": "reset-complete-once",
    "reset_forgets_packets": "reset-complete-pending-work",
    "reset_with_dma_on": "desc-owner",
    "retry_never_shrinks": "time-limit",
    "ring_count_too_large": "shared-bounds",
    "ring_end_ignored": "shared-bounds",
    "ring_not_aligned": "dma-alignment",
    "room_seen_too_early": "desc-own-last",
    "scatter_gather": "shared-alloc-after-dma-ndis5",
    "serialized": "send-status",
    "short_frame_not_cleared": "wire-bytes-of-this-frame",
    "shutdown_masks_only": "shutdown-quiesce",
    "shutdown_sleeps": "shutdown-any-irql",
    "slave_crosses_64k": "dma-boundary",
    "slave_shared_memory": "shared-alloc-check-required",
    "slave_word_unshifted": "dma-stray",
    "slot_lost_without_buffer": "desc-before-doorbell",
    "stale_last_byte": "wire-bytes-of-this-frame",
    "stale_padding": "wire-bytes-of-this-frame",
    "state_in_the_object": "miniport-state-undeclared",
    "stop_not_flushed": "mmio-flush-before-free",
    "success_without_interrupt": "init-success-without-resources",
    "timer_cancel_ignored": "timer-cancel-false-wait",
    "timer_left": "halt-undo-all",
    "too_few_map_registers": "mapreg-index-range",
    "truncated_address": "dma-width",
}
FAULTS = {
    "address_of_five_bytes": ("NdisReadNetworkAddress#1=short",),
    "all_ones_believed": ("register-read:TX_HEAD#1=all-ones",),
    "async_context_freed": ("allocate-complete#1=late",),
    "async_counted_late": ("allocate-complete#1=early",),
    "async_failure_awaited": ("NdisMAllocateSharedMemoryAsync#1",),
    "async_left_behind": ("NdisMRegisterInterrupt#1", "allocate-complete#1=late"),
    "async_not_awaited_in_halt": ("allocate-complete#1=at-halt",),
    "device_length_trusted": ("register-read:RX_LENGTH#3=0x0FFF",),
    "freed_twice_in_unwind": ("NdisMAllocateSharedMemory#5",),
    "halt_on_half_an_adapter": ("NdisMRegisterInterrupt#1",),
    "isr_table_replaced": ("preempt#9=interrupt",),
    "leak_on_second_failure": ("NdisAllocateMemoryWithTag#4",),
    "never_hangs": ("frame-out#1=never",),
    "null_not_tested": ("NdisMAllocateSharedMemory#5",),
    "null_written": ("NdisAllocateMemoryWithTag#2",),
    "packets_kept_in_halt": ("halt#1=send",),
    "pci_revision_believed": ("NdisReadPciSlotInformation#1=all-ones",),
    "queue_in_pool_without_lock": ("send#1=concurrent",),
    "registry_value_as_index": ("NdisReadConfiguration#1=out-of-range",),
    "reset_forgets_packets": ("frame-out#8=never",),
    "room_seen_too_early": ("send#1=concurrent",),
    "shutdown_sleeps": ("preempt#200=bug-check",),
    "slot_counted_without_lock": ("send#1=concurrent",),
    "slot_lost_without_buffer": ("NdisAllocateBuffer#1",),
    "success_without_interrupt": ("NdisMRegisterInterrupt#1",),
    "timer_cancel_ignored": ("NdisMCancelTimer#1=fired",),
    "too_few_map_registers": ("NdisMAllocateMapRegisters#1=grant-1",),
}
"""The faults under which a flaw shows. async_context_freed shows without them as well, unless the seed completes the allocation
before the call returns."""
TWO_PROCESSORS = {"queue_in_pool_without_lock", "room_seen_too_early", "slot_counted_without_lock"}
"""Those whose fault needs a second processor."""
NOTICES = {
    **{name: ["contig-not-for-ndis-dma"] for name in (
        "boundary", "boundary_no_power_of_two", "contiguous_freed_twice", "high_part_ignored", "highest_page_too_high",
        "interior_pointer_freed", "isa_base_checked_only", "isa_highest_is_no_length", "isa_truncated_address",
        "slave_crosses_64k", "slave_word_unshifted", "truncated_address")},
    "async_counted_late": ["shared-async-typical-use"],
    "async_left_behind": ["shared-async-typical-use"],
}
"""Notices of clean examples. Contiguous memory that a card reaches has no promised device address; memory that initialize asks for
asynchronously could as well be asked for at once."""


def names(folder: str) -> list[str]:
    return sorted(path.stem for path in (EXAMPLES / folder).glob("[!_]*.py"))


def marked_lines(name: str, mark: str) -> list[int]:
    lines = (EXAMPLES / "flawed" / f"{name}.py").read_text("utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if re.search(rf"# {mark}\b", line)]


def named_line(name: str) -> str:
    """``examples/flawed/NAME.py:LINE`` of the line that the finding has to name."""
    line, = marked_lines(name, "NAMED HERE") or marked_lines(name, "FLAW")
    return f"examples/flawed/{name}.py:{line}"


def bed(folder: str, name: str, **options: Any) -> Bed:
    if folder == "flawed" and name in FAULTS:
        options.setdefault("faults", FAULTS[name])
    return Bed(str(EXAMPLES / folder / f"{name}.py"), **options)


def run(folder: str, name: str, **options: Any) -> dict[str, Any]:
    return bed(folder, name, **options).run()


def shown(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["rule"], finding["where"]) for finding in result["findings"]]


def live(folder: str, name: str, **options: Any) -> World:
    """As `run`, without the JSON: sweeps live some thousand worlds."""
    return bed(folder, name, **options).world()


def found(world: World) -> list[tuple[str, str | None]]:
    return [(finding.rule.id, place(finding.where, world.base)) for finding in world.machine.findings.errors]


# Flawed


@pytest.mark.breaks(
    "config-needs-enable", "rx-read-pointer",
    "contig-boundary-pow2", "contig-free-exact-base", "contig-no-use-after-free", "contig-phys-64bit", "desc-before-doorbell",
    "desc-own-last", "desc-owner", "dma-alignment", "dma-boundary", "dma-stray", "dma-width", "dma-window", "halt-undo-all",
    "init-fail-release-all", "init-ready-before-interrupt", "init-success-without-resources", "int-deregister-disable-first",
    "int-dpc-reenable", "int-deregister-where", "int-isr-any-irql-only", "int-isr-false-if-not-ours", "int-isr-quiet", "lock-balanced",
    "lock-not-across-upcall", "lockset", "lost-cause", "mapreg-direction", "mapreg-index-range", "mapreg-valid-window",
    "miniport-exception", "miniport-state-undeclared", "mmio-flush-before-free", "pcnet-rings-first", "power-d3-quiet", "power-restored",
    "reset-complete-once", "reset-complete-pending-work", "resources-current", "ring-tail", "send-complete-once", "send-status",
    "shared-alloc-after-dma-ndis5", "shared-alloc-check-required", "shared-alloc-null-both", "shared-async-context",
    "shared-async-outstanding-at-halt", "shared-bounds", "shared-cached-ndis5", "shared-free-before-mapregs", "shared-free-exact",
    "shared-free-irql-xp", "shared-free-nic-stopped", "shared-free-no-subrange", "shared-free-not-in-shutdown",
    "shared-free-twice", "shared-init-value", "shared-no-ndisfreememory", "shared-pa-is-logical", "shutdown-any-irql",
    "shutdown-quiesce", "slave-subrange", "surprise-all-ones", "time-limit", "timer-cancel-false-wait", "traffic-after-fault",
    "wire-bytes-of-this-frame")
@pytest.mark.parametrize("name", names("flawed"))
def test_a_flaw_gives_exactly_its_finding_at_its_line(name: str) -> None:
    assert shown(run("flawed", name)) == [(EXPECTED[name], named_line(name))]


@pytest.mark.parametrize("name", names("flawed"))
def test_a_flaw_is_found_whatever_the_seed(name: str) -> None:
    for seed in range(1, 6):
        assert found(live("flawed", name, seed=seed, placement="hostile")) == [(EXPECTED[name], named_line(name))], seed


@pytest.mark.parametrize("name", names("flawed"))
def test_a_flaw_is_found_on_one_processor_and_on_four(name: str) -> None:
    for processors in (4,) if name in TWO_PROCESSORS else (1, 4):
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


# Faults


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_without_its_fault_a_flaw_does_not_show(name: str) -> None:
    world = live("flawed", name, faults=())
    assert (verdict_of(world), found(world)) == ("clean", [])


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_under_the_same_fault_the_clean_twin_has_no_finding(name: str) -> None:
    for seed, processors in product(range(1, 6), (2, 4) if name in TWO_PROCESSORS else (1, 2, 4)):
        world = live("clean", name, faults=FAULTS[name], seed=seed, processors=processors)
        assert (found(world), world.not_fired) == ([], []), (seed, processors)


# Clean


@cache
def rows(taken: tuple[str, ...], nic: type[Nic]) -> list[dict[str, Any]]:
    """Worlds in which every two of Windows version, life, placement, seed and processors stand together."""
    axes: dict[str, tuple[Any, ...]] = {
        "windows": taken, "life": LIVES, "placement": tuple(placement.value for placement in Placement),
        "seed": tuple(range(1, 6)), "processors": (1, 2, 4)}

    def possible(row: tuple[int, ...]) -> bool:
        return row[0] < 0 or row[1] < 0 or LIVES[row[1]] in lives_of(nic, taken[row[0]])

    return [{name: values[index] for (name, values), index in zip(axes.items(), row, strict=True)}
            for row in covering_rows([len(values) for values in axes.values()], possible)]


def worlds(name: str) -> list[dict[str, Any]]:
    """The worlds of a clean example, on each Windows version that takes one of its NDIS versions."""
    bed = Bed(str(EXAMPLES / "clean" / f"{name}.py"))
    versions = bed.miniport.ndis_versions
    return rows(tuple(windows for windows in WINDOWS if any(version <= ndis_of(windows) for version in versions)), bed.spec.model())


@pytest.mark.keeps(
    "config-needs-enable", "rx-read-pointer",
    "contig-boundary-pow2", "contig-free-exact-base", "contig-no-use-after-free", "contig-phys-64bit", "desc-before-doorbell",
    "desc-own-last", "desc-owner", "dma-alignment", "dma-boundary", "dma-stray", "dma-width", "dma-window", "halt-undo-all",
    "init-fail-release-all", "init-ready-before-interrupt", "init-success-without-resources", "int-deregister-disable-first",
    "int-dpc-reenable", "int-deregister-where", "int-isr-any-irql-only", "int-isr-false-if-not-ours", "int-isr-quiet", "lock-balanced",
    "lock-not-across-upcall", "lockset", "lost-cause", "mapreg-direction", "mapreg-index-range", "mapreg-valid-window",
    "miniport-exception", "miniport-state-undeclared", "mmio-flush-before-free", "pcnet-rings-first", "power-d3-quiet", "power-restored",
    "reset-complete-once", "reset-complete-pending-work", "resources-current", "ring-tail", "send-complete-once", "send-status",
    "shared-alloc-after-dma-ndis5", "shared-alloc-check-required", "shared-alloc-null-both", "shared-async-context",
    "shared-async-outstanding-at-halt", "shared-bounds", "shared-cached-ndis5", "shared-free-before-mapregs", "shared-free-exact",
    "shared-free-irql-xp", "shared-free-nic-stopped", "shared-free-no-subrange", "shared-free-not-in-shutdown",
    "shared-free-twice", "shared-init-value", "shared-no-ndisfreememory", "shared-pa-is-logical", "shutdown-any-irql",
    "shutdown-quiesce", "slave-subrange", "surprise-all-ones", "time-limit", "timer-cancel-false-wait", "traffic-after-fault",
    "wire-bytes-of-this-frame")
@pytest.mark.parametrize("name", names("clean"))
def test_a_clean_example_has_no_finding_in_any_life_placement_and_windows(name: str) -> None:
    for options in worlds(name):
        world = live("clean", name, **options)
        assert (verdict_of(world), found(world), world.lost) == ("clean", [], 0), options
        assert sorted({notice.rule.id for notice in world.machine.findings.notices}) == NOTICES.get(name, []), options


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


def table_of_the_readme() -> list[list[str]]:
    """The cells of each row: number of the mistake, mistake, example, rule, when it shows."""
    lines = (EXAMPLES / "README.md").read_text("utf-8").partition("## Which mistakes")[2].splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ") and "| rule |" not in line]


def test_the_readme_names_every_example_its_rule_and_its_faults() -> None:
    rows = table_of_the_readme()
    assert {example: rule for _, _, example, rule, _ in rows if example} == EXPECTED
    shows = {example: when for _, _, example, _, when in rows}
    for name, faults in FAULTS.items():
        assert shows[name].partition(";")[0].split(", ") == list(faults)


def test_the_readme_has_a_row_and_an_example_for_each_of_57_mistakes() -> None:
    rows = table_of_the_readme()
    assert [int(number) for number, *_ in rows if number] == list(range(1, 58))
    assert all(example for _, _, example, _, _ in rows)


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


def test_each_flawed_example_has_a_clean_twin_and_the_reverse() -> None:
    assert names("flawed") == names("clean")


@pytest.mark.parametrize("name", names("clean"))
def test_a_clean_example_names_its_twin(name: str) -> None:
    assert f"``flawed/{name}.py``" in (EXAMPLES / "clean" / f"{name}.py").read_text("utf-8")


@pytest.mark.parametrize("name", names("flawed"))
def test_twins_live_on_the_same_machine(name: str) -> None:
    flawed, clean = (Bed(str(EXAMPLES / folder / f"{name}.py")).miniport for folder in ("flawed", "clean"))
    assert flawed.machine == clean.machine


def test_a_clean_example_marks_no_flaw() -> None:
    for name in names("clean"):
        assert "# FLAW" not in (EXAMPLES / "clean" / f"{name}.py").read_text("utf-8")


def test_both_folders_hold_the_same_helpers() -> None:
    clean, flawed = ({path.name: path.read_bytes() for path in (EXAMPLES / folder).glob("_*.py")} for folder in ("clean", "flawed"))
    assert clean == flawed and "_base.py" in clean


def test_the_capture_holds_long_frames_and_then_short_ones() -> None:
    assert [len(frame) for frame in read_frames(EXAMPLES / "short_frames.pcapng")] == [200] * 8 + [42] * 8
