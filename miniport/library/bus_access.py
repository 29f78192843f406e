# SPDX-License-Identifier: Apache-2.0
"""Bus accesses beside the plain ones: ports before they are registered, whole buffers through one port, device memory in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from miniport.handlers import INIT
from miniport.library import registers
from miniport.routine import BY_PYTHON, PASSIVE, routine
from miniport.view import RegisterWindow, View
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

NOT_IMMEDIATE = rule("ioport-no-immediate-after", "use NdisRaw... routines once the ports are registered")

assert registers.__name__, "importing it enters the single accesses, of which these are made"

_ULONG = 4


def _immediate(ndis: Ndis, adapter: Adapter, name: str, port: int, size: int, value: int | None) -> int:
    """Read a port of the bus by its number, or write *value* to it; all ones where nothing answers."""
    claim = next((c for c in adapter.claims.values() if c.routine == "NdisMRegisterIoPortRange"), None)
    if claim is not None:
        ndis.findings.report(NOT_IMMEDIATE, f"{name} of port 0x{port:x} after NdisMRegisterIoPortRange", subject=("ports",),
                             related=[("ports registered", claim.where)])
    nic, bus = ndis.nic, ndis.machine.bus
    for bar in nic.bars:
        base = nic.config.bar(bar.number)
        if bar.ports and base <= port and port + size <= base + bar.size:
            if value is None:
                return bus.read(nic, bar.number, port - base + bar.first, size, True)
            bus.write(nic, bar.number, port - base + bar.first, size, value & (1 << size * 8) - 1, True)
            return 0
    return (1 << size * 8) - 1


def _immediate_read(name: str, size: int) -> Callable[[Ndis, Adapter, int], int]:
    def access(ndis: Ndis, adapter: Adapter, port: int) -> int:
        return _immediate(ndis, adapter, name, port, size, None)
    return access


def _immediate_write(name: str, size: int) -> Callable[[Ndis, Adapter, int, int], None]:
    def access(ndis: Ndis, adapter: Adapter, port: int, value: int) -> None:
        _immediate(ndis, adapter, name, port, size, value)
    return access


def _buffer_read(size: int, one: Callable[..., int]) -> Callable[[Ndis, Adapter, RegisterWindow, int, View, int], None]:
    def access(ndis: Ndis, adapter: Adapter, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        for at in range(0, count * size, size):
            buffer.write(at, one(adapter, window, offset).to_bytes(size, "little"))
    return access


def _buffer_write(size: int, one: Callable[..., int]) -> Callable[[Ndis, Adapter, RegisterWindow, int, View, int], None]:
    def access(ndis: Ndis, adapter: Adapter, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        for at in range(0, count * size, size):
            one(adapter, window, offset, int.from_bytes(buffer.read(at, size), "little"))
    return access


def _enter(name: str, python: str, summary: str, prototype: str, page: int, access: Callable[..., object], *, immediate: bool) -> None:
    access.__name__ = python
    access.__doc__ = summary
    if immediate:
        routine(name, irql=PASSIVE, handlers=INIT, event=False, c=f"VOID {name}(NDIS_HANDLE, ULONG Port, {prototype})",
                source=f"nt4:103ndisx_{page}")(access)
    else:
        routine(name, event=False, c=f"VOID {name}({prototype} Buffer, ULONG Length)", source=f"nt4:103ndisx_{page}")(access)


for _size, _name, _type, _page in ((1, "Uchar", "UCHAR", 0), (2, "Ushort", "USHORT", 2), (4, "Ulong", "ULONG", 1)):
    _lower = _name.lower()
    _enter(f"NdisImmediateReadPort{_name}", f"immediate_read_port_{_lower}",
           f"Read {_size} byte(s) of the port with number *port*, before ports are registered; all ones where nothing answers.",
           f"OUT P{_type} Data", 62 + _page, _immediate_read(f"NdisImmediateReadPort{_name}", _size), immediate=True)
    _enter(f"NdisImmediateWritePort{_name}", f"immediate_write_port_{_lower}",
           f"Write {_size} byte(s) to the port with number *port*, before ports are registered.",
           f"{_type} Data", 67 + _page, _immediate_write(f"NdisImmediateWritePort{_name}", _size), immediate=True)
    _enter(f"NdisRawReadPortBuffer{_name}", f"raw_read_port_buffer_{_lower}",
           f"Read the port at *offset* of a port range *count* times, {_size} byte(s) each, into *buffer*.", f"ULONG Port, OUT P{_type}",
           163 + _page, _buffer_read(_size, BY_PYTHON[f"raw_read_port_{_lower}"].implementation), immediate=False)
    _enter(f"NdisRawWritePortBuffer{_name}", f"raw_write_port_buffer_{_lower}",
           f"Write *count* items of *buffer*, {_size} byte(s) each, to the port at *offset* of a port range.", f"ULONG Port, P{_type}",
           169 + _page, _buffer_write(_size, BY_PYTHON[f"raw_write_port_{_lower}"].implementation), immediate=False)


def _pieces(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """(offset, size) of the accesses that a copy in device memory takes: bytes up to a multiple of 4, ULONGs, the last bytes."""
    end = offset + max(length, 0)
    while offset < end:
        size = _ULONG if offset % _ULONG == 0 and end - offset >= _ULONG else 1
        yield offset, size
        offset += size


_READ = {size: BY_PYTHON[f"read_register_{name}"].implementation for size, name in ((1, "uchar"), (4, "ulong"))}
_WRITE = {size: BY_PYTHON[f"write_register_{name}"].implementation for size, name in ((1, "uchar"), (4, "ulong"))}


@routine("NdisMoveFromMappedMemory", event=False, c="VOID NdisMoveFromMappedMemory(OUT PVOID Destination, PVOID Source, ULONG Length)",
         source="nt4:103ndisx_113")
def move_from_mapped_memory(ndis: Ndis, adapter: Adapter, destination: View, window: RegisterWindow, offset: int, length: int) -> None:
    """Copy device memory at *offset* of a mapping into memory."""
    for at, size in _pieces(offset, length):
        destination.write(at - offset, _READ[size](adapter, window, at).to_bytes(size, "little"))


@routine("NdisMoveToMappedMemory", event=False, c="VOID NdisMoveToMappedMemory(OUT PVOID Destination, PVOID Source, ULONG Length)",
         source="nt4:103ndisx_116")
def move_to_mapped_memory(ndis: Ndis, adapter: Adapter, window: RegisterWindow, offset: int, source: View, length: int) -> None:
    """Copy memory to device memory at *offset* of a mapping."""
    for at, size in _pieces(offset, length):
        _WRITE[size](adapter, window, at, int.from_bytes(source.read(at - offset, size), "little"))


@routine("NdisMoveMappedMemory", event=False, c="VOID NdisMoveMappedMemory(OUT PVOID Destination, PVOID Source, ULONG Length)",
         source="nt4:103ndisx_114")
def move_mapped_memory(ndis: Ndis, adapter: Adapter, destination: RegisterWindow, destination_offset: int, source: RegisterWindow,
                       source_offset: int, length: int) -> None:
    """Copy device memory at an offset of one mapping to device memory at an offset of a mapping, the same or another. In ULONGs
    where both offsets allow it, else in bytes, from the lowest address up; the page says nothing of ranges that overlap."""
    together = destination_offset % _ULONG == source_offset % _ULONG
    for at, size in _pieces(source_offset, length) if together else ((source_offset + i, 1) for i in range(length)):
        _WRITE[size](adapter, destination, destination_offset + at - source_offset, _READ[size](adapter, source, at))


@routine("NdisZeroMappedMemory", event=False, c="VOID NdisZeroMappedMemory(PVOID Destination, ULONG Length)", source="nt4:103ndisx_222")
def zero_mapped_memory(ndis: Ndis, adapter: Adapter, window: RegisterWindow, offset: int, length: int) -> None:
    """Clear device memory at *offset* of a mapping."""
    for at, size in _pieces(offset, length):
        _WRITE[size](adapter, window, at, 0)
