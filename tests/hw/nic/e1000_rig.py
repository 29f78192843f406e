# SPDX-License-Identifier: Apache-2.0
"""A machine with an 82540EM, and the few things that a driver would do to it. Offsets and bits are typed from the manual once more."""

from __future__ import annotations

import struct
from typing import Any

from hw.limits import PRESETS, DmaLimits
from hw.nic.e1000 import E1000Nic
from hw.processor_port import ProcessorPort
from tests.hw.conftest import build_machine, enter_block
from verifier.address import MIB
from verifier.address_book import Block
from verifier.findings import Finding

TX_RING, RX_RING, TX_BUFFERS, RX_BUFFERS = 0x10_0000, 0x10_2000, 0x20_0000, 0x30_0000
BUFFER_SIZE = 0x4000
STATION = bytes.fromhex("020dbed00001")
BROADCAST = b"\xff" * 6
AT = {
    "CTRL": 0x0, "STATUS": 0x8, "EECD": 0x10, "EERD": 0x14, "CTRL_EXT": 0x18, "MDIC": 0x20, "VET": 0x38, "ICR": 0xC0, "ITR": 0xC4,
    "ICS": 0xC8, "IMS": 0xD0, "IMC": 0xD8, "RCTL": 0x100, "TCTL": 0x400, "PBA": 0x1000, "RDBAL": 0x2800, "RDBAH": 0x2804,
    "RDLEN": 0x2808, "RDH": 0x2810, "RDT": 0x2818, "RDTR": 0x2820, "RADV": 0x282C, "RSRPD": 0x2C00, "TDBAL": 0x3800, "TDBAH": 0x3804,
    "TDLEN": 0x3808, "TDH": 0x3810, "TDT": 0x3818, "TIDV": 0x3820, "TXDCTL": 0x3828, "TADV": 0x382C, "RXCSUM": 0x5000, "MTA": 0x5200,
    "RAL0": 0x5400, "RAH0": 0x5404, "VFTA": 0x5600, "CRCERRS": 0x4000, "MPC": 0x4010, "ECOL": 0x4018, "LATECOL": 0x4020, "RLEC": 0x4040,
    "PRC64": 0x405C, "PRC1522": 0x4070, "GPRC": 0x4074, "BPRC": 0x4078, "MPRC": 0x407C, "GPTC": 0x4080, "GORCL": 0x4088,
    "GORCH": 0x408C, "GOTCL": 0x4090, "GOTCH": 0x4094, "RNBC": 0x40A0, "RFC": 0x40A8, "ROC": 0x40AC, "TORL": 0x40C0, "TORH": 0x40C4,
    "TOTL": 0x40C8, "TOTH": 0x40CC, "TPR": 0x40D0, "TPT": 0x40D4, "PTC64": 0x40D8, "PTC127": 0x40DC, "PTC1522": 0x40EC,
    "MPTC": 0x40F0, "BPTC": 0x40F4}
SLU, RST, VME, PHY_RST = 1 << 6, 1 << 26, 1 << 30, 1 << 31
RX_EN, SBP, UPE, MPE, LPE, BAM, VFE, SECRC, BSEX = (1 << bit for bit in (1, 2, 3, 4, 5, 15, 18, 26, 25))
TX_EN, PSP = 1 << 1, 1 << 3
EOP, IFCS, IC, RS, DEXT, VLE, IDE = (1 << bit for bit in (0, 1, 2, 3, 5, 6, 7))
TXDW, TXQE, LSC, RXDMT0, RXO, RXT0, MDAC, TXD_LOW, SRPD = (1 << bit for bit in (0, 1, 2, 4, 6, 7, 9, 15, 16))
DD, RX_EOP, IXSM, VP, TCPCS, IPCS, PIF = 1, 2, 4, 8, 32, 64, 128


def frame(length: int = 60, first: int = 2) -> bytes:
    return bytes((first + i) % 251 for i in range(length))


def to(destination: bytes, length: int = 60) -> bytes:
    return destination + frame(length - 6)


