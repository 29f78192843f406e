# SPDX-License-Identifier: Apache-2.0
"""A machine with an RTL8139C, and the few things that a driver would do to it. Offsets are those of the data sheet, typed again."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from hw.nic.rtl8139 import Rtl8139Nic
from hw.processor_port import ProcessorPort
from tests.hw.conftest import build_machine, enter_block
from verifier.address_book import Block

RING, BUFFERS, BUFFER_BYTES = 0x10_0000, 0x20_0000, 0x800
STATION = bytes.fromhex("020dbed00001")
BROADCAST = b"\xff" * 6
TE, RE, RST = 1 << 2, 1 << 3, 1 << 4
OWN, TUN, TOK, OWC, TABT, CRS = 1 << 13, 1 << 14, 1 << 15, 1 << 29, 1 << 30, 1 << 31
ROK, RER, ISR_TOK, TER, RXOVW, PUN, FOVW, TIMEOUT, SERR = (1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 14, 15))
AAP, APM, AM, AB, AR, AER, WRAP = (1 << bit for bit in (0, 1, 2, 3, 4, 5, 7))
AT = {
    "IDR0": (0x00, 4), "IDR4": (0x04, 4), "MAR0": (0x08, 4), "MAR4": (0x0C, 4), "TSD0": (0x10, 4), "TSD1": (0x14, 4), "TSD2": (0x18, 4),
    "TSD3": (0x1C, 4), "TSAD0": (0x20, 4), "TSAD1": (0x24, 4), "TSAD2": (0x28, 4), "TSAD3": (0x2C, 4), "RBSTART": (0x30, 4),
    "ERBCR": (0x34, 2), "ERSR": (0x36, 1), "CR": (0x37, 1), "CAPR": (0x38, 2), "CBR": (0x3A, 2), "IMR": (0x3C, 2), "ISR": (0x3E, 2),
    "TCR": (0x40, 4), "RCR": (0x44, 4), "TCTR": (0x48, 4), "MPC": (0x4C, 4), "EECR": (0x50, 1), "CONFIG0": (0x51, 1), "CONFIG1": (0x52, 1),
    "TIMERINT": (0x54, 4), "MSR": (0x58, 1), "CONFIG3": (0x59, 1), "CONFIG4": (0x5A, 1), "HLTCLK": (0x5B, 1), "MULINT": (0x5C, 2),
    "REVID": (0x5E, 1), "TSDS": (0x60, 2), "BMCR": (0x62, 2), "BMSR": (0x64, 2), "ANAR": (0x66, 2), "ANLPAR": (0x68, 2), "ANER": (0x6A, 2),
    "DIS": (0x6C, 2), "FCSC": (0x6E, 2), "NWAYTR": (0x70, 2), "REC": (0x72, 2), "CSCR": (0x74, 2), "PHY1_PARM": (0x78, 4),
    "TW_PARM": (0x7C, 4), "PHY2_PARM": (0x80, 1), "FLASH": (0xD4, 4), "CONFIG5": (0xD8, 1)}
"""Offset and width of each register."""


class Card:
    """The card, one ring and four buffers."""

    def __init__(self, model: type[Rtl8139Nic] = Rtl8139Nic, ring_bytes: int = 8192, faults: tuple[Any, ...] = (), **options: Any) -> None:
        self.machine = build_machine(recording=bool(faults), faults=faults, **options)
        nic = self.machine.add_nic(model)
        assert isinstance(nic, Rtl8139Nic)
        self.nic = nic
        self.processor = ProcessorPort(self.machine)
        self.ring_bytes = ring_bytes
        self.ring: Block | None = None
        self.buffers: Block | None = None

    def read(self, name: str) -> int:
        return self.machine.bus.read(self.nic, 1, *AT[name])

    def write(self, name: str, value: int) -> None:
        self.machine.bus.write(self.nic, 1, AT[name][0], AT[name][1], value)

    def raw(self, offset: int, size: int) -> int:
        return self.machine.bus.read(self.nic, 1, offset, size)

    def put(self, offset: int, size: int, value: int) -> None:
        self.machine.bus.write(self.nic, 1, offset, size, value)
        self.settle()

    def settle(self) -> None:
        self.machine.settle()

    def block(self, name: str, physical: int, size: int) -> Block:
        return enter_block(self.machine, name, physical, size)

    def start(self, rcr: int = AAP, cr: int = TE | RE, slack: int = 16) -> None:
        """Ring and buffers are there, both engines on."""
        size_code = {8192: 0, 16384: 1, 32768: 2, 65536: 3}[self.ring_bytes]
        self.ring = self.block("ring", RING, self.ring_bytes + slack)
        self.buffers = self.block("buffers", BUFFERS, 4 * BUFFER_BYTES)
        self.write("RBSTART", self.machine.bus.to_logical(RING))
        for slot in range(4):
            self.write(f"TSAD{slot}", self.machine.bus.to_logical(BUFFERS + slot * BUFFER_BYTES))
        self.write("CR", cr)
        self.write("RCR", rcr | size_code << 11)
        self.settle()

    def send(self, slot: int, frame: bytes, flags: int = 0) -> None:
        """Store a frame in the buffer of a slot and hand the slot over."""
        assert self.buffers is not None
        self.processor.store(self.buffers, slot * BUFFER_BYTES, frame)
        self.write(f"TSD{slot}", flags | len(frame))
        self.settle()

    def receive(self, *frames: bytes) -> None:
        self.machine.bus.drain()
        for frame in frames:
            self.nic.receive_frame(frame)
        self.settle()

    def memory(self, at: int, size: int) -> bytes:
        """Bytes of the ring, around its end."""
        self.read("ISR")
        data = self.machine.ram.read(RING, self.ring_bytes)
        return (data + data)[at:at + size]

    def packet(self, at: int) -> tuple[int, int, bytes, bytes]:
        """Status, length, frame and check sequence of the packet at an offset of the ring."""
        status, length = int.from_bytes(self.memory(at, 2), "little"), int.from_bytes(self.memory(at + 2, 2), "little")
        return status, length, self.memory(at + 4, length - 4), self.memory(at + length, 4)

    def done(self, at: int) -> None:
        """The driver has read up to offset *at*."""
        self.write("CAPR", at - 16 & 0xFFFF)
        self.settle()

    @property
    def rules(self) -> list[str]:
        return [finding.rule.id for finding in self.machine.findings.errors]


def frame(length: int = 60, to: bytes = STATION) -> bytes:
    return to + bytes(i % 251 for i in range(1, length - 5))


def crc(data: bytes) -> bytes:
    return crc32(data).to_bytes(4, "little")
