# SPDX-License-Identifier: Apache-2.0
"""The local bus of the smart NIC: which device of the card answers at which local address (data sheet 6)."""

from __future__ import annotations

from collections.abc import Callable

from firmware.target import DEVICES_BASE
from hw.rv32.engine import BusFault

HOST_BASE = DEVICES_BASE
SYSTEM_BASE = DEVICES_BASE + 0x1000
DMA_BASE = DEVICES_BASE + 0x2000
CHECKSUM_BASE = DEVICES_BASE + 0x3000
WIRE_BASE = DEVICES_BASE + 0x4000
WINDOW_BASE = DEVICES_BASE + 0x10000
WINDOW_BYTES = 0x1000

Load = Callable[[], int]
Store = Callable[[int], object]


class CardBus:
    """Registers by local address, all of them words. Whatever is not here faults."""

    __slots__ = ("_loads", "_stores")

    def __init__(self) -> None:
        self._loads: dict[int, Load] = {}
        self._stores: dict[int, Store] = {}

    def add(self, address: int, load: Load | None, store: Store | None) -> None:
        """A register at *address*; without *load* it is write only, without *store* read only."""
        if load is not None:
            self._loads[address] = load
        if store is not None:
            self._stores[address] = store

    def cell(self, address: int, cells: list[int], index: int) -> None:
        """A register at *address* that is nothing but ``cells[index]``."""
        def store(value: int) -> None:
            cells[index] = value

        self.add(address, lambda: cells[index], store)

    def load(self, address: int, size: int) -> int:
        """What the core reads."""
        register = self._loads.get(address)
        if register is None or size != 4:
            raise BusFault(f"nothing answers a read of {size} bytes at 0x{address:08x}")
        return register()

    def store(self, address: int, size: int, value: int) -> None:
        """What the core writes."""
        register = self._stores.get(address)
        if register is None or size != 4:
            raise BusFault(f"nothing takes a write of {size} bytes at 0x{address:08x}")
        register(value)


class LocalMemory:
    """What a device of the card reaches: the RAM, and the window of the receive FIFO as a source."""

    __slots__ = ("base", "ram", "window")

    def __init__(self, base: int, ram: bytearray, window: bytearray) -> None:
        self.base = base
        self.ram = ram
        self.window = window

    def read(self, address: int, length: int) -> bytes:
        """*length* bytes at the local *address*; `BusFault` where they are not all there."""
        if address >= WINDOW_BASE and address + length <= WINDOW_BASE + WINDOW_BYTES:
            return bytes(self.window[address - WINDOW_BASE:address - WINDOW_BASE + length])
        at = self.offset(address, length)
        return bytes(self.ram[at:at + length])

    def offset(self, address: int, length: int) -> int:
        """Where in the RAM *length* bytes at the local *address* lie; `BusFault` where they do not."""
        at = address - self.base
        if at < 0 or at + length > len(self.ram):
            raise BusFault(f"0x{length:x} bytes at 0x{address:08x} are not in the card's RAM")
        return at
