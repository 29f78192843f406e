# SPDX-License-Identifier: Apache-2.0
"""A PCnet card with rings and buffers in memory, driven without NDIS. Everything here is typed from the data sheet, not imported."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

from hw.backing import ChunkedMemory
from hw.machine import Machine
from hw.nic import MODELS
from hw.nic.pcnet_core import PcnetCore
from hw.processor_port import ProcessorPort
from verifier.address import MIB, Span
from verifier.address_book import Block, BlockKind

BLOCK, RX_RING, TX_RING, RX_BUFFERS, TX_BUFFERS = 0x10_0000, 0x10_1000, 0x10_2000, 0x20_0000, 0x30_0000
BUFFER = 0x800
OWN, ERR, STP, ENP = 0x8000, 0x4000, 0x0200, 0x0100
INIT, STRT, STOP, TDMD, TXON, RXON, IENA, INTR, IDON, TINT, RINT, MERR, MISS, CERR, BABL, ERROR = (1 << bit for bit in range(16))
MAC = b"\x02\x0d\xbe\xd0\x00\x01"
PROM, DRCVBC, DRCVPA, DLNKTST, DXMTFCS, LOOP, DTX, DRX = 0x8000, 0x4000, 0x2000, 0x1000, 0x0008, 0x0004, 0x0002, 0x0001
APAD_XMT, DPOLL, ASTRP_RCV, EN124 = 0x0800, 0x1000, 0x0400, 0x8000


CARDS = [("pcnet", 0), ("pcnet", 1), ("pcnet", 2), ("pcnet", 3), ("pcnet-isa", 0)]
"""Every card in every software style that it has."""
FRAME = bytes(range(64)) * 2
OTHERS = b"\x02\x00\x00\x00\x00\x09"
POLL_NS = 65536 * 30


def fcs(frame: bytes) -> bytes:
    """The frame check sequence, as it lies in memory."""
    return crc32(frame).to_bytes(4, "little")


class FaultAt:
    """Stands for an injector with one effect at one point of the card."""

    def __init__(self, point: str, effect: str) -> None:
        self.point, self.effect = point, effect

    def take(self, name: str) -> str | None:
        return self.effect if name == self.point else None

    def without_effect(self, name: str, why: str) -> None:
        """Nobody asks."""


class Rig:
    """The card *nic* in software style *style*; *high* is added to every address of its memory."""

    def __init__(self, nic: str = "pcnet", style: int = 0, *, ram: int = 16 * MIB, high: int = 0, **options: Any) -> None:
        self.machine = Machine([Span(0, ram)], ChunkedMemory(ram), **options)
        card = self.machine.add_nic(MODELS[nic])
        assert isinstance(card, PcnetCore)
        self.nic = card
        self.style = style
        self.wide = style != 0
        self.size = 16 if self.wide else 8
        self.high = high
        self.processor = ProcessorPort(self.machine)
        self.counts = {"rx": 4, "tx": 4}
        self.blocks: dict[str, Block] = {}
        self.words = True
        if card.dma_channel is not None:
            self.machine.dma_controllers.device_channel(card.dma_channel).open_cascade()

    # Ports

    def inw(self, offset: int) -> int:
        return self.machine.bus.read(self.nic, 0, offset, 2, True)

    def outw(self, offset: int, value: int) -> None:
        self.machine.bus.write(self.nic, 0, offset, 2, value, True)

    def csr(self, number: int) -> int:
        self.outw(0x12, number)
        return self.inw(0x10)

    def set_csr(self, number: int, value: int) -> None:
        self.outw(0x12, number)
        self.outw(0x10, value)

    def bcr(self, number: int) -> int:
        self.outw(0x12, number)
        return self.inw(0x16)

    def set_bcr(self, number: int, value: int) -> None:
        self.outw(0x12, number)
        self.outw(0x16, value)

    # Memory

    def block(self, name: str, at: int, size: int, **options: Any) -> Block:
        options = {"device_reads": True, "device_writes": True, "virtual": 0x8000_0000 + at,
                   "logical": self.machine.bus.to_logical(at)} | options
        block = Block(BlockKind.SHARED, name, "the miniport", at, size, **options)
        self.machine.book.add(block)
        self.blocks[name] = block
        return block

    def lay_out(self, *, rx: int = 4, tx: int = 4) -> None:
        """Blocks for everything; rings of *rx* and *tx* descriptors, all of them the driver's."""
        high = self.high
        self.counts = {"rx": rx, "tx": tx}
        self.block("block", BLOCK + high, 32)
        self.block("rx", RX_RING + high, rx * self.size)
        self.block("tx", TX_RING + high, tx * self.size)
        self.block("rx buffers", RX_BUFFERS + high, rx * BUFFER)
        self.block("tx buffers", TX_BUFFERS + high, tx * BUFFER)
        for name in ("rx", "tx"):
            self.processor.store(self.blocks[name], 0, bytes(self.counts[name] * self.size))

    def store(self, name: str, at: int, data: bytes) -> None:
        self.processor.store(self.blocks[name], at, data)

    def init_block(self, mode: int = PROM, ladrf: int = 0, padr: bytes = MAC, rx: int | None = None, tx: int | None = None) -> bytes:
        rx_base = self.blocks["rx"].logical if rx is None else rx
        tx_base = self.blocks["tx"].logical if tx is None else tx
        assert rx_base is not None and tx_base is not None
        rlen, tlen = (self.counts[name].bit_length() - 1 for name in ("rx", "tx"))
        if self.wide:
            return struct.pack("<I8sQII", mode | rlen << 20 | tlen << 28, padr, ladrf, rx_base, tx_base)
        return struct.pack("<H6sQII", mode, padr, ladrf, rx_base & 0xFFFFFF | rlen << 29, tx_base & 0xFFFFFF | tlen << 29)

    def init(self, mode: int = PROM, ladrf: int = 0, **options: Any) -> int:
        """Style, initialization block, INIT; returns CSR0 afterwards."""
        if self.style:
            self.set_bcr(20, self.style)
        self.store("block", 0, self.init_block(mode, ladrf, **options))
        at = self.blocks["block"].logical
        assert at is not None
        self.set_csr(1, at & 0xFFFF)
        self.set_csr(2, at >> 16 & (0xFF if self.nic.dma_channel is not None else 0xFFFF))
        self.set_csr(0, INIT)
        self.machine.settle()
        return self.csr(0)

    def start(self, mode: int = PROM, **options: Any) -> Rig:
        """All of it; the engines run."""
        self.lay_out()
        self.init(mode, **options)
        self.set_csr(0, STRT | IDON)
        return self

    def descriptor(self, ring: str, index: int, address: int, length: int, flags: int) -> None:
        """Everything but the word with OWN first, then that."""
        count = 0xF000 | -length & 0xFFF
        at = index * self.size
        if not self.wide:
            self.store(ring, at, struct.pack("<H", address & 0xFFFF))
            self.store(ring, at + 4, struct.pack("<HH", count, 0))
            self.store(ring, at + 2, struct.pack("<H", flags | address >> 16 & 0xFF))
            return
        self.store(ring, at + (8 if self.style == 3 else 0), struct.pack("<I", address))
        self.store(ring, at + 4, struct.pack("<I", flags << 16 | count))

    def give(self, index: int = 0, length: int = BUFFER) -> None:
        """A receive buffer for the card."""
        at = self.blocks["rx buffers"].logical
        assert at is not None
        self.descriptor("rx", index, at + index * BUFFER, length, OWN)

    def send(self, data: bytes, index: int = 0, flags: int = OWN | STP | ENP, demand: bool = True) -> None:
        """A transmit descriptor for the card, and TDMD."""
        at = self.blocks["tx buffers"].logical
        assert at is not None
        if data:
            self.store("tx buffers", index * BUFFER, data)
        self.descriptor("tx", index, at + index * BUFFER, len(data), flags)
        if demand:
            self.set_csr(0, TDMD | self.csr(0) & IENA)
            self.machine.settle()

    def receive(self, frame: bytes) -> None:
        self.nic.receive_frame(frame)
        self.machine.settle()

    # What the card wrote

    def raw(self, ring: str, index: int) -> bytes:
        return self.machine.ram.read(self.blocks[ring].physical + index * self.size, self.size)

    def flags(self, ring: str, index: int = 0) -> int:
        raw = self.raw(ring, index)
        if not self.wide:
            return int.from_bytes(raw[2:4], "little") & 0xFF00
        return int.from_bytes(raw[6:8], "little")

    def status(self, ring: str, index: int = 0) -> int:
        """The status dword (32-bit styles), or the last word."""
        raw = self.raw(ring, index)
        if not self.wide:
            return int.from_bytes(raw[6:8], "little")
        return int.from_bytes(raw[0:4] if self.style == 3 else raw[8:12], "little")

    def errors_of(self, index: int = 0) -> int:
        """Error bits of a transmit descriptor, as 16 bits."""
        status = self.status("tx", index)
        return status >> 16 if self.wide else status

    def buffer(self, index: int, length: int) -> bytes:
        return self.machine.ram.read(self.blocks["rx buffers"].physical + index * BUFFER, length)

    @property
    def rules(self) -> list[str]:
        return [finding.rule.id for finding in self.machine.findings.errors]

    @property
    def sent(self) -> list[bytes]:
        return self.machine.wire.sent