class Rig:
    """The card after power-up, its EEPROM read, SLU set."""

    def __init__(self, limits: DmaLimits = PRESETS["e1000"], ram: int = 16 * MIB, **options: Any) -> None:
        self.machine = build_machine(ram, **options)
        nic = self.machine.add_nic(E1000Nic, limits)
        assert isinstance(nic, E1000Nic)
        self.nic = nic
        self.processor = ProcessorPort(self.machine)
        self.machine.clock.advance(3_000_000)
        self.tx_ring = self.rx_ring = self.tx_buffers = self.rx_buffers = None

    tx_ring: Block | None
    rx_ring: Block | None
    tx_buffers: Block | None
    rx_buffers: Block | None

    def at(self, name: str) -> int:
        stem = name.rstrip("0123456789")
        if name in AT:
            return AT[name]
        number = int(name[len(stem):])
        return {"MTA": 0x5200 + 4 * number, "VFTA": 0x5600 + 4 * number, "RAL": 0x5400 + 8 * number, "RAH": 0x5404 + 8 * number}[stem]

    def read(self, name: str) -> int:
        return self.machine.bus.read(self.nic, 0, self.at(name), 4)

    def write(self, name: str, value: int) -> None:
        self.machine.bus.write(self.nic, 0, self.at(name), 4, value)

    def set(self, **registers: int) -> None:
        """Write registers, and let the writes arrive."""
        for name, value in registers.items():
            self.write(name, value)
        self.settle()

    def settle(self) -> None:
        self.machine.settle()

    def passes(self, ns: int) -> None:
        self.machine.clock.advance(ns)

    def block(self, name: str, physical: int, size: int, **options: Any) -> Block:
        return enter_block(self.machine, name, physical, size, **options)

    def start_tx(self, count: int = 8, control: int = PSP, base: int = TX_RING) -> Block:
        """A cleared transmit ring and its buffers, the transmitter on, the link up."""
        ring = self.tx_ring = self.block("tx ring", base, count * 16)
        self.tx_buffers = self.block("tx buffers", TX_BUFFERS, 0x10 * BUFFER_SIZE)
        self.processor.store(ring, 0, bytes(count * 16))
        self.set(CTRL=self.read("CTRL") | SLU, TDBAL=base, TDBAH=0, TDLEN=count * 16, TDH=0, TDT=0)
        self.set(TCTL=TX_EN | control)
        return ring

    def start_rx(self, count: int = 8, handed: int | None = None, control: int = UPE | MPE | SECRC, base: int = RX_RING) -> Block:
        """A receive ring with *handed* descriptors (all but one by default), the receiver on, the link up."""
        ring = self.rx_ring = self.block("rx ring", base, count * 16)
        self.rx_buffers = self.block("rx buffers", RX_BUFFERS, 0x10 * BUFFER_SIZE)
        self.processor.store(ring, 0, bytes(count * 16))
        handed = count - 1 if handed is None else handed
        for index in range(handed):
            self.rx_descriptor(index)
        self.set(CTRL=self.read("CTRL") | SLU, RDBAL=base, RDBAH=0, RDLEN=count * 16, RDH=0, RDT=handed)
        self.set(RCTL=RX_EN | control)
        return ring

    def rx_descriptor(self, index: int) -> None:
        assert self.rx_ring is not None
        self.processor.store(self.rx_ring, index * 16, struct.pack("<QQ", RX_BUFFERS + index * BUFFER_SIZE, 0))

    def tx_descriptor(self, index: int, address: int, length: int, command: int, cso: int = 0, css: int = 0, special: int = 0) -> None:
        assert self.tx_ring is not None
        self.processor.store(self.tx_ring, index * 16, struct.pack("<QHBBBBH", address, length, cso, command, 0, css, special))

    def send(self, *pieces: bytes, first: int = 0, command: int = IFCS | RS, cso: int = 0, css: int = 0, special: int = 0) -> int:
        """Send one frame in *pieces* from descriptor *first* on; rings the doorbell; returns the next index."""
        assert self.tx_ring is not None and self.tx_buffers is not None
        at, index = first * 0x800, first
        for number, piece in enumerate(pieces):
            if piece:
                self.processor.store(self.tx_buffers, at, piece)
            last = EOP if number == len(pieces) - 1 else 0
            self.tx_descriptor(index, TX_BUFFERS + at if piece else 0, len(piece), command | last, cso, css, special)
            at += len(piece)
            index = (index + 1) % (self.tx_ring.size // 16)
        self.set(TDT=index)
        return index

    def sent(self, index: int) -> int:
        """The status nibble of a transmit descriptor."""
        assert self.tx_ring is not None
        return self.machine.ram.read(self.tx_ring.physical + index * 16 + 12, 1)[0]

    def receive(self, data: bytes) -> None:
        self.nic.receive_frame(data)
        self.settle()

    def received(self, index: int) -> tuple[int, int, int, int, int]:
        """(length, checksum, status, errors, special) of a receive descriptor."""
        assert self.rx_ring is not None
        fields: tuple[int, int, int, int, int] = struct.unpack(
            "<HHBBH", self.machine.ram.read(self.rx_ring.physical + index * 16 + 8, 8))
        return fields

    def buffer(self, index: int, length: int) -> bytes:
        return self.machine.ram.read(RX_BUFFERS + index * BUFFER_SIZE, length)

    @property
    def errors(self) -> list[Finding]:
        return self.machine.findings.errors

    @property
    def rules(self) -> list[str]:
        return [finding.rule.id for finding in self.errors]
