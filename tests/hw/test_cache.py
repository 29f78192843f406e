# SPDX-License-Identifier: Apache-2.0
"""A cache that devices do not see: what was stored and not flushed, what is stale, and what a shared line loses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.cache import LINE, DataCache
from hw.limits import PRESETS
from hw.machine import Machine
from hw.processor_port import ProcessorPort
from verifier.address_book import BlockKind

BLOCK = 0x20_0000
SIZE = 0x400


class Bench:
    """A machine with such a cache, a device, and a block of sixteen lines that was written and flushed."""

    def __init__(self, build: Callable[..., Machine], enter: Callable[..., Any], **options: Any) -> None:
        self.machine = build(ram=16 << 20, incoherent=True)
        assert self.machine.cache is not None
        self.cache: DataCache = self.machine.cache
        self.block = enter(self.machine, "buffer", BLOCK, SIZE, **options)
        self.port = ProcessorPort(self.machine)
        self.port.store(self.block, 0, bytes(SIZE))
        self.cache.write_back(BLOCK, SIZE)
        self.cache.invalidate(BLOCK, SIZE)
        self.device = self.machine.dma_port("nic0", 0, PRESETS["reference"])
        self.device.bus_master = True

    def device_writes(self, offset: int, data: bytes) -> None:
        assert self.device.write(BLOCK + offset, data, "data")
        self.device.flush()

    @property
    def rules(self) -> list[str]:
        return [finding.rule.id for finding in self.machine.findings.errors]


@pytest.fixture
def bench(build: Any, enter: Any) -> Callable[..., Bench]:
    return lambda **options: Bench(build, enter, **options)


@pytest.mark.breaks("shared-cached-ndis5")
@pytest.mark.parametrize("offset", [0, 1, LINE - 1, LINE, SIZE - 1])
def test_a_device_reads_the_old_byte_until_the_line_is_flushed(bench: Any, offset: int) -> None:
    rig = bench()
    rig.port.store(rig.block, offset, b"\x55")
    assert rig.port.load(rig.block, offset, 1) == b"\x55"
    assert rig.device.read(BLOCK + offset, 1, "data") == b"\0" and rig.rules == ["shared-cached-ndis5"]
    finding, = rig.machine.findings.errors
    assert finding.span.start == BLOCK + offset and finding.owner == "buffer"


@pytest.mark.parametrize("offset", [0, 1, LINE - 1, LINE, SIZE - 4])
def test_a_field_of_a_context_goes_through_the_cache_too(bench: Any, offset: int) -> None:
    rig = bench()
    rig.port.store(rig.block, offset, b"\x51\x52\x53\x54")
    assert rig.port.load_field(rig.block, offset, 4) == b"\x51\x52\x53\x54"
    rig.port.store_field(rig.block, offset, b"\x61\x62\x63\x64")
    assert rig.port.load(rig.block, offset, 4) == b"\x61\x62\x63\x64"
    assert rig.machine.ram.read(BLOCK + offset, 4) == bytes(4)


@pytest.mark.keeps("shared-cached-ndis5", "mapreg-flush-cached")
@pytest.mark.parametrize("kind", [BlockKind.SHARED, BlockKind.OTHER])
def test_after_a_flush_the_device_reads_the_byte(bench: Any, kind: BlockKind) -> None:
    rig = bench(kind=kind)
    rig.port.store(rig.block, 7, b"\x55")
    rig.cache.write_back(BLOCK + 7, 1)
    assert rig.device.read(BLOCK + 7, 1, "data") == b"\x55" and rig.rules == []


@pytest.mark.breaks("mapreg-flush-cached", "slave-flush")
def test_a_buffer_that_is_no_shared_memory_has_a_rule_of_its_own(bench: Any) -> None:
    rig = bench(kind=BlockKind.OTHER)
    rig.port.store(rig.block, 7, b"\x55")
    rig.device.read(BLOCK, 16, "data")
    assert rig.rules == ["mapreg-flush-cached"]


@pytest.mark.keeps("shared-cached-ndis5")
def test_the_device_may_read_beside_a_dirty_byte(bench: Any) -> None:
    rig = bench()
    rig.port.store(rig.block, 7, b"\x55")
    assert rig.device.read(BLOCK, 7, "data") == bytes(7) and rig.device.read(BLOCK + 8, 8, "data") == bytes(8)
    assert rig.rules == []


def test_memory_that_is_not_cached_has_no_such_trouble(bench: Any) -> None:
    rig = bench(cached=False)
    rig.port.store(rig.block, 7, b"\x55")
    assert rig.device.read(BLOCK + 7, 1, "data") == b"\x55"
    rig.device_writes(7, b"\x66")
    assert rig.port.load(rig.block, 7, 1) == b"\x66" and rig.rules == []


@pytest.mark.breaks("shared-cached-ndis5")
def test_a_processor_that_has_the_line_reads_the_old_byte_after_the_device_wrote(bench: Any) -> None:
    rig = bench()
    assert rig.port.load(rig.block, 0, 1) == b"\0"
    rig.device_writes(9, b"\x77")
    assert rig.port.load(rig.block, 8, 1) == b"\0" and rig.rules == []
    assert rig.port.load(rig.block, 9, 1) == b"\0" and rig.rules == ["shared-cached-ndis5"]


@pytest.mark.keeps("shared-cached-ndis5")
def test_an_invalidated_line_is_read_again(bench: Any) -> None:
    rig = bench()
    rig.port.load(rig.block, 0, SIZE)
    rig.device_writes(9, b"\x77")
    rig.cache.invalidate(BLOCK, SIZE)
    assert rig.port.load(rig.block, 9, 1) == b"\x77" and rig.rules == []


def test_a_line_that_nobody_has_is_filled_with_what_the_device_wrote(bench: Any) -> None:
    rig = bench()
    rig.device_writes(0, b"\x77" * LINE)
    assert rig.port.load(rig.block, 0, LINE) == b"\x77" * LINE and rig.rules == []


@pytest.mark.breaks("shared-align-cacheline", "mapreg-flush-cacheline")
def test_a_shared_line_that_goes_back_wipes_out_what_the_device_wrote(bench: Any) -> None:
    rig = bench()
    rig.port.store(rig.block, 0, b"\x11")
    rig.device_writes(LINE - 1, b"\x77")
    rig.cache.write_back(BLOCK, 1)
    rig.cache.invalidate(BLOCK, LINE)
    assert rig.rules == ["shared-align-cacheline"]
    assert rig.port.load(rig.block, 0, 1) == b"\x11" and rig.port.load(rig.block, LINE - 1, 1) == b"\0"


@pytest.mark.keeps("shared-align-cacheline", "mapreg-flush-cacheline")
def test_what_lies_in_lines_of_its_own_is_not_lost(bench: Any) -> None:
    rig = bench()
    rig.port.store(rig.block, LINE - 1, b"\x11")
    rig.device_writes(LINE, b"\x77")
    rig.cache.write_back(BLOCK, SIZE)
    rig.cache.invalidate(BLOCK, SIZE)
    assert rig.port.load(rig.block, LINE - 1, 2) == b"\x11\x77" and rig.rules == []


def test_never_written_bytes_are_known_through_the_cache(build: Any, enter: Any) -> None:
    machine = build(ram=16 << 20, incoherent=True)
    block = enter(machine, "buffer", BLOCK, SIZE)
    port = ProcessorPort(machine)
    port.store(block, 4, b"\x01\x02")
    assert port.load(block, 4, 2) == b"\x01\x02" and machine.findings.errors == []
    assert port.load(block, 3, 2) == b"\xa5\x01"
    assert [finding.rule.id for finding in machine.findings.errors] == ["shared-init-value"]


def test_the_tag_of_a_frame_goes_with_its_bytes(bench: Any) -> None:
    rig = bench()
    rig.machine.processor_ram.write_tagged(BLOCK + 3, b"\x01\x02", 5)
    rig.cache.write_back(BLOCK, SIZE)
    assert rig.machine.ram.first_foreign(BLOCK, SIZE, 1) == (BLOCK + 3, 5)


def test_a_fresh_allocation_forgets_its_lines(bench: Any) -> None:
    rig = bench()
    rig.port.store(rig.block, 0, b"\x11")
    rig.machine.processor_ram.forget(BLOCK, SIZE)
    rig.machine.ram.write(BLOCK, b"\x22")
    assert rig.port.load(rig.block, 0, 1) == b"\x22"


operations = st.lists(st.tuples(
    st.sampled_from(["store", "device", "flush", "invalidate"]), st.integers(0, 255), st.integers(1, 96), st.integers(1, 255)),
    max_size=30)


@given(operations)
def test_processor_and_memory_are_what_two_plain_copies_say(build_once: Any, history: list[tuple[str, int, int, int]]) -> None:
    """An oracle of two arrays and a set of lines: what processors see, and what devices see."""
    rig = build_once()
    seen, memory, lines = bytearray(SIZE), bytearray(SIZE), set[int]()
    dirty, stale = set[int](), set[int]()
    for what, at, size, value in history:
        touched = range(at // LINE, (at + size - 1) // LINE + 1)
        span = range(at, at + size)
        if what == "store":
            for line in touched:
                if line not in lines:
                    lines.add(line)
                    seen[line * LINE:(line + 1) * LINE] = memory[line * LINE:(line + 1) * LINE]
            seen[at:at + size] = bytes([value]) * size
            dirty |= set(span)
            rig.port.store(rig.block, at, bytes([value]) * size)
        elif what == "device":
            memory[at:at + size] = bytes([value]) * size
            stale |= {byte for byte in span if byte // LINE in lines}
            rig.device_writes(at, bytes([value]) * size)
        else:
            for line in touched:
                whole = set(range(line * LINE, (line + 1) * LINE))
                if what == "flush" and dirty & whole:
                    for byte in (dirty | stale) & whole:
                        memory[byte] = seen[byte]
                    dirty -= whole
                    stale -= whole
                elif what == "invalidate":
                    lines.discard(line)
                    dirty -= whole
                    stale -= whole
            (rig.cache.write_back if what == "flush" else rig.cache.invalidate)(BLOCK + at, size)
    assert rig.machine.ram.read(BLOCK, SIZE) == bytes(memory)
    view = bytes(seen[byte] if byte // LINE in lines else memory[byte] for byte in range(SIZE))
    assert rig.machine.processor_ram.read(BLOCK, SIZE) == view


@pytest.fixture(scope="session")
def build_once(build: Any, enter: Any) -> Callable[[], Bench]:
    return lambda: Bench(build, enter)
