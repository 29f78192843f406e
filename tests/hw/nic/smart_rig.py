# SPDX-License-Identifier: Apache-2.0
"""A rig with a smart NIC whose program runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import firmware
from firmware.image import Lines, Segment, build
from firmware.lines import Function, Row
from firmware.target import RAM_BASE
from hw.nic.smart import SmartNic
from hw.nic.smart_registers import SmartRegisters, State
from tests.hw.conftest import OFFSETS, Rig
from tests.hw.rv32.assembler import asm, code, li
from verifier.address_book import Block

IMAGE = Path(firmware.__file__).with_name("images").joinpath("smart.img").read_bytes()
IMAGE_AT = 0x40_0000
INTERFACE = 1 << 16
BOOT_OFFSETS = {slot.name: slot.offset for slot in SmartRegisters.slots}
START, STOP = 1, 2
HOST, SYSTEM, DMA, CHECKSUM, WIRE, WINDOW = (0x4000_0000, 0x4000_1000, 0x4000_2000, 0x4000_3000, 0x4000_4000, 0x4001_0000)
REPORT, SLEEP, ASSERT = SYSTEM + 0x10, SYSTEM + 0x0C, SYSTEM + 0x20


def put(address: int, value: int) -> list[int]:
    """Five instructions that write *value* to the local *address*; x5 and x6 change."""
    return [*li(5, address), *li(6, value), asm("sw", rs1=5, rs2=6)]


def copy(source: int, target: int) -> list[int]:
    """Six instructions that copy a word; x5 and x6 change."""
    return [*li(5, source), asm("lw", rd=6, rs1=5), *li(5, target), asm("sw", rs1=5, rs2=6)]


READY = put(REPORT, 3)
REST = put(SLEEP, 0)
"""Asleep, and no event wakes the core."""
FOREVER = [asm("jal")]


def program(*words: int) -> bytes:
    """The image of a program of these instructions; instruction N, counted from 1, stands in line N of mini.c."""
    body = code(words)
    lines = Lines((Function(RAM_BASE, len(body), "mini"),),
                  tuple(Row(RAM_BASE + 4 * number, "mini.c", number + 1) for number in range(len(words))))
    return build((1, 0, 0), RAM_BASE, [Segment(RAM_BASE, body, len(body), True, False)], lines)


class SmartRig(Rig):
    """A smart NIC, its program started. What happened until then is no event, and no use of a fault point."""

    model = SmartNic
    nic: SmartNic

    def __init__(self, *arguments: Any, image: bytes = IMAGE, boot: bool = True, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.image: Block | None = None
        if boot:
            injector = self.machine.injector
            if injector is not None:
                injector.paused = True
            assert self.boot(image) is State.READY
            if injector is not None:
                injector.paused = False
            self.machine.events.events.clear()

    def read(self, name: str) -> int:
        return self.machine.bus.read(self.nic, 0, BOOT_OFFSETS[name], 4)

    def write(self, name: str, value: int) -> None:
        self.machine.bus.write(self.nic, 0, BOOT_OFFSETS[name], 4, value)

    def bring_up(self) -> None:
        """The boot ROM waits for the program."""
        assert self.boot() is State.READY

    def serve(self) -> None:
        """The program does what there is to do, until it sleeps."""
        self.machine.bus.drain()
        while self.nic.core is not None and self.nic.core.busy:
            self.machine.clock.run_next()

    def boot(self, image: bytes = IMAGE, version: int = INTERFACE, at: int = IMAGE_AT) -> State:
        """Store the image, start it, and wait until that came to an end, whatever end. The image's memory is free afterwards."""
        block = self.block("image", at, max(len(image), 1))
        self.processor.store(block, 0, image)
        logical = self.machine.bus.to_logical(at)
        for name, value in (("IMAGE_LO", logical & 0xFFFF_FFFF), ("IMAGE_HI", logical >> 32), ("IMAGE_LENGTH", len(image)),
                            ("HOST_VERSION", version), ("BOOT_CTRL", START)):
            self.write(name, value)
        for _ in range(500):
            self.read("BOOT_STATUS")
            if self.nic.state not in (State.ROM, State.FETCHING, State.STARTING):
                break
            self.machine.clock.advance(10_000)
        self.machine.book.remove(block, None, None)
        return self.nic.state


assert OFFSETS.items() <= BOOT_OFFSETS.items()
