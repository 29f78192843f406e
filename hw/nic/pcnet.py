# SPDX-License-Identifier: Apache-2.0
"""The Am79C970A (PCnet-PCI II): word and dword ports, four software styles, EEPROM. Data sheet: ``docs/nics/pcnet.md``."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from hw.inject import Effect
from hw.limits import DmaLimits
from hw.nic.eeprom93c46 import Eeprom93C46
from hw.nic.pcnet_bcr import BCR18, BCR19, PciRegisters
from hw.nic.pcnet_core import PcnetCore
from hw.nic.pcnet_layout import STYLES
from hw.nic.pcnet_rules import STYLE
from hw.pci import Bar
from hw.register import Slot
from verifier.address import MIB

if TYPE_CHECKING:
    from hw.machine import Machine

WIDE_LIMITS = DmaLimits("pcnet", 32, alignment=16, max_length=4096, max_segments=512,
                        source="AMD Am79C970A data sheet (publication 19436): 32-bit software styles, BCNT of 12 bits")
NARROW_LIMITS = DmaLimits("pcnet-16", 32, boundary=16 * MIB, window=16 * MIB, alignment=8, max_length=4096, max_segments=128,
                          source="AMD Am79C976 data sheet p.63 (same family): with SSIZE32 = 0 all addresses have CSR2[15:8] on top")
_DWORD_OFFSETS = {0x10: 0x10, 0x14: 0x12, 0x18: 0x14, 0x1C: 0x16}
"""Where word mode has what dword mode has at an offset."""
CAUSES_5 = 0x0A90
"""Causes of CSR5, each with its enable bit one bit below: SINT, SLPINT, EXDINT, MPINT."""
SINT = 0x0800
UINTCMD, UINT = 0x0080, 0x0040
_LINK = 0x0040
"""LNKSTE in a LED register."""
EEPROM_BYTES, SUM_AT = 36, 31
_IMAGE = struct.Struct("<18H")
"""What the card reads of the EEPROM, and where the byte is that makes the sum of it 0xff."""


class PcnetNic(PcnetCore):
    """Am79C970A."""

    model: ClassVar[str] = "pcnet"
    description: ClassVar[str] = "AMD Am79C970A, PCnet-PCI II: 32 bits; in 16-bit software style one 16 MB window for all blocks"
    registers = PciRegisters
    csrs: ClassVar[str] = "CSR"
    bcrs: ClassVar[str] = "BCR"
    vendor_id: ClassVar[int] = 0x1022
    interrupt_registers: ClassVar[tuple[str, ...]] = ("RAP", "CSR0", "CSR4", "CSR5")
    device_id: ClassVar[int] = 0x2000
    bars: ClassVar[tuple[Bar, ...]] = (Bar(0, 32, ports=True), Bar(1, 32))
    power_management: ClassVar[bool] = False
    default_limits: ClassVar[DmaLimits] = WIDE_LIMITS
    narrow_limits: ClassVar[DmaLimits] = NARROW_LIMITS
    soft_reset_ends_dword_mode: ClassVar[bool] = False
    """Switch: S_RESET takes the ports back to word mode, as QEMU has it; the data sheet of the family names H_RESET alone."""
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        **PcnetCore.faults,
        "prom": (Effect("checksum", "device", False, "the check sum of the EEPROM is wrong: PVALID is 0, the address PROM reads 0"),
                 Effect("missing", "device", False, "there is no EEPROM: PVALID and EEDET are 0, the address PROM reads 0")),
    }
    dword_slots: ClassVar[dict[str, Slot]] = {}

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self._prom = ""
        """What is wrong with the EEPROM; empty: nothing."""
        self.dword_mode = False
        """True once the ports are four bytes wide."""
        self.mac = mac
        self.eeprom = _programmed(super().aprom())
        super().__init__(machine, limits, adapter, mac)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Dword mode shows the same registers."""
        super().__init_subclass__(**kwargs)
        cls._make_dword_slots()

    @classmethod
    def _make_dword_slots(cls) -> None:
        places = (cls.ports, *cls.banks.values())
        cls.dword_slots = {slot.name: cls.in_dword_mode(slot) for place in places for slot in place.values() if slot.width == 2}

    # Ports

    def register_at(self, bar: int, offset: int, size: int, value: int | None) -> Slot | None:
        """The register behind a port, in the mode in which the ports are when the access arrives."""
        posted = self.machine.bus.posted
        if posted and any(device is self and slot.name == "DWIO" for device, slot, _, _ in posted):
            self.machine.bus.drain()
        if not self.dword_mode:
            if offset == 0x10 and size == 4 and value is not None:
                return self.banks["Switch"][0]
            return super().register_at(bar, offset, size, value)
        if offset < 16:
            return super().register_at(bar, offset, size, value)
        slot = super().register_at(bar, _DWORD_OFFSETS.get(offset, -1), size, value)
        return None if slot is None else self.dword_slots[slot.name]

    def on_write_DWIO(self, old: int, new: int) -> None:
        """Dword mode from here on."""
        self.dword_mode = True

    def on_read_BCR18(self, value: int) -> int:
        """DWIO shows the mode of the ports."""
        return value | BCR18.DWIO.mask if self.dword_mode else value

    def read_register(self, slot: Slot) -> int:
        """As the core; a dword read of CSR88 brings CSR89, too."""
        value = super().read_register(slot)
        return value | self.csr(89) << 16 if slot.width == 4 and slot.name == "CSR88" else value

    def soft_reset(self) -> None:
        """S_RESET."""
        super().soft_reset()
        if self.soft_reset_ends_dword_mode:
            self.dword_mode = False

    # Addresses

    @property
    def window(self) -> int:
        """CSR2[15:8]."""
        return self.csr(2) >> 8

    def on_write_CSR2(self, old: int, new: int) -> None:
        """Its upper byte names the window of the 16-bit style."""
        self.dma.window_base = self.window

    def on_write_CSR17(self, old: int, new: int) -> None:
        """The same register as CSR2."""
        super().on_write_CSR17(old, new)
        self.dma.window_base = self.window

    def on_write_BCR20(self, old: int, new: int) -> None:
        """The software style: layout of everything in memory, and how far addresses reach."""
        number = new & 0xFF
        if number not in STYLES:
            self.machine.findings.report(
                STYLE, f"{self.name}: software style {number} is not defined; the model takes style 0", subject=((self.name, "BCR20"),))
            number = 0
        self.style = STYLES[number]
        value = new & 0x0400 | {0: 0x0200, 1: 0x0100}.get(number, 0x0300) | number
        self.values[self.index["BCR20"]] = value
        self.set_csr(58, value)
        self.dma.set_limits(self.limits if self.style.wide else self.narrow_limits)
        self.dma.window_base = self.window

    def on_write_CSR58(self, old: int, new: int) -> None:
        """The same register as BCR20."""
        self.on_write_BCR20(old, new)

    def reset_registers(self) -> None:
        """As after power-up."""
        self.dword_mode = False
        super().reset_registers()
        self.dma.window_base = 0
        self._mark_prom()

    # Interrupts and errors

    def on_write_CSR4(self, old: int, new: int) -> None:
        """UINTCMD interrupts by itself."""
        if self._written & UINTCMD:
            self.values[self.csr4] = self.values[self.csr4] & ~UINTCMD | UINT
        super().on_write_CSR4(old, new)

    def on_write_CSR5(self, old: int, new: int) -> None:
        """Suspend and go on; other causes may interrupt."""
        self.poll_now()
        self.update_line()

    def other_causes(self) -> int:
        """Those of CSR5 that are enabled."""
        value = self.values[self.csr5]
        return value & CAUSES_5 & value << 1

    def cycle_failed(self) -> None:
        """Without the bus MERR; after an abort the card stops and sets SINT."""
        if not self.granted:
            self.memory_error()
            return
        self.stop()
        self.values[self.csr5] |= SINT
        self.update_line()

    # LEDs and EEPROM

    def on_read_BCR4(self, value: int) -> int:
        """LEDOUT follows what the LED shows."""
        return self._led(value)

    def on_read_BCR5(self, value: int) -> int:
        """LEDOUT follows what the LED shows."""
        return self._led(value)

    def on_read_BCR6(self, value: int) -> int:
        """LEDOUT follows what the LED shows."""
        return self._led(value)

    def on_read_BCR7(self, value: int) -> int:
        """LEDOUT follows what the LED shows."""
        return self._led(value)

    def _led(self, value: int) -> int:
        return value | 0x8000 * bool(value & _LINK and self.wire.up)

    def on_read_BCR19(self, value: int) -> int:
        """EDI reads as what the EEPROM drives while the port is enabled."""
        if value & BCR19.EEN.mask and not self._prom:
            return value & ~BCR19.EDI.mask | self.eeprom.data_out
        return value

    def on_write_BCR19(self, old: int, new: int) -> None:
        """With EEN the driver drives the EEPROM; PREAD has the card read it again."""
        if new & BCR19.EEN.mask:
            self.eeprom.pins(BCR19.ECS.get(new), BCR19.ESK.get(new), BCR19.EDI.get(new))
        if new & BCR19.PREAD.mask:
            self.values[self.index["BCR19"]] &= ~BCR19.PREAD.mask
            self._mark_prom()
            self.load_aprom()

    def aprom(self) -> bytes:
        """What the card has read of the EEPROM; zeros if that was no good."""
        image = self.eeprom_image()
        return image[:16] if image else bytes(16)

    def eeprom_image(self) -> bytes:
        """The part of the EEPROM that the card reads; nothing if its check sum is wrong."""
        image = _IMAGE.pack(*self.eeprom.words[:EEPROM_BYTES // 2])
        return image if not self._prom and sum(image) & 0xFF == 0xFF else b""

    def _mark_prom(self) -> None:
        """PVALID and EEDET by what the card finds."""
        value = self.values[self.index["BCR19"]] & ~(BCR19.PVALID.mask | BCR19.EEDET.mask)
        if self._prom != "missing":
            value |= BCR19.EEDET.mask
        if self.eeprom_image():
            value |= BCR19.PVALID.mask
        self.values[self.index["BCR19"]] = value

    def break_mac(self) -> None:
        """The card is plugged in: what its EEPROM holds, and what is wrong with it."""
        if self.machine.injector is None:
            return
        self._prom = self.fault("prom")
        super().break_mac()
        self.eeprom = _programmed(super().aprom())
        self._mark_prom()
        self.load_aprom()


def _programmed(aprom: bytes) -> Eeprom93C46:
    """An EEPROM that begins with the content of the address PROM, with its check sum."""
    data = bytearray(aprom.ljust(EEPROM_BYTES, b"\0"))
    data[SUM_AT] = 0xFF - sum(data) & 0xFF
    return Eeprom93C46(_IMAGE.unpack(data))


PcnetNic._make_dword_slots()
