# SPDX-License-Identifier: Apache-2.0
"""The boot ROM of the smart NIC: it fetches an image from shared memory, checks it, and starts it (data sheet 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from firmware.errors import ImageError
from firmware.image import HEADER_BYTES, Image, header_of, parse
from firmware.layout import MAX_IMAGE_BYTES, ROW_BYTES, row
from hw.inject import Effect
from hw.nic.smart_registers import BootError

if TYPE_CHECKING:
    from hw.nic.smart import SmartNic

BURST = 4096
BURST_NS = 100
FETCH_BYTE_NS = 2
CHECK_BYTE_NS = 1
_HEADER_BYTE = 8
"""The byte of the header that a fault spoils: part of the version, which the checksum covers."""

IMAGE_FAULTS = (
    Effect("corrupt-header", "device", False, "a bit of the image's header is flipped on the way to the card"),
    *(Effect(f"corrupt-{number}", "device", False, f"a bit of the image's segment {number} is flipped on the way to the card")
      for number in range(3)))


class BootRom:
    """One START, from the first burst to the started program, or to the refusal."""

    __slots__ = ("_data", "_going", "_nic", "_where")

    def __init__(self, nic: SmartNic) -> None:
        self._nic = nic
        self._where = nic.armed_by
        self._data = bytearray()
        self._going: Callable[[], None] | None = None

    def start(self) -> None:
        """START was written."""
        nic = self._nic
        if not HEADER_BYTES <= nic.image_length <= MAX_IMAGE_BYTES:
            nic.refuse(BootError.LENGTH)
            return
        nic.armed_by = self._where
        nic.dma.check_reach(nic.image_address, nic.image_length)
        self._later(BURST_NS, self._burst)

    def resume(self) -> None:
        """The card has its clock again."""
        if self._going is not None:
            self._later(BURST_NS, self._going)

    def _later(self, ns: int, action: Callable[[], None]) -> None:
        """Go on with *action* in *ns*, if the card still boots then; while it has no clock it waits."""
        def step() -> None:
            if self._nic.rom is self:
                if self._nic.awake:
                    self._going = None
                    action()
                else:
                    self._going = action

        self._nic.clock.at(ns, step)

    def _burst(self) -> None:
        nic = self._nic
        done = len(self._data)
        length = min(BURST, nic.image_length - done)
        nic.armed_by = self._where
        data = nic.dma.read(nic.image_address + done, length, "firmware image")
        if data is None:
            nic.refuse(BootError.BUS)
            return
        self._data += data
        if len(self._data) < nic.image_length:
            self._later(BURST_NS + FETCH_BYTE_NS * length, self._burst)
        else:
            self._later(FETCH_BYTE_NS * length + CHECK_BYTE_NS * nic.image_length, self._check)

    def _check(self) -> None:
        nic = self._nic
        if nic.machine.injector is not None:
            self._spoil(nic.fault("image"))
        data = bytes(self._data)
        try:
            header = header_of(data[:HEADER_BYTES])
        except ImageError:
            nic.refuse(BootError.HEADER)
            return
        if header.total_length != len(data):
            nic.refuse(BootError.LENGTH)
            return
        image = self._parsed(data)
        if image is None:
            nic.refuse(BootError.CONTENT)
        else:
            nic.begin(image)

    def _parsed(self, data: bytes) -> Image | None:
        try:
            return parse(data)
        except ImageError:
            return None

    def _spoil(self, effect: str) -> None:
        """Flip a bit where a fault asks for it."""
        if effect == "corrupt-header":
            self._data[_HEADER_BYTE] ^= 1
        elif effect:
            at = self._place_of(int(effect.removeprefix("corrupt-")))
            if at is None:
                assert self._nic.machine.injector is not None
                self._nic.machine.injector.without_effect("image", "the image has no such segment")
            else:
                self._data[at] ^= 1

    def _place_of(self, segment: int) -> int | None:
        """Where in the image the bytes of *segment* begin, if it has any."""
        try:
            header = header_of(bytes(self._data[:HEADER_BYTES]))
        except ImageError:
            return None
        rows = [row().parse(self._data[HEADER_BYTES + number * ROW_BYTES:]) for number in range(header.segment_count)]
        if segment >= len(rows) or not rows[segment].file_length:
            return None
        at: int = HEADER_BYTES + len(rows) * ROW_BYTES + sum(one.file_length for one in rows[:segment])
        return at if at < len(self._data) else None
