# SPDX-License-Identifier: Apache-2.0
"""Machines for tests: a bare one over each backing, and a rig with a reference NIC, two rings and their buffers."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hw.backing import BackingKind, ChunkedMemory, open_backing
from hw.limits import PRESETS, DmaLimits
from hw.machine import Machine
from hw.nic.reference import ReferenceNic
from hw.processor_port import ProcessorPort
from verifier.address import MIB, Span
from verifier.address_book import Block, BlockKind
from verifier.findings import Finding

KINDS: list[BackingKind] = ["file", "chunked"] if hasattr(os, "memfd_create") else ["chunked"]
TX_RING, RX_RING, TX_BUFFERS, RX_BUFFERS = 0x10_0000, 0x10_2000, 0x20_0000, 0x30_0000
BUFFER_SIZE = 0x800
OWN, END, ERROR = 1 << 31, 1 << 30, 1 << 29
OFFSETS = {
    "ID": 0x00, "CTRL": 0x04, "STATUS": 0x08, "CAUSE": 0x0C, "MASK": 0x10, "LIMITS": 0x14, "MAC_LO": 0x18, "MAC_HI": 0x1C,
    "FILTER": 0x20, "HASH_LO": 0x24, "HASH_HI": 0x28, "TX_BASE_LO": 0x40, "TX_BASE_HI": 0x44, "TX_COUNT": 0x48,
    "TX_HEAD": 0x4C, "TX_TAIL": 0x50, "RX_BASE_LO": 0x60, "RX_BASE_HI": 0x64, "RX_COUNT": 0x68, "RX_HEAD": 0x6C,
    "RX_TAIL": 0x70, "DMA_ERROR_LO": 0x80, "DMA_ERROR_HI": 0x84, "STAT_TX": 0x90, "STAT_RX": 0x94, "STAT_MISSED": 0x98,
    "STAT_TX_ERRORS": 0x9C}
"""The register map of the data sheet, written out a second time: the tests of the model compare against this one."""


@pytest.fixture(params=KINDS)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine with 16 MiB of RAM and no NIC, once over each kind of backing."""
    with open_backing(16 * MIB, request.param) as backing:
        yield Machine([Span(0, 16 * MIB)], backing)


@pytest.fixture(scope="session")
def build() -> Callable[..., Machine]:
    """Makes machines without a hole in their RAM: ``build(ram=16 * MIB, seed=3, …)``."""
    return build_machine


@pytest.fixture(scope="session")
def enter() -> Callable[..., Block]:
    """Enters a block in a machine's address book: ``enter(machine, "ring", 0x1000, 0x100)``."""
    return enter_block


@pytest.fixture(scope="session")
def make_rig() -> Callable[..., Rig]:
    """Makes rigs: ``make_rig(limits=…, bus_offset=…)``."""
    return Rig


@pytest.fixture
def rig() -> Rig:
    """A reference NIC with its own limits, engines off, nothing programmed."""
    return Rig()


def build_machine(ram: int = 16 * MIB, **options: Any) -> Machine:
    return Machine([Span(0, ram)], ChunkedMemory(ram), **options)


def enter_block(machine: Machine, name: str, physical: int, size: int, **options: Any) -> Block:
    options = {"kind": BlockKind.SHARED, "device_reads": True, "device_writes": True, "virtual": physical | 0x8000_0000,
               "logical": machine.bus.to_logical(physical)} | options
    kind = options.pop("kind")
    block = Block(kind, name, "the miniport", physical, size, **options)
    machine.book.add(block)
    return block


