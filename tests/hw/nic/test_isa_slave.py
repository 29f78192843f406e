# SPDX-License-Identifier: Apache-2.0
"""The ISA card with slave DMA, driven without NDIS; its data sheet says what its registers say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hw.dma import DmaPort
from hw.i8237_channel import BYTE_LIMITS, WORD_LIMITS
from hw.isa import EdgeLine
from hw.machine import Machine
from hw.nic import MODELS
from hw.nic.isa_slave import FIFO_FRAMES, UNIT_NS, WATCHDOG_NS, IsaSlaveNic
from hw.nic.isa_slave_registers import CAUSE, Command, Registers
from hw.ram import Ram
from verifier.address import MIB, Span
from verifier.address_book import Block, BlockKind
from verifier.errors import UsageError

BUFFER = 0x12000
FRAME = bytes(range(256)) * 6
OFFSETS = {slot.name: slot.offset for slot in Registers.slots}
PAGE = Path(__file__).resolve().parents[3] / "docs" / "nics" / "isa-slave.md"


class Bench:
    """A machine with one card, a buffer, and what a driver would do."""

    def __init__(self, model: str = "isa-slave") -> None:
        self.machine = Machine([Span(0, 16 * MIB)])
        nic = self.machine.add_nic(MODELS[model])
        assert isinstance(nic, IsaSlaveNic)
        self.nic = nic
        self.block = Block(BlockKind.SHARED, "buffer", "the miniport", BUFFER, 4096, virtual=0x8000_0000, logical=BUFFER,
                           device_reads=True, device_writes=True)
        self.machine.book.add(self.block)
        self.write("CTRL", 2)
        self.write("FILTER", 8)

    def read(self, name: str) -> int:
        return self.machine.bus.read(self.nic, 0, OFFSETS[name], 2, True)

    def write(self, name: str, value: int) -> None:
        self.machine.bus.write(self.nic, 0, OFFSETS[name], 2, value, True)

    def command(self, code: Command, length: int, *, programmed: int | None = None, to_device: bool | None = None) -> None:
        """Program the channel and give the command."""
        to_device = code is Command.TRANSMIT if to_device is None else to_device
        self.nic.channel.program(BUFFER, length if programmed is None else programmed, to_device=to_device)
        self.write("LENGTH", length)
        self.write("COMMAND", code)

    def arrive(self, frame: bytes) -> None:
        self.nic.receive_frame(frame)

    @property
    def ram(self) -> Ram:
        return self.machine.ram

    def broken(self) -> list[str]:
        return [finding.rule.id for finding in self.machine.findings.errors]


@pytest.fixture(params=["isa-slave", "isa-slave-16"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def even(length: int) -> int:
    return length + (length & 1)


# Jumpers


def test_the_limits_are_those_of_the_channel() -> None:
    byte, word = Bench("isa-slave").nic, Bench("isa-slave-16").nic
    assert (byte.limits, byte.channel.number, byte.dma.limits) == (BYTE_LIMITS, 1, BYTE_LIMITS)
    assert (word.limits, word.channel.number, word.dma.limits) == (WORD_LIMITS, 5, WORD_LIMITS)
    assert isinstance(byte.dma, DmaPort) and byte.bus_kind == "isa" and not byte.limits_settable


def test_each_card_has_ports_line_and_channel_of_its_own() -> None:
    machine = Machine([Span(0, 16 * MIB)])
    cards: list[Any] = [machine.add_nic(MODELS["isa-slave"]) for _ in range(4)]
    assert [card.config.bar(0) for card in cards] == [0x300, 0x320, 0x340, 0x360]
    assert [card.interrupt_line.vector for card in cards] == [10, 5, 15, 9]
    assert [card.dma_channel for card in cards] == [1, 3, 0, 2]
    assert all(isinstance(card.interrupt_line, EdgeLine) for card in cards)
    assert len({card.mac for card in cards}) == 4


def test_there_is_no_word_channel_for_a_fourth_card() -> None:
    machine = Machine([Span(0, 16 * MIB)])
    for _ in range(3):
        machine.add_nic(MODELS["isa-slave-16"])
    with pytest.raises(UsageError, match="4 cards of isa-slave-16"):
        machine.add_nic(MODELS["isa-slave-16"])


def test_the_card_tells_its_address_and_its_jumpers(bench: Bench) -> None:
    words = [bench.read(name) for name in ("MAC_0", "MAC_1", "MAC_2")]
    assert b"".join(word.to_bytes(2, "little") for word in words) == bench.nic.mac
    assert bench.read("JUMPERS") == bench.nic.channel.number | 10 << 4


# Transmit


@pytest.mark.parametrize("length", [14, 59, 60, 61, 1513, 1514])
def test_a_frame_is_sent_with_its_own_bytes_and_padded_to_60(bench: Bench, length: int) -> None:
    bench.ram.write(BUFFER, FRAME[:even(length)])
    bench.command(Command.TRANSMIT, length, programmed=even(length))
    assert bench.read("STATUS") == 3
    bench.machine.settle()
    assert bench.nic.wire.sent == [FRAME[:length].ljust(60, b"\0")]
    assert (bench.read("CAUSE"), bench.read("STATUS"), bench.nic.padded) == (CAUSE.DONE.mask, 1, int(length < 60))
    assert bench.broken() == []


def test_the_bytes_move_after_their_time(bench: Bench) -> None:
    bench.ram.write(BUFFER, FRAME[:100])
    bench.command(Command.TRANSMIT, 100)
    clock, units = bench.machine.clock, 100 // bench.nic.channel.width
    due = clock.now + units * UNIT_NS
    clock.advance(due - clock.now - 1)
    assert bench.nic.wire.sent == []
    clock.advance(1)
    assert len(bench.nic.wire.sent) == 1


@pytest.mark.parametrize("length", [0, 1516])
def test_a_frame_of_no_ethernet_length_is_an_error(bench: Bench, length: int) -> None:
    bench.ram.write(BUFFER, bytes(2048))
    bench.command(Command.TRANSMIT, length, programmed=2048)
    bench.machine.settle()
    assert (bench.nic.wire.sent, bench.read("CAUSE")) == ([], CAUSE.DONE.mask | CAUSE.DMA_ERROR.mask)


def test_a_count_that_runs_out_first_is_an_error(bench: Bench) -> None:
    bench.ram.write(BUFFER, FRAME[:100])
    bench.command(Command.TRANSMIT, 100, programmed=98)
    bench.machine.settle()
    assert (bench.nic.wire.sent, bench.read("CAUSE")) == ([], CAUSE.DONE.mask | CAUSE.DMA_ERROR.mask)


def test_a_masked_channel_is_an_error_after_the_watchdog(bench: Bench) -> None:
    bench.write("LENGTH", 100)
    bench.write("COMMAND", Command.TRANSMIT)
    clock = bench.machine.clock
    clock.advance(WATCHDOG_NS - 1)
    assert bench.nic.values[Registers.index["CAUSE"]] == 0
    clock.advance(1)
    assert bench.read("CAUSE") == CAUSE.DONE.mask | CAUSE.DMA_ERROR.mask


@pytest.mark.breaks("mapreg-direction")
def test_the_wrong_direction_is_a_finding(bench: Bench) -> None:
    bench.ram.write(BUFFER, FRAME[:100])
    bench.command(Command.TRANSMIT, 100, to_device=False)
    bench.machine.settle()
    assert (bench.nic.wire.sent, bench.broken()) == ([], ["mapreg-direction"])


# Receive


@pytest.mark.parametrize("length", [60, 61, 1513, 1514])
def test_a_received_frame_is_in_memory_after_the_command(bench: Bench, length: int) -> None:
    bench.arrive(FRAME[:length])
    assert (bench.read("CAUSE"), bench.read("RX_LENGTH")) == (CAUSE.RX_FRAME.mask, length)
    bench.write("CAUSE", 0x1F)
    bench.command(Command.RECEIVE, even(length))
    bench.machine.settle()
    assert bench.ram.read(BUFFER, length) == FRAME[:length]
    assert (bench.read("CAUSE"), bench.read("RX_LENGTH")) == (CAUSE.DONE.mask, 0)
    assert bench.broken() == []


@pytest.mark.parametrize("count, missed", [(FIFO_FRAMES - 1, 0), (FIFO_FRAMES, 0), (FIFO_FRAMES + 1, 1)])
def test_the_ninth_frame_is_missed(bench: Bench, count: int, missed: int) -> None:
    for number in range(count):
        bench.arrive(FRAME[:60 + number])
    assert bench.nic.lost_for_want_of_descriptors == missed
    assert bool(bench.read("CAUSE") & CAUSE.MISSED.mask) == bool(missed)
    assert bench.read("RX_LENGTH") == 60


def test_a_frame_can_be_dropped_and_the_next_one_comes(bench: Bench) -> None:
    bench.arrive(FRAME[:60])
    bench.arrive(FRAME[:70])
    bench.write("COMMAND", Command.DROP)
    assert bench.read("RX_LENGTH") == 70


def test_a_frame_that_could_not_be_moved_stays(bench: Bench) -> None:
    bench.arrive(FRAME[:60])
    bench.write("COMMAND", Command.RECEIVE)
    bench.machine.settle()
    assert bench.read("RX_LENGTH") == 60 and bench.read("CAUSE") & CAUSE.DMA_ERROR.mask


@pytest.mark.parametrize("accept, taken", [(0, ""), (1, "own"), (2, "broadcast"), (4, "multicast"), (8, "own broadcast multicast other")])
def test_the_filter_decides(bench: Bench, accept: int, taken: str) -> None:
    bench.write("FILTER", accept)
    addresses = {"own": bench.nic.mac, "broadcast": b"\xff" * 6, "multicast": b"\x01\x00\x5e\x00\x00\x01", "other": b"\x02" * 6}
    for name, address in addresses.items():
        bench.arrive(address + bytes(54))
        assert bool(bench.nic.fifo) == (name in taken.split()), name
        bench.nic.fifo.clear()


# Reset and removal


def test_a_reset_ends_the_transfer_and_forgets_everything(bench: Bench) -> None:
    bench.ram.write(BUFFER, FRAME[:100])
    bench.write("MASK", 0x1F)
    bench.arrive(FRAME[:60])
    bench.command(Command.TRANSMIT, 100)
    assert [pointer.length for pointer in bench.nic.live_pointers()] == [100]
    bench.write("CTRL", 1)
    assert list(bench.nic.live_pointers()) == []
    bench.machine.settle()
    assert bench.nic.wire.sent == [] and not bench.nic.interrupting and not bench.nic.interrupts_enabled
    assert [bench.read(name) for name in ("STATUS", "CAUSE", "RX_LENGTH", "MASK")] == [1, 0, 0, 0]


def test_a_card_that_is_gone_moves_nothing_and_reads_all_ones(bench: Bench) -> None:
    bench.ram.write(BUFFER, FRAME[:100])
    bench.command(Command.TRANSMIT, 100)
    bench.nic.remove()
    bench.machine.settle()
    assert bench.nic.wire.sent == [] and bench.read("CAUSE") == 0xFFFF


def test_a_command_during_a_transfer_is_ignored(bench: Bench) -> None:
    bench.ram.write(BUFFER, FRAME[:100])
    bench.command(Command.TRANSMIT, 100)
    bench.arrive(FRAME[:60])
    bench.write("COMMAND", Command.DROP)
    bench.write("COMMAND", Command.RECEIVE)
    bench.machine.settle()
    assert len(bench.nic.wire.sent) == 1 and bench.read("RX_LENGTH") == 60


# Interrupt


def test_the_line_rises_once_for_two_causes_and_again_after_the_mask(bench: Bench) -> None:
    seen = []
    line = bench.nic.interrupt_line

    def service() -> bool:
        seen.append(1)
        return True

    line.services.append(service)
    bench.write("MASK", 0x1F)
    bench.arrive(FRAME[:60])
    bench.machine.settle()
    bench.arrive(FRAME[:60])
    bench.nic.link_changed(True)
    bench.machine.settle()
    assert seen == [1]
    bench.write("MASK", 0)
    bench.write("MASK", 0x1F)
    bench.machine.settle()
    assert seen == [1, 1]


# Ports of the controllers


def test_the_ports_of_the_controllers_are_on_the_bus() -> None:
    bench = Bench()
    ports, bus = bench.machine.system_ports, bench.machine.bus
    for value in (0x34, 0x12):
        bus.write(ports, 0, 0x02, 1, value, True)
    bus.write(ports, 0, 0x83, 1, 0x56, True)
    channel = bench.machine.dma_controllers.channels[1]
    assert (channel.address, channel.page) == (0x1234, 0x56)
    assert bus.read(ports, 0, 0x83, 1, True) == 0x56
    assert bus.read(ports, 0, 0x83, 2, True) == 0xFFFF
    with pytest.raises(UsageError, match="port 0x80 is no port"):
        bus.read(ports, 0, 0x80, 1, True)


@pytest.mark.parametrize("start, count, held", [(0, 16, True), (0, 17, False), (0, 0, False), (0xC0, 32, True), (0xBF, 2, False),
                                                (0x80, 16, True), (0x8B, 1, True), (0x90, 1, False)])
def test_a_range_of_ports_lies_in_one_that_the_controllers_decode(start: int, count: int, held: bool) -> None:
    assert Bench().machine.system_ports.holds(start, count) == held


# The data sheet


def test_the_data_sheet_lists_every_register_and_field_at_its_place() -> None:
    page = PAGE.read_text("utf-8")
    rows = dict(re.findall(r"^\| 3\.[0-9]+ \| [^|]*?(0x[0-9a-f]{2})[^|]*\| ([A-Z_0-9, ]+) \|", page, re.MULTILINE))
    for slot in Registers.slots:
        row = next(line for line in page.splitlines() if re.match(r"\| 3\.", line) and re.search(rf"\b{slot.name}\b", line.split("|")[3]))
        assert f"0x{slot.offset:02x}" in row.split("|")[2]
        for field in slot.register.fields:
            bits = f"{field.msb}:{field.lsb}" if field.msb > field.lsb else str(field.lsb)
            assert re.search(rf"\b{bits} {field.name}\b", row), (slot.name, field.name)
            assert f"`{field.mode}`" in row
    assert len(rows) == 10
