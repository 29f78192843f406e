# SPDX-License-Identifier: Apache-2.0
"""The DMA port: what is legal to the last byte, whose memory is hit otherwise, and which bytes move where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.dma import DmaPort
from hw.inject import parse_fault
from hw.limits import PRESETS, DmaLimits, Effect
from hw.machine import Machine
from verifier.address import MIB, Span
from verifier.address_book import Block, BlockKind
from verifier.findings import Finding
from verifier.where import where_of_function

RAM = 128 * MIB
LINE = where_of_function(where_of_function)


class Bench:
    """A machine with more memory than 26 bits reach, and one bus-mastering port."""

    def __init__(self, build: Callable[..., Machine], enter: Callable[..., Block], limits: DmaLimits = PRESETS["reference"],
                 *faults: str, **options: Any) -> None:
        self.machine = build(ram=RAM, faults=tuple(map(parse_fault, faults)), **options)
        self._enter = enter
        self.port = self.new_port(limits)

    def new_port(self, limits: DmaLimits = PRESETS["reference"], adapter: int = 0) -> DmaPort:
        port = self.machine.dma_port(f"nic{adapter}", adapter, limits)
        port.bus_master = True
        port.armed_by = LINE
        return port

    def block(self, physical: int, size: int, name: str = "buffer", *, filled: bool = True, **options: Any) -> Block:
        block = self._enter(self.machine, name, physical, size, **options)
        if filled:
            self.machine.ram.write(physical, bytes(1 + i % 251 for i in range(size)))
        return block

    def ram(self, physical: int, size: int) -> bytes:
        return self.machine.ram.read(physical, size)

    @property
    def rules(self) -> list[str]:
        return [finding.rule.id for finding in self.machine.findings.errors]

    @property
    def only(self) -> Finding:
        assert len(self.machine.findings.errors) == 1, self.rules
        return self.machine.findings.errors[0]


@pytest.fixture
def make(build: Callable[..., Machine], enter: Callable[..., Block]) -> Callable[..., Bench]:
    return lambda *arguments, **options: Bench(build, enter, *arguments, **options)


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


# What is legal


@pytest.mark.parametrize("length", [1, 63, 64, 65, 4095, 4096])
def test_a_transfer_inside_a_block_moves_its_bytes(bench: Bench, length: int) -> None:
    bench.block(0x1000, 0x2000)
    data = bench.ram(0x1000, length)
    assert bench.port.read(0x1000, length, "data") == data
    assert bench.port.write(0x2000, data, "data")
    bench.port.flush()
    assert bench.ram(0x2000, length) == data
    assert bench.rules == []


def test_a_transfer_over_each_backing_moves_its_bytes(machine: Machine, enter: Callable[..., Block]) -> None:
    enter(machine, "buffer", 0x1000, 0x1000)
    port = machine.dma_port("nic0", 0, PRESETS["reference"])
    port.bus_master = True
    assert port.write(0x1FFF, b"x", "data")
    assert port.read(0x1FFF, 1, "data") == b"x"
    assert machine.findings.errors == []


def test_each_transfer_stands_in_the_record(bench: Bench) -> None:
    bench.block(0x1000, 0x1000)
    bench.port.read(0x1000, 16, "descriptor 3")
    bench.port.write(0x1010, b"abcd", "status")
    assert [(row["kind"], row["logical"], row["length"], row["purpose"]) for row in bench.machine.events.as_dicts()] == [
        ("dma_read", 0x1000, 16, "descriptor 3"), ("dma_write", 0x1010, 4, "status")]


# Width and boundary


@pytest.mark.breaks("dma-width")
@pytest.mark.keeps("contig-not-for-ndis-dma", "dma-width")
@pytest.mark.parametrize("last, legal", [(0x03FF_FFFF, True), (0x0400_0000, False), (0x0400_0001, False)])
@pytest.mark.parametrize("writes", [False, True])
def test_64_bytes_may_end_at_the_last_address_of_26_bits_and_not_one_beyond(
        bench: Bench, last: int, legal: bool, writes: bool) -> None:
    start = last - 63
    bench.block(0x03FF_F000, 0x2000, "ring")
    if writes:
        bench.port.write(start, bytes(64), "data")
    else:
        bench.port.read(start, 64, "data")
    if legal:
        assert bench.rules == []
    else:
        finding = bench.only
        assert (finding.rule.id, finding.owner, finding.where) == ("dma-width", "ring", LINE)
        assert (finding.space, finding.span, finding.goes_wrong_at) == ("logical", Span(start, 64), 0x0400_0000)
        assert "26 address bits (last address 0x03ffffff) from 0x04000000 on" in finding.message


@pytest.mark.breaks("dma-boundary")
@pytest.mark.keeps("dma-boundary")
@pytest.mark.parametrize("beyond, legal", [(0, True), (1, False), (2, False)])
@pytest.mark.parametrize("writes", [False, True])
def test_64_bytes_may_touch_a_16_mb_boundary_and_not_cross_it(bench: Bench, beyond: int, legal: bool, writes: bool) -> None:
    start = 0x0100_0000 - 64 + beyond
    bench.block(0x00FF_F000, 0x2000, "ring")
    if writes:
        bench.port.write(start, bytes(64), "data")
    else:
        bench.port.read(start, 64, "data")
    if legal:
        assert bench.rules == []
    else:
        assert (bench.only.rule.id, bench.only.owner, bench.only.goes_wrong_at) == ("dma-boundary", "ring", 0x0100_0000)
        assert "crosses 0x01000000, a multiple of 0x1000000" in bench.only.message


@pytest.mark.breaks("dma-width")
def test_a_whole_block_beyond_the_width_goes_wrong_at_its_first_byte(bench: Bench) -> None:
    bench.block(0x0500_0000, 0x1000, "ring")
    bench.port.read(0x0500_0010, 16, "data")
    assert (bench.only.rule.id, bench.only.goes_wrong_at) == ("dma-width", 0x0500_0010)


def test_where_the_width_ends_on_a_boundary_the_width_alone_is_told(bench: Bench) -> None:
    bench.block(0x03FF_F000, 0x2000)
    bench.port.read(0x03FF_FFF0, 32, "data")
    assert bench.rules == ["dma-width"]
    assert bench.only.consequences == []


@pytest.mark.breaks("dma-length")
@pytest.mark.keeps("dma-length")
@pytest.mark.parametrize("length, legal", [(4095, True), (4096, True), (4097, False), (4098, False)])
def test_a_transfer_longer_than_the_counter_moves_nothing(bench: Bench, length: int, legal: bool) -> None:
    bench.block(0x10_0000, 0x4000)
    before = bench.ram(0x10_0000, 0x4000)
    assert (bench.port.read(0x10_0000, length, "data") is not None) is legal
    assert bench.port.write(0x10_0000, b"\xff" * length, "data") is legal
    bench.port.flush()
    assert (bench.ram(0x10_0000, 0x4000) == before) is not legal
    assert bench.rules == ([] if legal else ["dma-length"])


@pytest.mark.parametrize("base, length, rule", [
    (0x00FF_F000, 0x1000, None), (0x00FF_F010, 0x1000, "dma-boundary"), (0x0100_0000, 0x1000, None),
    (0x03FF_F000, 0x1000, None), (0x03FF_F001, 0x1000, "dma-width"), (0x0400_0000, 0x10, "dma-width"),
    (0x0010_0000, 0x10_0000, None)])
def test_memory_that_is_walked_in_pieces_is_held_against_the_limits_as_a_whole(
        bench: Bench, base: int, length: int, rule: str | None) -> None:
    bench.block(base, length, "ring", filled=False)
    bench.port.check_reach(base, length)
    assert bench.rules == ([] if rule is None else [rule])


# The effect


def test_bytes_beyond_26_bits_go_to_the_start_of_memory_and_the_victim_is_named(bench: Bench) -> None:
    bench.block(0x0400_0000, 0x1000, "ring")
    bench.block(0, 0x1000, "the other's page", adapter=7)
    assert bench.port.write(0x0400_0000, b"wrong", "status")
    bench.port.flush()
    assert bench.ram(0, 5) == b"wrong"
    assert bench.ram(0x0400_0000, 5) == bytes([1, 2, 3, 4, 5])
    assert "silicon goes to 0x00000000..0x00000004 (0x5 bytes): the other's page (0x1000 bytes at 0x00000000)" in bench.only.message
    assert [(c.physical, c.length) for c in bench.port.corrupted] == [(0, 5)]
    assert bench.port.corrupted[0].owner == "the other's page (0x1000 bytes at 0x00000000)"


def test_a_counter_without_carry_wraps_to_the_start_of_its_window(bench: Bench) -> None:
    bench.block(0x01FF_F000, 0x2000, "ring")
    assert bench.port.write(0x01FF_FFFE, b"abcd", "status")
    bench.port.flush()
    assert bench.ram(0x01FF_FFFE, 2) == b"ab"
    assert bench.ram(0x0100_0000, 2) == b"cd"
    assert bench.ram(0x0200_0000, 1) != b"c"
    assert [(c.physical, c.length, c.owner) for c in bench.port.corrupted] == [
        (0x0100_0000, 2, "memory that belongs to the system")]


def test_reads_bring_what_lies_there(bench: Bench) -> None:
    bench.block(0x0400_0000, 0x1000, "ring")
    bench.block(0, 0x1000, "low", adapter=7)
    assert bench.port.read(0x0400_0010, 4, "data") == bench.ram(0x10, 4)
    assert bench.port.corrupted == []


@pytest.mark.parametrize("effect, words", [
    (Effect.ABORT, "the cycle is aborted"), (Effect.ELSEWHERE, "bus error"), (Effect.UNDEFINED, "documented nowhere")])
@pytest.mark.parametrize("start", [0x0400_0000 - 32, 0x0100_0000 - 32])
def test_other_effects_move_nothing_and_the_device_learns_of_it(
        make: Callable[..., Bench], effect: Effect, words: str, start: int) -> None:
    bench = make(DmaLimits("x", 26, boundary=16 * MIB, effect=effect))
    bench.block(start & ~0xFFF, 0x2000)
    before = bench.ram(start, 64)
    assert bench.port.read(start, 64, "data") is None
    assert bench.port.write(start, b"\xff" * 64, "data") is False
    bench.port.flush()
    assert bench.ram(start, 64) == before
    assert bench.port.corrupted == []
    assert words in bench.only.message


@given(bits=st.integers(12, 15), boundary_bits=st.one_of(st.none(), st.integers(4, 16)), address=st.integers(0, 0x1_0000),
       length=st.integers(1, 200), effect=st.sampled_from([Effect.ALIAS, Effect.WRAP]), offset=st.sampled_from([0, -0x2000, 0x2000]))
def test_every_byte_goes_where_a_counter_that_counts_byte_by_byte_sends_it(
        build: Callable[..., Machine], enter: Callable[..., Block], bits: int, boundary_bits: int | None, address: int,
        length: int, effect: Effect, offset: int) -> None:
    limits = DmaLimits("x", bits, boundary=1 << boundary_bits if boundary_bits else 0, effect=effect)
    bench = Bench(build, enter, limits, bus_offset=offset)
    # Everything belongs to the NIC, so that only the limits decide.
    size = 0x1_2000
    bench.block(0, size)
    flat = bytearray(bench.ram(0, size))
    data = bytes(255 - i % 200 for i in range(length))
    counting = min(bits, boundary_bits or 64)
    upper, counter = divmod(address % 2**bits, 2**counting)
    if address + length <= 2**bits and (boundary_bits is None or address // 2**boundary_bits == (address + length - 1) // 2**boundary_bits):
        bus = [address + i for i in range(length)]
    else:
        bus = [upper * 2**counting + (counter + i) % 2**counting for i in range(length)]
    inside = [0 <= at - offset < RAM for at in bus]
    if not all(inside) or any(at - offset >= size for at in bus):
        return
    assert bench.port.read(address, length, "data") == bytes(flat[at - offset] for at in bus)
    for at, byte in zip(bus, data, strict=True):
        flat[at - offset] = byte
    assert bench.port.write(address, data, "data")
    bench.port.flush()
    assert bench.ram(0, size) == bytes(flat)
    legal = bus == [address + i for i in range(length)]
    assert bool(bench.machine.findings.errors) is not legal


def test_a_wrapped_write_does_not_land_under_an_earlier_one_that_is_still_on_its_way(bench: Bench) -> None:
    bench.block(0, 0x1000)
    assert bench.port.write(0x100, b"earlier", "data")
    assert bench.port.write(0x0400_0100, b"later!!", "data")
    bench.port.flush()
    assert bench.ram(0x100, 7) == b"later!!"


def test_with_checks_off_the_wrong_bytes_move_and_nothing_is_told(make: Callable[..., Bench]) -> None:
    bench = make(checks=False)
    bench.block(0x0400_0000, 0x1000)
    assert bench.port.write(0x0400_0000, b"wrong", "status")
    bench.port.flush()
    assert bench.ram(0, 5) == b"wrong"
    assert bench.rules == []
    assert [(c.physical, c.length, c.owner) for c in bench.port.corrupted] == [(0, 5, "memory that belongs to the system")]


# One window for all blocks


@pytest.mark.breaks("dma-window")
@pytest.mark.keeps("dma-window")
@pytest.mark.parametrize("second, legal", [(0x01FF_FFF0, True), (0x0200_0000, False), (0x00FF_FFF0, False), (0x0100_0000, True)])
def test_a_device_with_one_base_register_keeps_to_one_window(make: Callable[..., Bench], second: int, legal: bool) -> None:
    bench = make(DmaLimits("x", 32, window=16 * MIB))
    for start in (0x0100_1000, second):
        bench.block(start & ~0xFFF, 0x1000, adapter=0)
    bench.port.read(0x0100_1000, 16, "ring")
    bench.port.read(second, 16, "ring")
    assert bench.rules == ([] if legal else ["dma-window"])


# Whose memory


@pytest.mark.breaks("shared-bounds")
@pytest.mark.keeps("shared-bounds")
@pytest.mark.parametrize("start, legal", [(0x1FEF, True), (0x1FF0, True), (0x1FF1, False), (0x1FF2, False), (0x1000, True),
                                          (0x0FFF, False), (0x0FFE, False)])
@pytest.mark.parametrize("direction", ["both", "reads", "writes"])
def test_a_transfer_that_leaves_its_block_by_a_byte_is_out_of_bounds(
        bench: Bench, start: int, legal: bool, direction: str) -> None:
    bench.block(0x1000, 0x1000, "ring", device_reads=direction != "writes", device_writes=direction != "reads")
    if direction == "writes":
        bench.port.write(start, bytes(16), "data")
    else:
        bench.machine.ram.write(0x2000, bytes(16))
        bench.machine.ram.write(0, bytes(0x1000))
        bench.port.read(start, 16, "data")
    if legal:
        assert bench.rules == []
    else:
        assert (bench.only.rule.id, bench.only.owner) == ("shared-bounds", "ring")
        assert bench.only.goes_wrong_at == (0x2000 if start > 0x1000 else start)


@pytest.mark.breaks("shared-bounds")
def test_the_rest_of_the_last_page_is_not_the_devices(bench: Bench) -> None:
    bench.block(0x1000, 0x801, "ring")
    bench.port.read(0x1000, 0x801, "data")
    assert bench.rules == []
    bench.port.write(0x1000, bytes(0x802), "data")
    assert bench.rules == ["shared-bounds"]


def test_memory_of_the_system_is_astray_and_is_corrupted_all_the_same(bench: Bench) -> None:
    assert bench.port.write(0x9000, b"oops", "status")
    bench.port.flush()
    assert bench.ram(0x9000, 4) == b"oops"
    assert (bench.only.rule.id, bench.only.owner) == ("dma-stray", "the system")
    assert "memory that belongs to the system, which no shared memory or mapping of this NIC covers" in bench.only.message
    assert [(c.physical, c.length) for c in bench.port.corrupted] == [(0x9000, 4)]


@pytest.mark.breaks("dma-stray")
def test_memory_of_another_adapter_is_astray_and_its_owner_is_named(bench: Bench) -> None:
    bench.block(0x1000, 0x1000, "other ring", adapter=1)
    bench.port.read(0x1000, 16, "data")
    assert (bench.only.rule.id, bench.only.owner) == ("dma-stray", "other ring")
    other = bench.new_port(adapter=1)
    other.read(0x1000, 16, "data")
    assert len(bench.machine.findings.errors) == 1


def test_pool_that_was_never_mapped_is_astray(bench: Bench) -> None:
    bench.block(0x1000, 0x1000, "packet", kind=BlockKind.POOL, device_reads=False, device_writes=False)
    bench.port.read(0x1000, 16, "data")
    assert (bench.only.rule.id, bench.only.owner) == ("dma-stray", "packet")


@pytest.mark.keeps("contig-no-use-after-free", "dma-stray", "shared-free-nic-stopped")
@pytest.mark.parametrize("kind, rule", [(BlockKind.SHARED, "shared-free-nic-stopped"),
                                        (BlockKind.CONTIGUOUS, "contig-no-use-after-free"), (BlockKind.POOL, "dma-stray")])
def test_an_access_after_free_names_the_block_and_who_freed_it(bench: Bench, kind: BlockKind, rule: str) -> None:
    ring = bench.block(0x1000, 0x1000, "ring", kind=kind)
    killer = where_of_function(Machine.settle)
    bench.machine.book.remove(ring, killer, "halt")
    bench.port.read(0x1000, 16, "descriptor 0")
    assert bench.only.rule.id == rule
    assert bench.only.owner == "ring"
    if rule != "dma-stray":
        assert bench.only.where == killer
        assert ("armed by", LINE) in bench.only.related
        assert "after ring was freed" in bench.only.message


@pytest.mark.breaks("shared-free-nic-stopped")
def test_a_block_that_was_accessed_before_is_not_remembered_beyond_its_free(bench: Bench) -> None:
    ring = bench.block(0x1000, 0x1000, "ring")
    bench.port.read(0x1000, 16, "data")
    bench.machine.book.remove(ring, LINE, "halt")
    bench.port.write(0x1000, bytes(16), "data")
    assert bench.rules == ["shared-free-nic-stopped"]


def test_two_blocks_of_one_page_are_told_apart_in_any_order(bench: Bench) -> None:
    bench.block(0x1000, 0x100, "low")
    bench.block(0x1200, 0x100, "high", device_writes=False, kind=BlockKind.POOL)
    for _ in range(2):
        assert bench.port.read(0x10F0, 16, "data") is not None
        assert bench.port.read(0x1200, 16, "data") is not None
    assert bench.rules == []
    bench.port.read(0x10F1, 16, "data")
    bench.port.write(0x1200, b"x", "data")
    assert [(finding.rule.id, finding.owner) for finding in bench.machine.findings.errors] == [
        ("shared-bounds", "low"), ("mapreg-direction", "high")]


@pytest.mark.breaks("shared-bounds")
def test_a_block_that_takes_the_place_of_a_freed_one_is_known_by_its_own_bounds(bench: Bench) -> None:
    old = bench.block(0x1000, 0x1000, "old")
    bench.port.read(0x1000, 16, "data")
    bench.machine.book.remove(old, LINE, "halt")
    bench.block(0x1000, 0x100, "new")
    assert bench.port.read(0x10F0, 16, "data") is not None
    assert bench.rules == []
    bench.port.read(0x10F1, 16, "data")
    assert (bench.only.rule.id, bench.only.owner) == ("shared-bounds", "new")


@pytest.mark.breaks("shared-free-nic-stopped")
def test_an_access_after_free_names_the_one_who_lives_there_now(bench: Bench) -> None:
    ring = bench.block(0x1000, 0x1000, "ring")
    bench.machine.book.remove(ring, LINE, "halt")
    bench.block(0x1000, 0x1000, "page of the file system", adapter=-1, device_reads=False, device_writes=False)
    bench.port.write(0x1000, bytes(16), "data")
    assert "now page of the file system" in bench.only.message


# Logical and physical


@pytest.mark.parametrize("offset", [0x0100_0000, -0x10_0000])
def test_under_a_bus_offset_the_logical_address_reaches_the_block(make: Callable[..., Bench], offset: int) -> None:
    bench = make(bus_offset=offset)
    bench.block(0x20_0000, 0x1000)
    assert bench.port.read(0x20_0000 + offset, 16, "data") == bench.ram(0x20_0000, 16)
    assert bench.port.write(0x20_0000 + offset, b"x", "data")
    bench.port.flush()
    assert bench.ram(0x20_0000, 1) == b"x"
    assert bench.rules == []


@pytest.mark.breaks("contig-physical-not-dma", "shared-pa-is-logical")
@pytest.mark.keeps("contig-physical-not-dma", "shared-pa-is-logical")
@pytest.mark.parametrize("kind, rule", [(BlockKind.SHARED, "shared-pa-is-logical"), (BlockKind.CONTIGUOUS, "contig-physical-not-dma")])
def test_a_physical_address_given_to_the_device_is_recognised(make: Callable[..., Bench], kind: BlockKind, rule: str) -> None:
    bench = make(bus_offset=0x0100_0000)
    bench.block(0x0180_0000, 0x1000, "ring", kind=kind)
    bench.port.read(0x0180_0010, 16, "descriptor 1")
    assert (bench.only.rule.id, bench.only.owner) == (rule, "ring")
    assert "whose device address is 0x02800010" in bench.only.message


@pytest.mark.breaks("contig-not-for-ndis-dma")
def test_contiguous_memory_in_the_devices_hands_is_only_warned_of(bench: Bench) -> None:
    bench.block(0x1000, 0x1000, kind=BlockKind.CONTIGUOUS)
    assert bench.port.read(0x1000, 16, "data") is not None
    assert bench.rules == []
    assert [notice.rule.id for notice in bench.machine.findings.notices] == ["contig-not-for-ndis-dma"]


# Never written


@pytest.mark.breaks("shared-init-value")
def test_reading_a_byte_that_was_never_written_names_it(bench: Bench) -> None:
    bench.block(0x1000, 0x1000, "ring", filled=False)
    bench.machine.ram.write(0x1000, bytes(12))
    data = bench.port.read(0x1000, 16, "descriptor 0")
    assert data == bytes(12) + b"\xa5" * 4
    assert (bench.only.rule.id, bench.only.owner, bench.only.goes_wrong_at) == ("shared-init-value", "ring", 0x100C)
    assert "byte 12 of it was never written" in bench.only.message


@pytest.mark.breaks("shared-init-value")
@pytest.mark.keeps("shared-init-value")
@pytest.mark.parametrize("length, told", [(11, False), (12, False), (13, True), (14, True)])
def test_only_bytes_of_the_transfer_count(bench: Bench, length: int, told: bool) -> None:
    bench.block(0x1000, 0x1000, filled=False)
    bench.machine.ram.write(0x1000, bytes(12))
    bench.port.read(0x1000, length, "data")
    assert bool(bench.rules) is told


def test_what_the_device_wrote_itself_counts_as_written_even_on_its_way(bench: Bench) -> None:
    bench.block(0x1000, 0x1000, filled=False)
    bench.port.write(0x1000, b"mine", "data")
    assert bench.port.read(0x1000, 4, "data") == b"mine"
    assert bench.rules == []


# Direction


@pytest.mark.breaks("mapreg-direction")
@pytest.mark.keeps("mapreg-direction")
@pytest.mark.parametrize("reads, writes, told", [(True, True, []), (True, False, ["write"]), (False, True, ["read"])])
def test_a_mapping_holds_for_its_direction_only(bench: Bench, reads: bool, writes: bool, told: list[str]) -> None:
    bench.block(0x1000, 0x1000, "packet", kind=BlockKind.POOL, device_reads=reads, device_writes=writes)
    bench.port.read(0x1000, 16, "read")
    bench.port.write(0x1000, bytes(16), "write")
    assert bench.rules == ["mapreg-direction"] * len(told)
    assert all(f" {what} at " in finding.message
               for what, finding in zip(told, bench.machine.findings.errors, strict=True))


# Aborts and switches


@pytest.mark.parametrize("address, answered", [(RAM - 64, True), (RAM - 63, False), (RAM - 1, False), (RAM, False), (RAM + 64, False)])
def test_where_no_memory_answers_the_cycle_aborts(make: Callable[..., Bench], address: int, answered: bool) -> None:
    bench = make(DmaLimits("x", 40))
    assert (bench.port.read(address, 64, "data") is not None) is answered
    assert bench.port.write(address, bytes(64), "data") is answered
    assert set(bench.rules) == {"dma-stray"}
    assert ("where no memory answers" in bench.machine.findings.errors[0].message) is not answered


def test_an_address_below_all_memory_under_an_offset_aborts(make: Callable[..., Bench]) -> None:
    bench = make(bus_offset=0x0100_0000)
    assert bench.port.read(0x1000, 16, "data") is None
    assert not bench.port.write(0x1000, bytes(16), "data")


@pytest.mark.breaks("dma-stray")
def test_a_hole_in_memory_aborts(enter: Callable[..., Block]) -> None:
    machine = Machine([Span(0, 0xA_0000), Span(0x10_0000, 0x10_0000)])
    with machine.ram.backing:
        port = machine.dma_port("nic0", 0, PRESETS["reference"])
        port.bus_master = True
        enter(machine, "low", 0x9_0000, 0x1_0000)
        assert port.write(0x9_FFC0, bytes(64), "data")
        assert not port.write(0xA_0000, bytes(64), "data")
        assert not port.write(0xF_FFC1, bytes(64), "data")
        assert [finding.rule.id for finding in machine.findings.errors] == ["dma-stray"]


@pytest.mark.parametrize("switch", ["bus mastering off", "removed"])
def test_a_device_that_may_not_master_the_bus_or_is_gone_does_no_cycle(bench: Bench, switch: str) -> None:
    bench.block(0x1000, 0x1000)
    before = bench.ram(0x1000, 16)
    if switch == "removed":
        bench.port.park()
    else:
        bench.port.bus_master = False
    assert bench.port.read(0x1000, 16, "data") is None
    assert bench.port.write(0x1000, bytes(16), "data") is False
    bench.port.flush()
    assert bench.ram(0x1000, 16) == before
    assert bench.machine.events.as_dicts() == []


@pytest.mark.breaks("shutdown-quiesce")
def test_a_cycle_after_shutdown_is_a_finding_and_happens(bench: Bench) -> None:
    bench.block(0x1000, 0x1000)
    bench.port.shut_down = True
    assert bench.port.write(0x1000, b"late", "data")
    bench.port.flush()
    assert bench.ram(0x1000, 4) == b"late"
    assert bench.rules == ["shutdown-quiesce"]


# Faults


def test_the_nth_device_read_and_the_nth_device_write_abort(make: Callable[..., Bench]) -> None:
    bench = make(PRESETS["reference"], "dma-read#2=abort", "dma-write#1=abort")
    bench.block(0x1000, 0x1000)
    assert [bench.port.read(0x1000, 4, "data") is None for _ in range(3)] == [False, True, False]
    assert [bench.port.write(0x1000, b"x", "data") for _ in range(3)] == [False, True, True]
    assert bench.rules == []
    assert bench.machine.injector is not None
    assert bench.machine.injector.counts == {"dma-read": 3, "dma-write": 3}


def test_a_recording_machine_moves_the_same_bytes_and_finds_the_same(make: Callable[..., Bench]) -> None:
    for options in ({}, {"recording": True}):
        bench = make(**options)
        bench.block(0x03FF_F000, 0x2000, filled=False)
        assert bench.port.write(0x0400_0000 - 2, b"abcd", "data")
        assert bench.port.read(0x03FF_F000, 1, "data") == b"\xa5"
        bench.port.flush()
        assert bench.ram(0x0300_0000, 2) == b"cd"
        assert bench.rules == ["dma-width"]
        assert [finding.rule.id for finding in bench.only.consequences] == ["shared-init-value"]


# Data on their way, and whose frame they are


def test_data_reach_memory_late_and_in_order(bench: Bench) -> None:
    bench.block(0x1000, 0x1000)
    bench.port.write(0x1000, b"first", "data")
    bench.port.write(0x1003, b"second", "data")
    assert bench.ram(0x1000, 5) == bytes([1, 2, 3, 4, 5])
    bench.port.flush()
    assert bench.ram(0x1000, 9) == b"firsecond"


def test_a_read_of_the_device_pushes_its_own_writes_before_it(bench: Bench) -> None:
    bench.block(0x1000, 0x1000)
    bench.port.write(0x1000, b"mine", "data")
    assert bench.port.read(0x1000, 4, "data") == b"mine"
    assert bench.ram(0x1000, 4) == b"mine"


def test_received_bytes_carry_the_tag_of_their_frame(bench: Bench) -> None:
    bench.block(0x1000, 0x1000)
    bench.port.write(0x1000, bytes(60), "received data", -3)
    bench.port.flush()
    assert bench.port.frame_tag(0x1000, 60) == -3
    assert bench.port.frame_tag(0x103C, 60) == 0
    assert bench.port.frame_tag(RAM, 60) == 0


@pytest.mark.breaks("wire-bytes-of-this-frame")
def test_a_byte_of_another_frame_on_the_wire_is_told_with_its_place(bench: Bench) -> None:
    bench.block(0x1000, 0x1000, "tx buffer")
    for at, tag in ((0x1000, 1), (0x1020, 2)):
        bench.machine.ram.write_tagged(at, bytes(32), tag)
    bench.port.check_frame(0x1000, 32, 1)
    assert bench.rules == []
    bench.port.check_frame(0x1000, 33, 1)
    assert (bench.only.rule.id, bench.only.owner, bench.only.goes_wrong_at) == ("wire-bytes-of-this-frame", "tx buffer", 0x1020)
    assert "byte 32 of the frame" in bench.only.message
    assert "was written for frame 2 to be sent, and goes out with frame 1 to be sent" in bench.only.message


# One window, named by the device


@pytest.mark.parametrize("start, lands", [(0x0200_0010, 0x0100_0010), (0x0000_0010, 0x0100_0010), (0x02FF_FFF8, 0x01FF_FFF8)])
def test_outside_its_window_a_device_goes_to_the_same_place_inside(make: Callable[..., Bench], start: int, lands: int) -> None:
    bench = make(DmaLimits("x", 32, boundary=16 * MIB, window=16 * MIB), checks=False)
    bench.port.window_base = 1
    bench.block(start & ~0xFFF, 0x1000)
    assert bench.port.write(start, b"wrong", "status")
    bench.port.flush()
    assert bench.ram(lands, 5) == b"wrong"


def test_a_device_may_be_switched_to_other_limits(make: Callable[..., Bench]) -> None:
    bench = make(DmaLimits("wide", 32))
    bench.block(0x0200_0000, 0x1000)
    bench.port.read(0x0200_0000, 16, "ring")
    bench.port.set_limits(DmaLimits("narrow", 24))
    assert bench.rules == []
    bench.port.read(0x0200_0000, 16, "ring")
    assert bench.rules == ["dma-width"]