class Rig:
    """A machine with a reference NIC, and the few things that a driver would do to it."""

    model: type[ReferenceNic] = ReferenceNic

    def __init__(self, limits: DmaLimits = PRESETS["reference"], ram: int = 16 * MIB, **options: Any) -> None:
        self.machine = build_machine(ram, **options)
        nic = self.machine.add_nic(self.model, limits)
        assert isinstance(nic, ReferenceNic)
        self.nic = nic
        self.processor = ProcessorPort(self.machine)
        self.tx_ring: Block | None = None
        self.rx_ring: Block | None = None
        self.tx_buffers: Block | None = None
        self.rx_buffers: Block | None = None

    def read(self, name: str) -> int:
        return self.machine.bus.read(self.nic, 0, OFFSETS[name], 4)

    def write(self, name: str, value: int) -> None:
        self.machine.bus.write(self.nic, 0, OFFSETS[name], 4, value)

    def settle(self) -> None:
        """Everything that is on its way arrives, except interrupts, for which nobody is connected."""
        self.machine.settle()

    def bring_up(self) -> None:
        """The card was reset: what it needs before it can be programmed."""

    def serve(self) -> None:
        """The card has done what it does at once, without any time: nothing comes home meanwhile."""

    def block(self, name: str, physical: int, size: int, **options: Any) -> Block:
        return enter_block(self.machine, name, physical, size, **options)

    def program(self, prefix: str, base: int, count: int) -> None:
        """Ring registers only."""
        self.write(f"{prefix}_BASE_LO", base & 0xFFFFFFFF)
        self.write(f"{prefix}_BASE_HI", base >> 32)
        self.write(f"{prefix}_COUNT", count)
        self.write(f"{prefix}_TAIL", 0)

    def start_tx(self, count: int = 8, base: int = TX_RING, ctrl: int = 0) -> Block:
        """A cleared transmit ring and buffers, the transmitter on."""
        ring = self.tx_ring = self.block("tx ring", base, count * 16)
        self.tx_buffers = self.block("tx buffers", TX_BUFFERS, 0x10 * BUFFER_SIZE)
        self.processor.store(ring, 0, bytes(count * 16))
        self.program("TX", self.machine.bus.to_logical(base), count)
        self.settle()
        self.write("CTRL", self.nic.values[1] & 0xE | ctrl | 2)
        self.settle()
        return ring

    def start_rx(self, count: int = 8, handed: int | None = None, size: int = BUFFER_SIZE, base: int = RX_RING) -> Block:
        """A receive ring with *handed* descriptors (all but one by default), the receiver on, promiscuous."""
        ring = self.rx_ring = self.block("rx ring", base, count * 16)
        self.rx_buffers = self.block("rx buffers", RX_BUFFERS, 0x40 * BUFFER_SIZE)
        self.processor.store(ring, 0, bytes(count * 16))
        handed = count - 1 if handed is None else handed
        for index in range(handed):
            self.rx_descriptor(index, size)
        self.program("RX", self.machine.bus.to_logical(base), count)
        self.settle()
        self.write("FILTER", 0x10)
        self.write("CTRL", self.nic.values[1] & 0xE | 4)
        self.write("RX_TAIL", handed % count)
        self.settle()
        return ring

    def rx_descriptor(self, index: int, size: int = BUFFER_SIZE) -> None:
        """Hand receive descriptor *index* over, without the doorbell."""
        assert self.rx_ring is not None
        self.descriptor(self.rx_ring, index, self.machine.bus.to_logical(RX_BUFFERS + index * BUFFER_SIZE), size, OWN)

    def descriptor(self, ring: Block, index: int, address: int, length: int, control: int) -> None:
        """Address and length first, the control dword in a store of its own."""
        self.processor.store(ring, index * 16, struct.pack("<QI", address, length))
        self.processor.store(ring, index * 16 + 12, struct.pack("<I", control))

    def control(self, ring: Block, index: int) -> int:
        return int.from_bytes(self.machine.ram.read(ring.physical + index * 16 + 12, 4), "little")

    def fill(self, data: bytes, at: int = 0) -> int:
        """Store *data* in the transmit buffers; returns its logical address."""
        assert self.tx_buffers is not None
        self.processor.store(self.tx_buffers, at, data)
        return self.machine.bus.to_logical(TX_BUFFERS + at)

    def send(self, *pieces: bytes, first: int = 0) -> int:
        """Send one frame in *pieces* from descriptor *first* on; rings the doorbell; returns the next index."""
        assert self.tx_ring is not None
        count = self.tx_ring.size // 16
        at, index = first * BUFFER_SIZE % (0x10 * BUFFER_SIZE), first
        for number, piece in enumerate(pieces):
            address = self.fill(piece, at) if piece else 0
            at += len(piece)
            self.descriptor(self.tx_ring, index, address, len(piece), OWN | (END if number == len(pieces) - 1 else 0))
            index = (index + 1) % count
        self.write("TX_TAIL", index)
        self.settle()
        return index

    def receive(self, frame: bytes) -> None:
        """A frame arrives, and its data reach memory."""
        self.nic.receive_frame(frame)
        self.settle()

    @property
    def errors(self) -> list[Finding]:
        return self.machine.findings.errors

    @property
    def rules(self) -> list[str]:
        """Ids of the findings that stand first."""
        return [finding.rule.id for finding in self.errors]
