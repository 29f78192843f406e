# SPDX-License-Identifier: Apache-2.0
"""Registers of a device, declared one line a field; every bit is modelled, tagged or reserved.

::

    class CTRL(Register):
        '''Control (data sheet 3.2).'''
        RESET = Field(0, mode="w1s")
        BURST = Field(7, 4)
        ENABLE = Field(1)

    class Map(RegisterMap):
        CTRL = 0x04, CTRL

A device whose class names the map has its methods ``on_write_CTRL(old, new)`` and ``on_read_CTRL(value) -> value``
called; they *are* the dispatch table. Overlapping or oversize fields are refused when the class is made, naming both.

Registers behind an index port stand in a `RegisterBank` by number; the map names its banks, and the device's `decode`
finds the register that the index names in `RegisterFile.banks`. To everything else they are registers like any other.

Modes: ``rw`` · ``ro`` · ``wo`` (reads 0) · ``w1c`` write one clears · ``w1s`` write one sets · ``w1t`` toggles ·
``w0c`` write zero clears · ``rc`` read clears · ``tag`` known, not modelled: loud when set. Undeclared bits are reserved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from verifier.errors import NotModelledError

MODES = frozenset({"rw", "ro", "wo", "w1c", "w1s", "w1t", "w0c", "rc", "tag"})


class Field:
    """Bits *msb* down to *lsb* (one bit if *lsb* is left out) with an access *mode* and a *reset* value."""

    __slots__ = ("lsb", "mode", "msb", "name", "reset")

    def __init__(self, msb: int, lsb: int | None = None, *, mode: str = "rw", reset: int = 0) -> None:
        self.msb = msb
        self.lsb = msb if lsb is None else lsb
        self.mode = mode
        self.reset = reset
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def mask(self) -> int:
        """The field's bits in the register."""
        return ((1 << (self.msb - self.lsb + 1)) - 1) << self.lsb

    def get(self, value: int) -> int:
        """The field's value out of a register's value."""
        return (value & self.mask) >> self.lsb

    def put(self, value: int) -> int:
        """A register value in which only this field is set; `ValueError` if *value* does not fit."""
        if value << self.lsb & ~self.mask or value < 0:
            raise ValueError(f"{value} does not fit into {self.name}[{self.msb}:{self.lsb}]")
        return value << self.lsb


class Register:
    """One register. Subclasses declare fields; *width* is in bytes."""

    width: ClassVar[int] = 4
    arms: ClassVar[bool] = False
    """True if a write lets the device reach memory (a doorbell): its line is the *where* of what the device does then."""
    splits: ClassVar[str] = ""
    """Whether aligned parts of it may be read ("r"), written ("w") or both, in a map whose registers join (`hw.register_parts`)."""
    fields: ClassVar[tuple[Field, ...]] = ()

    def __init_subclass__(cls) -> None:
        fields = tuple(sorted((f for f in vars(cls).values() if isinstance(f, Field)), key=lambda f: f.lsb))
        used = 0
        for f in fields:
            if f.mode not in MODES:
                raise TypeError(f"{cls.__name__}.{f.name}: unknown mode {f.mode!r}; known: {', '.join(sorted(MODES))}")
            if not 0 <= f.lsb <= f.msb < cls.width * 8:
                raise TypeError(f"{cls.__name__}.{f.name}[{f.msb}:{f.lsb}] does not fit into {cls.width * 8} bits")
            if used & f.mask:
                other = next(o for o in fields if o is not f and o.mask & f.mask)
                raise TypeError(f"{cls.__name__}: {f.name}[{f.msb}:{f.lsb}] overlaps {other.name}[{other.msb}:{other.lsb}]")
            f.put(f.reset)
            used |= f.mask
        cls.fields = fields

    @classmethod
    def mask_of(cls, *modes: str) -> int:
        """All bits of the fields that have one of *modes*."""
        return sum(f.mask for f in cls.fields if f.mode in modes)

    @classmethod
    def reset_value(cls) -> int:
        """The value after reset."""
        return sum(f.put(f.reset) for f in cls.fields)

    @classmethod
    def show(cls, value: int) -> str:
        """``0x00000003 (TX_ENABLE=1, RX_ENABLE=1)``: the fields that are not zero."""
        parts = [f"{f.name}={f.get(value):#x}" if f.msb > f.lsb else f"{f.name}=1" for f in cls.fields if f.get(value)]
        return f"0x{value:0{cls.width * 2}x}" + (f" ({', '.join(parts)})" if parts else "")


