# SPDX-License-Identifier: Apache-2.0
"""The two cascaded 8237A DMA controllers of a PC/AT, as software sees them. Data sheet: ``docs/hardware/i8237.md``.

Channels 0 to 3 move bytes inside a window of 64 KB, channels 5 to 7 words inside one of 128 KB; channel 4 carries the
first controller. The address counter does not carry into the page register. A slave device moves its bytes with
`Channel.read` and `Channel.write`; an ISA bus master needs its channel in cascade mode, which `bus_master_granted` says.
Ports take no time and leave no event here: that is the bus's part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.i8237_channel import Channel
from hw.i8237_registers import (
    CASCADE_CHANNEL,
    COMMAND,
    MASK,
    MODE,
    PAGE_PORTS,
    READS,
    REMEDY,
    SELECT,
    STATUS,
    WRITES,
    Place,
    Service,
    control_port,
)
from verifier.errors import NotModelledError, UsageError

if TYPE_CHECKING:
    from hw.machine import Machine


class I8237:
    """Both controllers with their page registers. *machine* is the one whose memory they move.

    The firmware has opened the cascade (channel 4), as every PC's does; all other channels are masked.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._controllers = tuple(Controller(number) for number in (0, 1))
        self.channels = tuple(Channel(self, self._controllers[number >> 2], number) for number in range(8))
        for controller in self._controllers:
            controller.channels = self.channels[controller.number * 4:controller.number * 4 + 4]
        self.write_port(control_port(1, "MODE"), MODE.SERVICE.put(Service.CASCADE))
        self.write_port(control_port(1, "MASK"), 0)

    def read_port(self, port: int) -> int:
        """What a processor reads, with the side effects of reading. `NotModelledError` for a register that the data sheet
        calls illegal to read, `UsageError` for a port that is none of these chips'."""
        place = READS.get(port)
        if place is None:
            if port in WRITES:
                raise NotModelledError(f"{_name(WRITES[port])} (port 0x{port:02x}) is illegal to read on an 8237A", REMEDY)
            raise self._no_port(port)
        if place.register in ("ADDRESS", "COUNT", "PAGE"):
            channel = self.channels[place.number]
            return channel.page if place.register == "PAGE" else channel.read_half(place.register)
        return self._controllers[place.number].read(place.register)

    def write_port(self, port: int, value: int) -> None:
        """A processor writes one byte. `NotModelledError` for functions that the model lacks, `UsageError` for a port that
        is none of these chips' and for a value that is no byte."""
        place = WRITES.get(port)
        if place is None:
            raise self._no_port(port)
        if not 0 <= value <= 0xFF:
            raise UsageError(f"0x{value:x} is no byte for {_name(place)} (port 0x{port:02x})", "write one byte at a time")
        if place.register in ("ADDRESS", "COUNT"):
            self.channels[place.number].write_half(place.register, value)
        elif place.register == "PAGE":
            self.channels[place.number].set_page(value)
        else:
            self._controllers[place.number].write(place.register, value)

    def device_channel(self, number: int) -> Channel:
        """The channel *number* on which a device may sit: 0 to 3 or 5 to 7; `UsageError` otherwise."""
        if number not in PAGE_PORTS:
            what = "carries the first controller" if number == CASCADE_CHANNEL else "does not exist"
            raise UsageError(f"DMA channel {number} {what}", "choose 0 to 3 (bytes) or 5 to 7 (words)")
        return self.channels[number]

    def bus_master_granted(self, number: int) -> bool:
        """True if an ISA bus master that requests the bus on channel *number* gets it: the channel is in cascade mode and
        not masked, and nothing between it and the processor is closed."""
        channel = self.device_channel(number)
        return channel.service is Service.CASCADE and not channel.obstacle()

    def _no_port(self, port: int) -> UsageError:
        return UsageError(f"port {port:#x} is no port of the DMA controllers",
                          "they have 0x00 to 0x0f, the even ports from 0xc0 to 0xde, and the page registers "
                          + " ".join(f"0x{page:02x}" for page in sorted(PAGE_PORTS.values())))


class Controller:
    """One 8237A: what its four channels share. Its handlers are found by the register's name."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.channels: tuple[Channel, ...] = ()
        self.command = 0
        self.high_byte = False
        """The byte flip-flop: True if the next access meets the high byte of an address or count."""

    @property
    def disabled(self) -> bool:
        return bool(COMMAND.DISABLE.get(self.command))

    def read(self, register: str) -> int:
        return int(getattr(self, f"on_read_{register}")())

    def write(self, register: str, value: int) -> None:
        getattr(self, f"on_write_{register}")(value)

    def on_read_STATUS(self) -> int:
        counts = requests = 0
        for bit, channel in enumerate(self.channels):
            counts |= channel.terminal_count << bit
            requests |= (channel.requesting or channel.software_request) << bit
            channel.terminal_count = False
        return STATUS.TERMINAL_COUNT.put(counts) | STATUS.REQUEST.put(requests)

    def on_read_TEMPORARY(self) -> int:
        return 0  # holds the last byte of a memory-to-memory transfer, and there is none

    def on_write_COMMAND(self, value: int) -> None:
        tagged = value & COMMAND.mask_of("tag")
        if tagged:
            raise NotModelledError(f"DMA controller {self.number} COMMAND: {COMMAND.show(tagged)} is not modelled", REMEDY)
        self.command = value

    def on_write_REQUEST(self, value: int) -> None:
        self._selected(value).software_request = bool(SELECT.SET.get(value))

    def on_write_MASK(self, value: int) -> None:
        self._selected(value).set_mask(bool(SELECT.SET.get(value)))

    def on_write_MODE(self, value: int) -> None:
        self.channels[MODE.CHANNEL.get(value)].set_mode(value)

    def on_write_CLEAR_FLIP_FLOP(self, _: int) -> None:
        self.high_byte = False

    def on_write_MASTER_CLEAR(self, _: int) -> None:
        """As the reset line: modes, addresses, counts and page registers keep their values."""
        self.command = 0
        self.high_byte = False
        for channel in self.channels:
            channel.terminal_count = channel.software_request = False
            channel.set_mask(True)

    def on_write_CLEAR_MASK(self, _: int) -> None:
        for channel in self.channels:
            channel.set_mask(False)

    def on_write_MASK_ALL(self, value: int) -> None:
        for bit, channel in enumerate(self.channels):
            channel.set_mask(bool(MASK.CHANNELS.get(value) >> bit & 1))

    def _selected(self, value: int) -> Channel:
        return self.channels[SELECT.CHANNEL.get(value)]


def _name(place: Place) -> str:
    if place.register in ("ADDRESS", "COUNT", "PAGE"):
        return f"{place.register} of DMA channel {place.number}"
    return f"{place.register} of DMA controller {place.number}"
