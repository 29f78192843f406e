# SPDX-License-Identifier: Apache-2.0
"""Map registers: their width and count, mappings that are completed once, and the look at bytes that the card wrote."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from tests.miniport.test_map_registers import buffer_of, drop, mapped
from tests.rules.test_contexts import in_initialize, in_send, rules


def frees(adapter: Any, status: int) -> None:
    if status == s.NDIS_STATUS_SUCCESS:
        adapter.free_map_registers()


@pytest.mark.breaks("mapreg-pci-not-24")
@pytest.mark.keeps("mapreg-pci-not-24")
@pytest.mark.parametrize("bits, width, told", [
    (31, s.NDIS_DMA_24BITS, False), (32, s.NDIS_DMA_24BITS, True), (33, s.NDIS_DMA_24BITS, True), (24, s.NDIS_DMA_24BITS, False),
    (32, s.NDIS_DMA_32BITS, False)])
def test_a_pci_card_that_reaches_32_bits_asks_for_them(bare: Any, bits: int, width: int, told: bool) -> None:
    world = in_initialize(bare, lambda adapter: frees(adapter, mapped(adapter, width=width)), address_bits=bits)
    assert rules(world) == ({"mapreg-pci-not-24"} if told else set())
    assert world.machine.findings.errors == []


@pytest.mark.breaks("mapreg-pio-none")
@pytest.mark.parametrize("nic, also", [("isa-slave", ("mapreg-pio-none",)), ("reference", ())])
def test_a_slave_card_has_no_map_registers(bare: Any, live: Any, nic: str, also: tuple[str, ...]) -> None:
    world = live(bare(lambda adapter: frees(adapter, mapped(adapter)), attributes=0), nic=nic)
    finding = world.machine.findings.errors[0]
    assert (finding.rule.id, finding.also) == ("mapreg-alloc-busmaster", also)


@pytest.mark.keeps("mapreg-pio-none")
def test_a_slave_card_that_asks_for_none_is_fine(bare: Any, live: Any) -> None:
    assert rules(live(bare(attributes=0), nic="isa-slave")) == set()


# The count


def query(adapter: Any) -> int:
    count: int = adapter.query_map_register_count(s.NDIS_INTERFACE_PCI)[1]
    return count


@pytest.mark.breaks("mapreg-query-before")
def test_the_count_is_not_asked_for_once_registers_are_allocated(bare: Any) -> None:
    def initialize(adapter: Any) -> None:
        status = mapped(adapter)
        query(adapter)
        frees(adapter, status)

    assert rules(in_initialize(bare, initialize)) == {"mapreg-query-before"}


@pytest.mark.breaks("mapreg-query-before")
def test_the_count_is_not_asked_for_in_a_deferred_call(hooked: Any) -> None:
    assert "mapreg-query-before" in rules(in_send(hooked, query))


def takes(adapter: Any, wanted: int) -> None:
    """As many map registers as there are, from *wanted* down."""
    for count in range(wanted, 0, -1):
        status = mapped(adapter, count)
        if status == s.NDIS_STATUS_SUCCESS:
            adapter.free_map_registers()
            return


@pytest.mark.breaks("mapreg-query-obsolete")
@pytest.mark.parametrize("windows", ["2000", "xp", "7"])
def test_the_count_means_nothing_from_windows_2000_on(bare: Any, windows: str) -> None:
    world = in_initialize(bare, lambda adapter: frees(adapter, mapped(adapter, query(adapter), 1)), windows=windows)
    assert rules(world) == {"mapreg-query-obsolete"} and world.machine.findings.errors == []


@pytest.mark.keeps("mapreg-query-obsolete", "mapreg-query-before")
@pytest.mark.parametrize("windows, wanted", [("nt4", 0), ("2000", 64), ("xp", 40)])
def test_the_count_is_used_on_nt4_and_replaced_by_a_falling_one_later(bare: Any, windows: str, wanted: int) -> None:
    world = in_initialize(bare, lambda adapter: takes(adapter, min(query(adapter), wanted or 64)), windows=windows)
    assert rules(world) == set()


# Mappings


def mapping(adapter: Any, use: Any, write_to_device: bool = False) -> None:
    """Map 64 bytes by register 0, and *use* the buffer and its first device address."""
    mapped(adapter)
    buffer = buffer_of(adapter, 64)
    adapter.nic.dma.bus_master = True
    pieces = adapter.start_buffer_physical_mapping(buffer, 0, write_to_device)
    use(adapter, buffer, pieces[0][0])
    drop(adapter, buffer)
    if adapter.map_registers is not None:
        adapter.free_map_registers()


def completes(times: int) -> Any:
    def use(adapter: Any, buffer: Any, address: int) -> None:
        for _ in range(times):
            adapter.complete_buffer_physical_mapping(buffer, 0)
    return use


@pytest.mark.breaks("mapreg-complete-once", "mapreg-free-no-mapping")
@pytest.mark.keeps("mapreg-complete-once", "mapreg-free-no-mapping")
@pytest.mark.parametrize("times, found", [(0, ["mapreg-free-no-mapping"]), (1, []), (2, ["mapreg-complete-once"])])
def test_a_mapping_is_completed_once(bare: Any, broken: Any, times: int, found: list[str]) -> None:
    world = in_initialize(bare, lambda adapter: mapping(adapter, completes(times), write_to_device=True))
    assert broken(world) == found
    assert [finding.also for finding in world.machine.findings.errors] == [
        ("mapreg-complete-match",) if times == 2 else ("mapreg-complete-once",) for _ in found]


@pytest.mark.breaks("mapreg-unusable-after-free")
def test_nothing_is_mapped_once_the_registers_are_freed(bare: Any) -> None:
    def use(adapter: Any, buffer: Any, address: int) -> None:
        adapter.complete_buffer_physical_mapping(buffer, 0)
        adapter.free_map_registers()
        adapter.start_buffer_physical_mapping(buffer, 0, True)

    [finding] = in_initialize(bare, lambda adapter: mapping(adapter, use)).machine.findings.errors
    assert finding.rule.id == "mapreg-start-after-alloc" and finding.also == ("mapreg-unusable-after-free",)


@pytest.mark.keeps("mapreg-unusable-after-free")
def test_registers_that_are_allocated_again_map_again(bare: Any) -> None:
    def use(adapter: Any, buffer: Any, address: int) -> None:
        adapter.complete_buffer_physical_mapping(buffer, 0)
        adapter.free_map_registers()
        mapped(adapter)
        adapter.start_buffer_physical_mapping(buffer, 0, True)
        adapter.complete_buffer_physical_mapping(buffer, 0)

    assert rules(in_initialize(bare, lambda adapter: mapping(adapter, use))) == set()


# What the card wrote


def reads(at: int, size: int, *, complete: bool, written: tuple[int, int] = (16, 16)) -> Any:
    """The card writes *written* bytes, as (offset, length); the processor reads."""
    def use(adapter: Any, buffer: Any, address: int) -> None:
        adapter.nic.dma.write(address + written[0], bytes(written[1]), "test")
        if complete:
            adapter.complete_buffer_physical_mapping(buffer, 0)
        buffer.view.read(at, size)
        if not complete:
            adapter.complete_buffer_physical_mapping(buffer, 0)
    return use


@pytest.mark.breaks("mapreg-complete-before-cpu-read")
@pytest.mark.keeps("mapreg-complete-before-cpu-read")
@pytest.mark.parametrize("at, size, found", [(15, 1, False), (15, 2, True), (16, 1, True), (31, 1, True), (32, 1, False)])
def test_bytes_that_the_card_wrote_are_read_when_the_mapping_is_completed(bare: Any, at: int, size: int, found: bool) -> None:
    early = in_initialize(bare, lambda adapter: mapping(adapter, reads(at, size, complete=False)), limits="pci32-16m")
    late = in_initialize(bare, lambda adapter: mapping(adapter, reads(at, size, complete=True)), limits="pci32-16m")
    assert rules(early) == ({"mapreg-complete-before-cpu-read"} if found else set())
    assert rules(late) == set()


def test_a_mapping_that_is_over_says_nothing_of_the_next_one(bare: Any) -> None:
    def use(adapter: Any, buffer: Any, address: int) -> None:
        reads(16, 16, complete=True)(adapter, buffer, address)
        adapter.start_buffer_physical_mapping(buffer, 0, False)
        buffer.view.read(16, 16)
        adapter.complete_buffer_physical_mapping(buffer, 0)

    assert rules(in_initialize(bare, lambda adapter: mapping(adapter, use), limits="pci32-16m")) == set()
