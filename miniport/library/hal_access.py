# SPDX-License-Identifier: Apache-2.0
"""Registers and ports by the names of the HAL: READ_REGISTER_ULONG and its relatives. Single accesses and buffers of ports are
those of ndis.h under a second name; the buffers of registers are here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from miniport.library import bus_access
from miniport.routine import BY_PYTHON, alias, routine
from miniport.view import RegisterWindow, View

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

assert bus_access.__name__, "importing it enters the routines of which these are second names"

BufferAccess = Callable[["Ndis", "Adapter", RegisterWindow, int, View, int], None]


def _read_buffer(size: int, one: Callable[..., int]) -> BufferAccess:
    def access(ndis: Ndis, adapter: Adapter, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        for at in range(0, count * size, size):
            buffer.write(at, one(adapter, window, offset + at).to_bytes(size, "little"))
    return access


def _write_buffer(size: int, one: Callable[..., None]) -> BufferAccess:
    def access(ndis: Ndis, adapter: Adapter, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        for at in range(0, count * size, size):
            one(adapter, window, offset + at, int.from_bytes(buffer.read(at, size), "little"))
    return access


def _enter(name: str, access: BufferAccess, summary: str, size: str) -> None:
    access.__name__ = name.lower()
    access.__doc__ = summary
    routine(name, event=False, c=f"VOID {name}(P{size} Register, P{size} Buffer, ULONG Count)",
            source=f"ddi:wdm/nf-wdm-{name.lower()}")(access)


for _bytes, _size in ((1, "UCHAR"), (2, "USHORT"), (4, "ULONG")):
    _lower, _ndis = _size.lower(), _size.capitalize()
    for _kind, _raw in (("REGISTER", ""), ("PORT", "Raw")):
        _what = _kind.capitalize()
        for _verb, _result, _value in (("READ", _size, ""), ("WRITE", "VOID", f", {_size} Value")):
            _name = f"{_verb}_{_kind}_{_size}"
            alias(_name, f"Ndis{_raw}{_verb.capitalize()}{_what}{_ndis}", c=f"{_result} {_name}(P{_size} {_what}{_value})",
                  source=f"ddi:wdm/nf-wdm-{_name.lower()}", python=_name.lower() if _raw else "")
    for _verb in ("READ", "WRITE"):
        _name = f"{_verb}_PORT_BUFFER_{_size}"
        alias(_name, f"NdisRaw{_verb.capitalize()}PortBuffer{_ndis}", c=f"VOID {_name}(P{_size} Port, P{_size} Buffer, ULONG Count)",
              source=f"ddi:wdm/nf-wdm-{_name.lower()}", python=_name.lower())
    _enter(f"READ_REGISTER_BUFFER_{_size}", _read_buffer(_bytes, BY_PYTHON[f"read_register_{_lower}"].implementation),
           f"Read *count* registers of {_bytes} byte(s), one behind the other from *offset* on, into *buffer*.", _size)
    _enter(f"WRITE_REGISTER_BUFFER_{_size}", _write_buffer(_bytes, BY_PYTHON[f"write_register_{_lower}"].implementation),
           f"Write *count* items of *buffer* to registers of {_bytes} byte(s), one behind the other from *offset* on.", _size)
