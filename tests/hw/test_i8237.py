# SPDX-License-Identifier: Apache-2.0
"""The two DMA controllers of a PC/AT: ports, flip-flop, counting, wrapping, terminal count, cascade, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.dma import DmaPort
from hw.i8237 import I8237
from hw.i8237_channel import BYTE_LIMITS, WORD_LIMITS, Channel
from hw.i8237_registers import READS, WRITES, Service
from hw.machine import Machine
from verifier.address import KIB, MIB, Span
from verifier.address_book import Block
from verifier.errors import NotModelledError, UsageError
from verifier.findings import Finding

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hardware" / "i8237.md"
BYTE_CHANNELS, WORD_CHANNELS = (0, 1, 2, 3), (5, 6, 7)
CHANNELS = BYTE_CHANNELS + WORD_CHANNELS
PAGE_PORTS = {0: 0x87, 1: 0x83, 2: 0x81, 3: 0x82, 5: 0x8B, 6: 0x89, 7: 0x8A}
COMMAND, STATUS, REQUEST, MASK, MODE, CLEAR, MASTER, CLEAR_MASK, MASK_ALL = (
    (0x08, 0xD0), (0x08, 0xD0), (0x09, 0xD2), (0x0A, 0xD4), (0x0B, 0xD6), (0x0C, 0xD8), (0x0D, 0xDA), (0x0E, 0xDC), (0x0F, 0xDE))
"""The ports of the data sheet, written out a second time: of controller 0 and of controller 1."""


class Isa:
    """A machine with its DMA controllers, and one slave device on one channel."""

    def __init__(self, machine: Machine, enter: Callable[..., Block], channel: int = 1) -> None:
        self.machine, self.enter = machine, enter
        self.dma = I8237(machine)
        self.channel: Channel = self.dma.device_channel(channel)
        self.port: DmaPort = self.channel.port("slave", 0)

    def block(self, physical: int, size: int, name: str = "buffer") -> Block:
        self.machine.ram.write(physical, bytes(size))
        return self.enter(self.machine, name, physical, size)

    def memory(self, address: int, size: int) -> bytes:
        return self.machine.ram.read(address, size)

    def out(self, port: int, *values: int) -> None:
        for value in values:
            self.dma.write_port(port, value)

    def word(self, port: int) -> int:
        """Both bytes of an address or count, after clearing the flip-flop."""
        self.out(CLEAR[port >= 0xC0], 0)
        return self.dma.read_port(port) | self.dma.read_port(port) << 8

    @property
    def findings(self) -> list[Finding]:
        return self.machine.findings.errors

    @property
    def rules(self) -> list[str]:
        return [finding.rule.id for finding in self.findings]


@pytest.fixture
def isa(build: Callable[..., Machine], enter: Callable[..., Block]) -> Callable[..., Isa]:
    """``isa(channel=5)``: 16 MiB of RAM without a hole, and a slave on the channel."""
    return lambda channel=1, ram=16 * MIB: Isa(build(ram), enter, channel)


def address_port(channel: int) -> int:
    return channel * 2 if channel < 4 else 0xC0 + (channel - 4) * 4


def count_port(channel: int) -> int:
    return address_port(channel) + (1 if channel < 4 else 2)


# Ports


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_address_is_written_and_read_low_byte_first(isa: Callable[..., Isa], channel: int) -> None:
    here = isa(channel)
    here.out(CLEAR[channel > 3], 0)
    here.out(address_port(channel), 0x34, 0x12)
    here.out(count_port(channel), 0xFF, 0x0F)
    here.out(PAGE_PORTS[channel], 0x7B)
    assert (here.word(address_port(channel)), here.word(count_port(channel))) == (0x1234, 0x0FFF)
    assert here.dma.read_port(PAGE_PORTS[channel]) == 0x7B
    assert here.channel.bus_address == (0x7B_1234 if channel < 4 else 0x7A_2468)
    assert here.channel.bytes_left == 0x1000 * here.channel.width


def test_all_registers_of_a_controller_share_one_flip_flop(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.out(CLEAR[0], 0)
    here.out(address_port(0), 0x11)
    here.out(count_port(3), 0x22)
    assert (here.word(address_port(0)), here.word(count_port(3))) == (0x0011, 0x2200)
    here.dma.read_port(address_port(0))
    here.out(address_port(5), 0x44, 0x33)
    assert here.word(address_port(5)) == 0x3344


def test_a_word_channel_with_a_byte_address_names_twice_the_offset(isa: Callable[..., Isa]) -> None:
    here = isa(5)
    here.out(address_port(5), 0x20, 0x10)
    here.out(PAGE_PORTS[5], 0x13)
    assert here.channel.bus_address == 0x12_2040


@pytest.mark.parametrize("port", [0x10, 0x7F, 0x80, 0x84, 0x88, 0x8C, 0x8F, 0xBF, 0xC1, 0xD1, 0xDF, 0xE0, -1])
def test_an_unknown_port_is_refused_by_name(isa: Callable[..., Isa], port: int) -> None:
    here = isa()
    with pytest.raises(UsageError, match=f"port {hex(port)} is no port"):
        here.dma.read_port(port)
    with pytest.raises(UsageError, match=f"port {hex(port)} is no port") as caught:
        here.out(port, 0)
    assert "0x87" in caught.value.remedy


@pytest.mark.parametrize("port", sorted(set(WRITES) - set(READS)))
def test_a_read_that_the_data_sheet_calls_illegal_is_refused(isa: Callable[..., Isa], port: int) -> None:
    with pytest.raises(NotModelledError, match=f"port 0x{port:02x}.*illegal to read"):
        isa().dma.read_port(port)


@pytest.mark.parametrize("value", [-1, 0x100, 0x101])
def test_what_is_no_byte_is_refused(isa: Callable[..., Isa], value: int) -> None:
    with pytest.raises(UsageError, match="ADDRESS of DMA channel 1"):
        isa().out(address_port(1), value)


def test_the_data_sheet_lists_the_ports_that_the_model_has() -> None:
    reads, writes = {}, {}
    for row in re.findall(r"^\| (0x[0-9a-f]+)( \+ 2c)? \| (0x[0-9a-f]+)(?: \+ 4c)? \| (.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.M):
        for number, base in enumerate((int(row[0], 16), int(row[2], 16))):
            for c in range(4) if row[1] else (0,):
                port, owner = (base + c * (2 + 2 * number), number * 4 + c) if row[1] else (base, number)
                writes[port] = (row[4].removeprefix("base and current ").partition(":")[0], owner)
                if row[3] != "illegal":
                    reads[port] = (row[3].removeprefix("current "), owner)
    pages = {port: ("PAGE", channel) for channel, port in PAGE_PORTS.items()}
    assert reads | pages == READS
    assert writes | pages == WRITES


def test_a_master_clear_masks_all_and_keeps_mode_address_and_page(isa: Callable[..., Isa]) -> None:
    here = isa(6)
    here.channel.program(0x12_0000, 0x100, to_device=False)
    mode = here.channel.mode
    here.out(REQUEST[1], 4 | 2)
    here.out(COMMAND[1], 0x04)
    here.dma.read_port(address_port(6))
    here.out(MASTER[1], 0)
    assert [channel.masked for channel in here.dma.channels] == [True] * 8
    assert here.dma.read_port(STATUS[1]) == 0
    assert here.dma.read_port(0xDA) == 0
    assert here.channel.mode == mode
    assert here.word(address_port(6)) == 0x0000
    assert here.word(count_port(6)) == 0x7F
    assert here.channel.bus_address == 0x12_0000
    here.out(CLEAR_MASK[1], 0)
    assert here.channel.obstacle() == ""


def test_a_master_clear_sets_the_flip_flop_to_the_low_byte(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.out(address_port(0), 1)
    here.out(MASTER[0], 0)
    here.out(address_port(0), 0xCD, 0xAB)
    assert here.word(address_port(0)) == 0xABCD


def test_mask_bits_one_by_one_and_all_at_once(isa: Callable[..., Isa]) -> None:
    here = isa()

    def masked() -> list[int]:
        return [channel.number for channel in here.dma.channels[:4] if channel.masked]

    assert masked() == [0, 1, 2, 3]
    here.out(MASK[0], 2)
    assert masked() == [0, 1, 3]
    here.out(MASK[0], 4 | 2)
    assert masked() == [0, 1, 2, 3]
    here.out(MASK_ALL[0], 0b0101)
    assert masked() == [0, 2]
    here.out(CLEAR_MASK[0], 0)
    assert masked() == []


# What is not modelled


@pytest.mark.parametrize(("value", "name"), [(0x01, "MEMORY_TO_MEMORY"), (0x40, "DREQ_ACTIVE_LOW"), (0x80, "DACK_ACTIVE_HIGH")])
def test_a_command_that_is_not_modelled_is_refused_by_name(isa: Callable[..., Isa], value: int, name: str) -> None:
    here = isa()
    with pytest.raises(NotModelledError, match=name) as caught:
        here.out(COMMAND[0], value)
    assert "docs/hardware/i8237.md" in caught.value.remedy
    here.out(COMMAND[0], 0x3A)  # hold, timing, priority, late write: not to be seen


@pytest.mark.parametrize(("value", "name"), [(0x41, "verify"), (0x01, "verify"), (0x4D, "illegal")])
def test_verify_and_illegal_transfers_are_refused_by_name(isa: Callable[..., Isa], value: int, name: str) -> None:
    with pytest.raises(NotModelledError, match=f"channel 1 MODE: {name} transfer"):
        isa().out(MODE[0], value)


def test_a_transfer_without_a_mode_is_a_verify_transfer_and_refused(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.out(MASK[0], 1)
    with pytest.raises(NotModelledError, match="verify transfer on DMA channel 1"):
        here.channel.write(here.port, b"x", "data")


# Transfers


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("service", [Service.DEMAND, Service.SINGLE, Service.BLOCK])
def test_a_slave_writes_and_reads_memory_up_to_terminal_count(isa: Callable[..., Isa], channel: int, service: Service) -> None:
    here = isa(channel)
    here.block(0x12_3000, 8)
    here.channel.program(0x12_3000, 8, to_device=False, service=service)
    first = here.channel.write(here.port, b"abcd", "data")
    assert (first.length, first.terminal_count, here.channel.bytes_left, here.channel.masked) == (4, False, 4, False)
    assert here.memory(0x12_3000, 8) == b"abcd\0\0\0\0"
    last = here.channel.write(here.port, b"efgh", "data")
    assert (last.length, last.terminal_count, here.channel.bytes_left, here.channel.masked) == (4, True, 0, True)
    assert here.memory(0x12_3000, 8) == b"abcdefgh"
    assert here.word(count_port(channel)) == 0xFFFF
    here.channel.program(0x12_3000, 8, to_device=True, service=service)
    taken = here.channel.read(here.port, 8, "data")
    assert (taken.data, taken.terminal_count, taken.held) == (b"abcdefgh", True, "")
    assert here.rules == []


def test_terminal_count_is_seen_once_in_the_status(isa: Callable[..., Isa]) -> None:
    here = isa(6)
    here.block(0x1000, 2)
    here.channel.program(0x1000, 2, to_device=False)
    here.channel.requesting = True
    assert here.dma.read_port(STATUS[1]) == 0x40
    here.channel.write(here.port, b"ab", "data")
    here.channel.requesting = False
    assert here.dma.read_port(STATUS[1]) == 0x04
    assert here.dma.read_port(STATUS[1]) == 0
    assert here.dma.read_port(STATUS[0]) == 0


@pytest.mark.parametrize(("asked", "moved"), [(3, 3), (4, 4), (5, 4)])
def test_the_count_bounds_what_a_device_moves(isa: Callable[..., Isa], asked: int, moved: int) -> None:
    here = isa()
    here.block(0x2000, 8)
    here.channel.program(0x2000, 4, to_device=False)
    result = here.channel.write(here.port, b"abcde"[:asked], "data")
    assert (result.length, result.terminal_count, bool(result.held)) == (moved, moved == 4, asked > moved)
    assert here.memory(0x2000, 8) == b"abcd"[:moved].ljust(8, b"\0")


def test_auto_initialize_starts_over_and_stays_open(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x2000, 4)
    here.channel.program(0x2000, 4, to_device=False, auto_initialize=True)
    result = here.channel.write(here.port, b"abcdef", "data")
    assert (result.length, result.terminal_count, result.held) == (6, True, "")
    assert here.memory(0x2000, 4) == b"efcd"
    assert (here.channel.bytes_left, here.channel.masked) == (2, False)
    assert here.dma.read_port(STATUS[0]) == 0x02


def test_a_block_transfer_ends_at_terminal_count_even_with_auto_initialize(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x2000, 4)
    here.channel.program(0x2000, 4, to_device=False, auto_initialize=True, service=Service.BLOCK)
    assert here.channel.write(here.port, b"abcdef", "data").length == 4
    assert (here.channel.bytes_left, here.channel.masked) == (4, False)


@pytest.mark.parametrize("channel", [1, 5])
def test_a_decrementing_channel_stores_the_units_downwards(isa: Callable[..., Isa], channel: int) -> None:
    here = isa(channel)
    here.block(0x2000, 8)
    width = here.channel.width
    here.channel.program(0x2008 - width, 8, to_device=False, decrement=True)
    here.channel.write(here.port, b"abcdefgh", "data")
    assert here.memory(0x2000, 8) == (b"hgfedcba" if width == 1 else b"ghefcdab")
    here.channel.program(0x2008 - width, 8, to_device=True, decrement=True)
    assert here.channel.read(here.port, 8, "data").data == b"abcdefgh"
    assert here.rules == []


def test_nothing_moves_on_a_masked_channel_and_the_reason_is_told(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x2000, 4)
    here.channel.program(0x2000, 4, to_device=False)
    here.channel.close()
    result = here.channel.write(here.port, b"abcd", "data")
    assert (result.length, result.held) == (0, "channel 1 is masked")
    assert here.memory(0x2000, 4) == bytes(4)
    assert here.channel.bytes_left == 4


@pytest.mark.parametrize(("service", "moved"), [(Service.SINGLE, 0), (Service.BLOCK, 4)])
def test_a_software_request_gets_past_the_mask_in_block_mode_only(isa: Callable[..., Isa], service: Service, moved: int) -> None:
    here = isa()
    here.block(0x2000, 4)
    here.channel.program(0x2000, 4, to_device=False, service=service)
    here.channel.close()
    here.out(REQUEST[0], 4 | 1)
    assert here.dma.read_port(STATUS[0]) == 0x20
    assert here.channel.write(here.port, b"abcd", "data").length == moved
    assert here.channel.software_request is (moved == 0)


@pytest.mark.parametrize(("channel", "port", "value", "reason"), [
    (1, COMMAND[0], 0x04, "the controller of channel 1 is disabled"), (1, COMMAND[1], 0x04, "the controller of channel 4 is disabled"),
    (1, MASK[1], 0x04, "channel 4 is masked"), (1, MODE[1], 0x44, "channel 4 is not in cascade mode"),
    (5, COMMAND[1], 0x04, "the controller of channel 5 is disabled")])
def test_a_closed_way_to_the_processor_holds_every_request(
        isa: Callable[..., Isa], channel: int, port: int, value: int, reason: str) -> None:
    here = isa(channel)
    here.block(0x2000, 4)
    here.channel.program(0x2000, 4, to_device=False)
    here.out(port, value)
    assert here.channel.write(here.port, b"abcd", "data").held == reason
    assert here.memory(0x2000, 4) == bytes(4)


@pytest.mark.breaks("mapreg-direction")
def test_a_device_that_goes_against_the_programmed_direction_is_a_finding(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x2000, 4)
    here.channel.program(0x2000, 4, to_device=True)
    assert here.channel.write(here.port, b"abcd", "data").length == 0
    assert here.rules == ["mapreg-direction"]
    assert "programmed to read memory" in here.findings[0].message
    assert here.memory(0x2000, 4) == bytes(4)


def test_a_removed_device_moves_nothing(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.channel.program(0x2000, 4, to_device=False)
    here.port.parked = True
    assert here.channel.write(here.port, b"abcd", "data").held == "slave is gone"


def test_where_no_memory_answers_a_device_reads_ones_and_the_count_goes_on(isa: Callable[..., Isa]) -> None:
    here = isa(ram=1 * MIB)
    here.channel.program(0x20_0000, 4, to_device=True)
    result = here.channel.read(here.port, 4, "data")
    assert (result.data, result.terminal_count) == (b"\xff" * 4, True)
    assert here.rules == ["dma-stray"]


@pytest.mark.parametrize("length", [1, 3])
def test_half_a_word_is_refused(isa: Callable[..., Isa], length: int) -> None:
    here = isa(5)
    with pytest.raises(UsageError, match="moves words"):
        here.channel.read(here.port, length, "data")


def test_a_port_of_the_other_width_is_refused(isa: Callable[..., Isa]) -> None:
    here = isa(5)
    with pytest.raises(UsageError, match="has limits i8237-word; DMA channel 1 has i8237"):
        here.dma.channels[1].write(here.port, b"ab", "data")


# Programming


@pytest.mark.parametrize(("channel", "address", "length"), [
    (1, 0x100_0000, 1), (1, 0x100_0001, 1), (1, -1, 1), (1, 0, 0), (1, 0, 64 * KIB + 1), (5, 0, 128 * KIB + 2), (5, 1, 2),
    (5, 0, 3), (5, 0, 0)])
def test_what_the_registers_cannot_hold_is_not_programmed(isa: Callable[..., Isa], channel: int, address: int, length: int) -> None:
    with pytest.raises(UsageError):
        isa(channel).channel.program(address, length, to_device=True)


@pytest.mark.parametrize(("channel", "length"), [(1, 1), (1, 64 * KIB), (5, 2), (5, 128 * KIB)])
def test_the_smallest_and_the_largest_transfer(isa: Callable[..., Isa], channel: int, length: int) -> None:
    here = isa(channel)
    here.block(0x12_0000, length)
    here.channel.program(0x12_0000, length, to_device=False)
    assert here.word(count_port(channel)) == length // here.channel.width - 1
    data = bytes(range(1, 251)) * (length // 250 + 1)
    result = here.channel.write(here.port, data[:length], "data")
    assert (result.length, result.terminal_count) == (length, True)
    assert here.memory(0x12_0000, length) == data[:length]
    assert here.rules == []


@pytest.mark.parametrize("channel", [4, 8, -1])
def test_no_device_sits_on_the_cascade_or_beyond(isa: Callable[..., Isa], channel: int) -> None:
    here = isa()
    with pytest.raises(UsageError, match=f"DMA channel {channel} "):
        here.dma.device_channel(channel)
    with pytest.raises(UsageError):
        here.dma.bus_master_granted(channel)
    with pytest.raises(UsageError):
        here.dma.channels[4].program(0, 2, to_device=True)
    with pytest.raises(UsageError):
        here.dma.channels[4].port("slave", 0)


# The window


@pytest.mark.breaks("dma-boundary")
@pytest.mark.keeps("dma-boundary")
@pytest.mark.parametrize(("length", "rules"), [(0x10, []), (0x11, ["dma-boundary"]), (0x12, ["dma-boundary"])])
def test_a_byte_transfer_wraps_inside_64_kilobytes(isa: Callable[..., Isa], length: int, rules: list[str]) -> None:
    here = isa(2)
    here.block(0x12_FFF0, 0x20)
    victim = here.block(0x12_0000, 0x10, "victim")
    here.channel.program(0x12_FFF0, length, to_device=False)
    result = here.channel.write(here.port, bytes(range(1, length + 1)), "data")
    assert (result.length, result.terminal_count) == (length, True)
    assert here.rules == rules
    assert here.memory(0x12_FFF0, 0x20) == bytes(range(1, 0x11)) + bytes(0x10)
    assert here.memory(0x12_0000, 0x10) == bytes(range(0x11, length + 1)).ljust(0x10, b"\0")
    assert here.channel.bus_address == 0x12_0000 + length - 0x10
    if rules:
        finding = here.findings[0]
        assert finding.goes_wrong_at == 0x13_0000
        assert finding.times == 1
        assert f"silicon goes to 0x00120000..0x{0x12_0000 + length - 0x11:08x}" in finding.message
        assert victim.name in finding.message
        assert finding.consequences == []


@pytest.mark.parametrize(("length", "rules"), [(0x10, []), (0x12, ["dma-boundary"]), (0x14, ["dma-boundary"])])
@pytest.mark.parametrize("page", [0x12, 0x13])
def test_a_word_transfer_wraps_inside_128_kilobytes(isa: Callable[..., Isa], length: int, rules: list[str], page: int) -> None:
    here = isa(7)
    here.block(0x13_FFF0, 0x20)
    here.block(0x12_0000, 0x10, "victim")
    here.channel.program(0x13_FFF0, length, to_device=False)
    here.out(PAGE_PORTS[7], page)
    here.channel.write(here.port, bytes(range(1, length + 1)), "data")
    assert here.rules == rules
    assert here.memory(0x13_FFF0, 0x20) == bytes(range(1, 0x11)) + bytes(0x10)
    assert here.memory(0x12_0000, 0x10) == bytes(range(0x11, length + 1)).ljust(0x10, b"\0")


@pytest.mark.parametrize(("channel", "start"), [(5, 0x12_FFF0), (5, 0x10_FFFE)])
def test_a_word_transfer_may_cross_an_odd_multiple_of_64_kilobytes(isa: Callable[..., Isa], channel: int, start: int) -> None:
    here = isa(channel)
    here.block(start, 0x20)
    here.channel.program(start, 0x20, to_device=False)
    here.channel.write(here.port, b"x" * 0x20, "data")
    assert here.memory(start, 0x20) == b"x" * 0x20
    assert here.rules == []


@pytest.mark.parametrize(("length", "rules"), [(0x10, []), (0x12, ["dma-width"]), (0x14, ["dma-width"])])
@pytest.mark.parametrize(("channel", "base"), [(3, 0xFF_0000), (5, 0xFE_0000)])
def test_a_transfer_past_16_megabytes_wraps_and_is_a_finding_of_width(
        isa: Callable[..., Isa], channel: int, base: int, length: int, rules: list[str]) -> None:
    here = isa(channel, 17 * MIB)
    here.block(0xFF_FFF0, 0x20)
    here.block(base, 0x10, "victim")
    here.channel.program(0xFF_FFF0, length, to_device=False)
    here.channel.write(here.port, bytes(range(1, length + 1)), "data")
    assert here.rules == rules
    assert here.memory(0xFF_FFF0, 0x20) == bytes(range(1, 0x11)) + bytes(0x10)
    assert here.memory(base, 0x10) == bytes(range(0x11, length + 1)).ljust(0x10, b"\0")
    assert [finding.goes_wrong_at for finding in here.findings] == [0x100_0000] * len(rules)


def test_a_read_that_crosses_gets_the_bytes_of_the_same_window(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x12_FFFE, 4)
    here.block(0x12_0000, 4, "victim")
    here.machine.ram.write(0x12_FFFE, b"abcd")
    here.machine.ram.write(0x12_0000, b"WXYZ")
    here.channel.program(0x12_FFFE, 4, to_device=True)
    assert here.channel.read(here.port, 4, "data").data == b"abWX"
    assert here.rules == ["dma-boundary"]


def test_a_transfer_in_bursts_is_held_against_the_window_as_a_whole_and_once(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x12_0000, 0x2_0000)
    here.channel.program(0x12_FFFE, 4, to_device=False)
    for byte in b"abcd":
        here.channel.write(here.port, bytes([byte]), "data")
    assert here.rules == ["dma-boundary"]
    assert (here.findings[0].times, here.findings[0].span) == (1, Span(0x12_FFFE, 4))
    assert here.memory(0x12_FFFE, 4) == b"ab\0\0"
    assert here.memory(0x12_0000, 2) == b"cd"


def test_a_burst_behind_the_wrap_hits_foreign_memory(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x12_FFFE, 4)
    here.channel.program(0x12_FFFE, 4, to_device=False)
    here.channel.write(here.port, b"ab", "data")
    here.channel.write(here.port, b"cd", "data")
    assert here.rules == ["dma-boundary", "dma-stray"]
    assert [(c.physical, c.length) for c in here.port.corrupted] == [(0x12_0000, 2)]


def test_an_auto_initialized_ring_that_crosses_is_one_finding(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x12_0000, 0x2_0000)
    here.channel.program(0x12_FFFE, 4, to_device=False, auto_initialize=True)
    for _ in range(5):
        here.channel.write(here.port, b"ab", "data")
    assert [finding.times for finding in here.findings] == [1]


@pytest.mark.breaks("dma-boundary")
@pytest.mark.parametrize(("above", "rules"), [(4, []), (3, ["dma-boundary"]), (2, ["dma-boundary"])])
@pytest.mark.parametrize(("channel", "end"), [(1, 0x13_0000), (5, 0x14_0000)])
def test_a_decrementing_transfer_wraps_to_the_top_of_its_window(
        isa: Callable[..., Isa], channel: int, end: int, above: int, rules: list[str]) -> None:
    here = isa(channel)
    here.block(0x12_0000 - 0x10, 0x20)
    here.block(end - 0x10, 0x10, "victim")
    width = here.channel.width
    here.channel.program(0x12_0000 + (above - 1) * width, 4 * width, to_device=False, decrement=True)
    data = b"".join(bytes([unit]) * width for unit in b"abcd")
    here.channel.write(here.port, data, "data")
    stored = b"".join(bytes([unit]) * width for unit in b"dcba")
    below = (4 - above) * width
    assert here.memory(0x12_0000, 4 * width) == stored[below:].ljust(4 * width, b"\0")
    assert here.memory(end - 4 * width, 4 * width) == stored[:below].rjust(4 * width, b"\0")
    assert here.memory(0x12_0000 - 0x10, 0x10) == bytes(0x10)
    assert here.rules == rules
    if rules:
        assert f"silicon goes to 0x{end - below:08x}" in here.findings[0].message
        assert "victim" in here.findings[0].message


def test_a_finding_of_the_controller_is_silent_where_checks_are_off_and_the_bytes_move(
        build: Callable[..., Machine], enter: Callable[..., Block]) -> None:
    here = Isa(build(checks=False), enter)
    here.channel.program(0x12_FFFE, 4, to_device=False)
    here.channel.write(here.port, b"abcd", "data")
    assert here.rules == []
    assert here.memory(0x12_0000, 2) == b"cd"


def test_limits_of_both_widths_are_those_of_a_wrapping_slave() -> None:
    assert (BYTE_LIMITS.boundary, WORD_LIMITS.boundary) == (64 * KIB, 128 * KIB)
    assert (BYTE_LIMITS.max_length, WORD_LIMITS.max_length) == (64 * KIB, 128 * KIB)
    assert {(limits.address_bits, limits.kind, limits.effect) for limits in (BYTE_LIMITS, WORD_LIMITS)} == {
        (24, BYTE_LIMITS.kind, BYTE_LIMITS.effect)}


class Silicon:
    """The 8237A written out unit by unit: what each byte of memory holds after a transfer."""

    def __init__(self, page: int, address: int, width: int, step: int) -> None:
        self.page, self.address, self.width, self.step = page, address, width, step
        self.memory: dict[int, int] = {}

    def store(self, unit: bytes) -> None:
        at = self.page << 16 | self.address if self.width == 1 else (self.page & 0xFE) << 16 | self.address << 1
        self.memory.update({at + index: byte for index, byte in enumerate(unit)})
        self.address = (self.address + self.step) % 0x10000


@given(st.sampled_from([0, 3, 5, 7]), st.integers(0x10, 0x1F), st.sampled_from([0, 3, 0x7FFF, 0x8000, 0xFFF0, 0xFFFF]),
       st.lists(st.integers(1, 40), min_size=1, max_size=4), st.booleans())
def test_every_byte_lands_where_silicon_puts_it(
        build: Callable[..., Machine], enter: Callable[..., Block], channel: int, page: int, address: int, bursts: list[int],
        decrement: bool) -> None:
    here = Isa(build(4 * MIB), enter, channel)
    width = here.channel.width
    silicon = Silicon(page, address, width, -1 if decrement else 1)
    base = page << 16 | address if width == 1 else (page & 0xFE) << 16 | address << 1
    here.channel.program(base, sum(bursts) * width, to_device=False, decrement=decrement)
    here.out(PAGE_PORTS[channel], page)
    value = 0
    for burst in bursts:
        data = bytes((value + index) % 255 + 1 for index in range(burst * width))
        value += len(data)
        for at in range(0, len(data), width):
            silicon.store(data[at:at + width])
        assert here.channel.write(here.port, data, "data").length == len(data)
    here.machine.settle()
    assert {at: here.memory(at, 1)[0] for at in silicon.memory} == silicon.memory
    assert here.channel.address == silicon.address
    assert here.channel.masked
    units = sum(bursts)
    crosses = units > address + 1 if decrement else address + units > 0x10000
    found = {other.rule.id for finding in here.findings for other in (finding, *finding.consequences)}
    assert ("dma-boundary" in found) == crosses


# Cascade


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_bus_master_gets_the_bus_on_an_open_cascade_channel_only(isa: Callable[..., Isa], channel: int) -> None:
    here = isa(channel)
    controller, bit = channel >> 2, channel & 3
    assert not here.dma.bus_master_granted(channel)
    here.out(MODE[controller], 0xC0 | bit)
    assert not here.dma.bus_master_granted(channel)
    here.out(MASK[controller], bit)
    assert here.dma.bus_master_granted(channel)
    assert [other for other in CHANNELS if here.dma.bus_master_granted(other)] == [channel]
    here.out(MASK[controller], 4 | bit)
    assert not here.dma.bus_master_granted(channel)


def test_an_open_channel_that_is_not_in_cascade_mode_grants_nothing(isa: Callable[..., Isa]) -> None:
    here = isa(5)
    here.channel.program(0x1000, 2, to_device=True)
    assert not here.dma.bus_master_granted(5)


def test_a_cascade_channel_moves_nothing_for_a_slave(isa: Callable[..., Isa]) -> None:
    here = isa(5)
    here.channel.open_cascade()
    assert here.dma.bus_master_granted(5)
    assert "cascade" in here.channel.write(here.port, b"ab", "data").held


def test_a_master_clear_of_the_second_controller_shuts_the_first_one_out(isa: Callable[..., Isa]) -> None:
    here = isa(3)
    here.channel.open_cascade()
    assert here.dma.bus_master_granted(3)
    here.out(MASTER[1], 0)
    assert not here.dma.bus_master_granted(3)
    here.out(MASK[1], 0)
    assert here.dma.bus_master_granted(3)


def test_the_line_that_opens_the_channel_answers_for_the_transfer(isa: Callable[..., Isa]) -> None:
    here = isa()
    here.block(0x12_FFFE, 4)
    here.machine.where.depth = 1
    here.channel.program(0x12_FFFE, 4, to_device=False)
    here.machine.where.depth = 0
    here.channel.write(here.port, b"abcd", "data")
    where = here.findings[0].where
    assert where is not None
    assert where[0].co_name == "test_the_line_that_opens_the_channel_answers_for_the_transfer"