@dataclass(frozen=True, slots=True)
class Slot:
    """One register at its place in the map, with its masks worked out."""

    index: int
    offset: int
    name: str
    register: type[Register]
    writable: int
    w1c: int
    w1s: int
    w1t: int
    w0c: int
    read_clears: int
    readable: int
    reserved: int
    tagged: int
    simple: bool
    """True if a write only replaces the writable bits."""
    plain_read: bool
    width: int
    arms: bool
    read_point: str = field(init=False, default="")
    write_point: str = field(init=False, default="")
    """Names of the fault points that reads and writes are."""
    on_read: Callable[..., int] | None = None
    """The device class's ``on_read_NAME(value)``; reading gives what it returns."""
    on_write: Callable[..., None] | None = None
    """The device class's ``on_write_NAME(old, new)``."""
    inert_read: bool = False
    """True if a read gives the value as it stands and does nothing else."""
    bank: str = ""
    """Name of the bank that holds the register, and *offset* is its number there; empty: it stands in the map itself."""
    pieces: tuple[tuple[Slot, int, int, int], ...] = ()
    """Stands for an access to several registers or to a part of one: what it meets (`hw.register_parts`)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "read_point", f"register-read:{self.name}")
        object.__setattr__(self, "write_point", f"register-write:{self.name}")


def _named(map_: type) -> dict[str, Any]:
    """What the classes from the base up name: a map that inherits another has its registers, too, and may replace them."""
    found: dict[str, Any] = {}
    for base in reversed(map_.__mro__):
        found.update(vars(base))
    return found


class RegisterMap:
    """Offsets of registers: ``NAME = offset, RegisterClass``. *banks* are those that are reached through index ports; their
    registers count as registers of the map, but for `by_offset`. A subclass of a map adds registers, or replaces them by name."""

    banks: ClassVar[tuple[type[RegisterBank], ...]] = ()
    numbered: ClassVar[bool] = False
    """True if registers stand side by side by number, whatever their width."""
    joins: ClassVar[bool] = False
    """True if one access may meet several registers, or a part of one (`hw.register_parts`)."""
    slots: ClassVar[tuple[Slot, ...]] = ()
    by_offset: ClassVar[dict[int, Slot]] = {}
    index: ClassVar[dict[str, int]] = {}
    reset_values: ClassVar[tuple[int, ...]] = ()

    def __init_subclass__(cls) -> None:
        rows = [(value[0], name, value[1]) for name, value in _named(cls).items()
                if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], type)
                and issubclass(value[1], Register)]
        end, before = 0, ""
        slots = []
        for i, (offset, name, register) in enumerate(sorted(rows, key=lambda row: row[0])):
            if offset < end:
                raise TypeError(f"{cls.__name__}: {name} at 0x{offset:x} overlaps {before}")
            end, before = offset + (1 if cls.numbered else register.width), name
            slots.append(_slot(i, offset, name, register))
        cls.by_offset = {slot.offset: slot for slot in slots}
        for bank in cls.banks:
            slots += [replace(slot, index=len(slots) + i, bank=bank.__name__) for i, slot in enumerate(bank.slots)]
        cls.slots = tuple(slots)
        cls.index = {slot.name: slot.index for slot in slots}
        if len(cls.index) != len(slots):
            twice = next(slot.name for slot in slots if cls.index[slot.name] != slot.index)
            raise TypeError(f"{cls.__name__}: two registers are called {twice}")
        cls.reset_values = tuple(slot.register.reset_value() for slot in slots) + (0,) * cls.joins


class RegisterBank(RegisterMap):
    """Registers behind an index port: ``NAME = number, RegisterClass``."""

    numbered: ClassVar[bool] = True


def _slot(index: int, offset: int, name: str, register: type[Register]) -> Slot:
    special = {mode: register.mask_of(mode) for mode in ("w1c", "w1s", "w1t", "w0c")}
    everything = (1 << register.width * 8) - 1
    declared = sum(f.mask for f in register.fields)
    return Slot(
        index, offset, name, register, register.mask_of("rw", "wo"), special["w1c"], special["w1s"], special["w1t"],
        special["w0c"], register.mask_of("rc"), everything & ~register.mask_of("wo"), everything & ~declared,
        register.mask_of("tag"), not any(special.values()), not register.mask_of("rc", "wo"), register.width, register.arms)


class RegisterFile:
    """The register values of one device, and the dispatch to its handlers. Mix into a device class with ``registers``."""

    registers: ClassVar[type[RegisterMap]]
    name: str
    values: list[int]
    slots: ClassVar[dict[int, Slot]] = {}
    """The registers of this device by offset, each with its handlers."""
    banks: ClassVar[dict[str, dict[int, Slot]]] = {}
    """The registers behind index ports, each with its handlers: by the name of the bank, then by number."""
    parts: ClassVar[dict[tuple[int, int, bool], Slot | None]] = {}
    """What stands for accesses that meet no register as a whole, by offset, size and whether they write (`hw.register_parts`)."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "registers" in vars(cls):
            known = cls.registers.index
            for attribute in dir(cls):
                kind, name = _split(attribute)
                if kind and name not in known:
                    raise TypeError(f"{cls.__name__}.{attribute} handles a register that {cls.registers.__name__} lacks")
        if hasattr(cls, "registers"):
            cls.slots, cls.parts = {}, {}
            cls.banks = {bank.__name__: {} for bank in cls.registers.banks}
            for slot in cls.registers.slots:
                on_read = getattr(cls, f"on_read_{slot.name}", None)
                place = cls.banks[slot.bank] if slot.bank else cls.slots
                place[slot.offset] = replace(
                    slot, on_read=on_read, on_write=getattr(cls, f"on_write_{slot.name}", None),
                    inert_read=slot.plain_read and on_read is None)

    def reset_registers(self) -> None:
        """Give every register its reset value."""
        self.values = list(self.registers.reset_values)

    def read_register(self, slot: Slot) -> int:
        """What the processor reads, with the side effects of reading."""
        value = self.values[slot.index]
        if slot.on_read is not None:
            value = slot.on_read(self, value)
        if slot.plain_read:
            return value
        if slot.read_clears:
            self.values[slot.index] &= ~slot.read_clears
        return value & slot.readable

    def write_register(self, slot: Slot, value: int) -> None:
        """Store what the processor writes, by the fields' modes, then call the register's handler."""
        old = self.values[slot.index]
        new = (old & ~slot.writable) | (value & slot.writable)
        if not slot.simple:
            new &= ~(value & slot.w1c)
            new |= value & slot.w1s
            new ^= value & slot.w1t
            new &= ~(~value & slot.w0c)
        if slot.tagged and value & slot.tagged:
            raise NotModelledError(
                f"{self.name} {slot.name}: {slot.register.show(value & slot.tagged)} is known but not modelled",
                "docs/add-a-nic.md says how to model it")
        self.values[slot.index] = new
        if slot.on_write is not None:
            slot.on_write(self, old, new)


def _split(attribute: str) -> tuple[str, str]:
    for kind in ("on_write_", "on_read_"):
        if attribute.startswith(kind):
            return kind, attribute[len(kind):]
    return "", ""
