# SPDX-License-Identifier: Apache-2.0
"""PCI configuration space: the header against its `construct` declaration, sizing of base addresses, the command register."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.pci import BAR0, COMMAND, INTERRUPT_LINE, SIZE, STATUS, Bar, PciConfig, layout

BARS = (Bar(0, 4096), Bar(1, 256, ports=True), Bar(3, 16))


@pytest.fixture
def config() -> PciConfig:
    return PciConfig(0x0DBE, 0x0001, class_code=0x020000, revision=7, bars=BARS, subsystem=(0x1234, 0x5678))


def parsed(config: PciConfig) -> Any:
    return layout().parse(config.read(0, SIZE))


def dword(config: PciConfig, offset: int) -> int:
    return int.from_bytes(config.read(offset, 4), "little")


def put(config: PciConfig, offset: int, value: int, size: int = 4) -> int:
    return config.write(offset, value.to_bytes(size, "little"))


def test_the_declaration_covers_the_whole_space() -> None:
    assert layout().sizeof() == SIZE == 256


def test_a_fresh_header_reads_as_declared(config: PciConfig) -> None:
    header = parsed(config)
    assert (header.vendor_id, header.device_id, header.revision_id) == (0x0DBE, 0x0001, 7)
    assert header.class_code == 0x020000
    assert (header.subsystem_vendor_id, header.subsystem_id) == (0x1234, 0x5678)
    assert (header.command, header.status, header.header_type) == (0, 0, 0)
    assert (header.interrupt_line, header.interrupt_pin) == (0, 1)
    assert list(header.bars) == [0, 1, 0, 0, 0, 0]
    assert header.device_specific == bytes(192)


def test_what_the_machine_sets_reads_back_through_the_declaration(config: PciConfig) -> None:
    config.set_bar(0, 0xFEB0_0000)
    config.set_bar(1, 0xC000)
    config.set_interrupt(11)
    config.command = 7
    put(config, 0x0C, 0x20, 1)
    put(config, 0x0D, 0x40, 1)
    header = parsed(config)
    assert list(header.bars) == [0xFEB0_0000, 0xC001, 0, 0, 0, 0]
    assert (header.interrupt_line, header.command) == (11, 7)
    assert (header.cache_line_size, header.latency_timer) == (0x20, 0x40)
    assert (config.bar(0), config.bar(1)) == (0xFEB0_0000, 0xC000)


@pytest.mark.parametrize("bar", BARS)
def test_a_base_address_tells_its_size_when_ones_are_written(config: PciConfig, bar: Bar) -> None:
    offset = BAR0 + 4 * bar.number
    config.set_bar(bar.number, 0xD000_0000 | 0x8000)
    put(config, offset, 0xFFFF_FFFF)
    sized = dword(config, offset)
    flags = 3 if sized & 1 else 0xF
    assert (~(sized & ~flags) & 0xFFFF_FFFF) + 1 == bar.size
    assert sized & flags == (1 if bar.ports else 0)
    put(config, offset, 0xD000_8000)
    assert config.bar(bar.number) == 0xD000_8000


@pytest.mark.parametrize("number", [2, 4, 5])
def test_a_base_address_that_the_device_lacks_stays_zero(config: PciConfig, number: int) -> None:
    put(config, BAR0 + 4 * number, 0xFFFF_FFFF)
    assert dword(config, BAR0 + 4 * number) == 0


@given(address=st.integers(0, 0xFFFF_FFFF), cuts=st.sets(st.integers(1, 3)))
def test_a_base_address_takes_the_same_value_in_pieces_of_any_size(address: int, cuts: set[int]) -> None:
    whole, pieces = PciConfig(1, 2, bars=BARS), PciConfig(1, 2, bars=BARS)
    data = address.to_bytes(4, "little")
    assert whole.write(BAR0, data) == 4
    edges = [0, *sorted(cuts), 4]
    for start, end in pairwise(edges):
        pieces.write(BAR0 + start, data[start:end])
    assert pieces.read(0, SIZE) == whole.read(0, SIZE)
    assert whole.bar(0) == address & ~0xFFF


def test_one_write_reaches_across_several_registers(config: PciConfig) -> None:
    assert config.write(BAR0, bytes(range(1, 13))) == 12
    assert list(parsed(config).bars)[:3] == [0x0403_0201 & ~0xFFF, 0x0807_0601 & ~0xFF | 1, 0]


def test_identification_cannot_be_written(config: PciConfig) -> None:
    before = config.read(0, SIZE)
    for offset in (*range(4), *range(8, 12), 0x0E, 0x0F, *range(0x28, 0x3C), 0x3D, 0x3E, 0x3F, 0x40, 0xFF):
        put(config, offset, 0xFF, 1)
    assert config.read(0, SIZE) == before


def test_the_command_register_keeps_only_the_bits_that_the_device_has(config: PciConfig) -> None:
    put(config, COMMAND, 0xFFFF, 2)
    assert config.command == 0x0147


def test_status_bits_are_cleared_by_ones_and_never_set(config: PciConfig) -> None:
    put(config, STATUS, 0xFFFF, 2)
    assert parsed(config).status == 0
    config._bytes[STATUS:STATUS + 2] = b"\xff\xff"
    put(config, STATUS, 0x2000, 2)
    assert parsed(config).status == 0xDFFF
    put(config, STATUS, 0xFFFF, 2)
    assert parsed(config).status == 0x06FF


def test_a_change_of_the_command_register_is_told_once_and_no_other_write_is() -> None:
    told: list[int] = []
    config = PciConfig(1, 2, bars=BARS, on_command=told.append)
    config.command = 6
    config.command = 6
    config.set_bar(0, 0x1000)
    put(config, INTERRUPT_LINE, 5, 1)
    put(config, COMMAND, 0x0007_0002, 4)
    assert told == [6, 2]


@pytest.mark.parametrize("offset, length, inside", [(255, 1, 1), (255, 2, 1), (256, 1, 0), (257, 4, 0), (252, 4, 4), (253, 4, 3)])
def test_beyond_the_space_reads_are_ones_and_writes_are_not_counted(
        config: PciConfig, offset: int, length: int, inside: int) -> None:
    assert config.read(offset, length) == bytes(inside) + b"\xff" * (length - inside)
    assert config.write(offset, bytes(length)) == inside
    assert len(config.read(0, SIZE)) == SIZE


def test_a_function_that_is_gone_reads_as_ones_and_keeps_nothing(config: PciConfig) -> None:
    config.command = 2
    config.present = False
    assert config.read(0, 64) == b"\xff" * 64
    assert put(config, COMMAND, 7, 2) == 2
    config.present = True
    assert config.command == 2
